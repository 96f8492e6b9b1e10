package snapshot

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// barWorld is a store with instruments, in which trades come.
type barWorld struct {
	*Store
	now  int64
	next map[market.InstrumentID]market.Sequence
}

func newBarWorld(names ...string) *barWorld {
	w := &barWorld{Store: NewStore(Options{}), now: 1_900_000_000_000_000, next: map[market.InstrumentID]market.Sequence{}}
	define(w.Store, names...)
	return w
}

func (w *barWorld) trade(id market.InstrumentID, t market.Trade) {
	w.next[id]++
	t.Position, t.IngestTime = market.Position{Epoch: 1, Sequence: w.next[id]}, w.now
	w.Begin()
	w.Trade(id, &t)
	w.Commit()
}

func (w *barWorld) advance(us int64) {
	w.now += us
	w.Begin()
	w.Advance(w.now)
	w.Commit()
}

// changes are the followed keys that changed since the last call.
func (w *barWorld) changes(from *uint64) map[Key]int {
	r := w.Acquire()
	defer r.Release()
	a, b, next, _ := r.Changes(*from)
	*from = next
	counts := map[Key]int{}
	for _, k := range append(append([]Key(nil), a...), b...) {
		counts[k]++
	}
	return counts
}

func TestTimeAloneWakesThoseWhoFollow(t *testing.T) {
	w := newBarWorld("v:A", "v:B")
	r := w.Acquire()
	bar, stats := MakeKey(0, market.ChannelBar), MakeKey(0, market.ChannelStats)
	r.Follow(bar)
	r.Follow(stats)
	r.Release()
	woken, at := 0, uint64(0)
	w.Watch(func() { woken++ })
	w.trade(0, market.Trade{Price: 5, Size: 1})
	w.trade(1, market.Trade{Price: 5, Size: 1})
	if c := w.changes(&at); woken != 1 || c[bar] != 1 || c[stats] != 1 || len(c) != 2 {
		t.Fatalf("a trade woke %d times for %v", woken, c)
	}
	w.advance(1_900_000)
	if c := w.changes(&at); woken != 1 || len(c) != 0 {
		t.Fatalf("nothing is over yet, but %v changed", c)
	}
	w.advance(100_000)
	if c := w.changes(&at); woken != 2 || c[bar] != 1 || len(c) != 1 {
		t.Fatalf("the bar of the second is over: woken %d times for %v", woken, c)
	}
	w.advance(86_400_000_000)
	if c := w.changes(&at); woken != 3 || c[bar] != 1 || c[stats] != 1 {
		t.Fatalf("a day later: woken %d times for %v", woken, c)
	}
}

func TestTheAgendaLooksOnlyAtWhatIsDue(t *testing.T) {
	w := newBarWorld("v:A", "v:B", "v:C")
	if w.agenda.earliest != never {
		t.Fatal("nothing is due in an empty store")
	}
	w.trade(0, market.Trade{Price: 5, Size: 1})
	due := w.agenda.earliest
	if want := w.now + 2_000_000; due != want {
		t.Fatalf("due at %d, want %d", due, want)
	}
	w.advance(500_000)
	w.trade(1, market.Trade{Price: 5, Size: 1, ExchangeTime: w.now - 60_000_000})
	if w.agenda.earliest >= due {
		t.Fatal("a bar that is over already is due at once")
	}
	w.advance(100_000)
	if w.agenda.earliest != due || len(w.agenda.entries) != 2 {
		t.Fatalf("due at %d, want %d again; %d entries", w.agenda.earliest, due, len(w.agenda.entries))
	}
	r := w.Acquire()
	defer r.Release()
	if b := r.Bars(1, 1); !b.At(0).Closed || r.Bars(2, 1) != nil || r.Bars(1, 7) != nil {
		t.Fatal("the bar of a minute ago is closed, and others do not exist")
	}
}

func TestLateTradesAreCounted(t *testing.T) {
	w := newBarWorld("v:A")
	late := func() uint64 { return w.options.Counters.Count(drop.LateTrade) }
	w.trade(0, market.Trade{Price: 5, Size: 1, ExchangeTime: w.now + 61_000_000})
	w.trade(0, market.Trade{Price: 5, Size: 1})
	w.trade(0, market.Trade{Kind: market.TradeCancellation, RefersTo: 1})
	w.trade(0, market.Trade{Price: 5, Size: 1, ExchangeTime: w.now - 30*86_400_000_000})
	if late() != 3 {
		t.Fatalf("%d late, want the one from the future, the mend of it, and the one of last month", late())
	}
	w.trade(0, market.Trade{Kind: market.TradeCancellation, RefersTo: 2})
	r := w.Acquire()
	defer r.Release()
	if st := r.Statistics(0); late() != 3 || st.Day.Trades != 0 || st.Last != 5 {
		t.Fatalf("%d late, %+v", late(), st)
	}
}

func TestADefinitionMovesTheTradingDay(t *testing.T) {
	w := newBarWorld("v:A")
	w.trade(0, market.Trade{Price: 5, Size: 1})
	in := w.Instrument(0)
	in.SessionStart, in.TimeZone = 17*3600, "America/New_York"
	w.Begin()
	if _, err := w.Define(in); err != nil {
		t.Fatal(err)
	}
	w.Commit()
	w.trade(0, market.Trade{Price: 6, Size: 1})
	w.advance(86_400_000_000)
	r := w.Acquire()
	defer r.Release()
	if st := r.Statistics(0); (st.SessionStart-17*3600)%3600 != 0 || st.SessionStart%86400 == 0 || st.SessionStart*1_000_000 > w.now {
		t.Fatalf("%+v", st)
	}
}

func TestStatementsStandBesideWhatIsComputed(t *testing.T) {
	w := newBarWorld("v:A")
	state := func(st market.Statistics) {
		w.Begin()
		w.Statistics(0, &st)
		w.Commit()
	}
	look := func() (uint64, int64, int64) {
		r := w.Acquire()
		defer r.Release()
		st := r.Statistics(0)
		return r.StatisticsTicks(0), st.Venue.Mark, st.IngestTime
	}
	if ticks, _, _ := look(); ticks != 0 {
		t.Fatal("there are no statistics yet")
	}
	state(market.Statistics{Mark: 7, Has: market.HasMark, IngestTime: w.now})
	if ticks, mark, _ := look(); ticks != 1 || mark != 7 {
		t.Fatal(ticks, mark)
	}
	w.now += 5
	w.trade(0, market.Trade{Price: 1, Size: 1})
	if ticks, mark, at := look(); ticks != 2 || mark != 7 || at != w.now {
		t.Fatal(ticks, mark, at)
	}
	state(market.Statistics{Mark: 8, Has: market.HasMark, IngestTime: w.now + 9})
	if ticks, mark, at := look(); ticks != 3 || mark != 8 || at != w.now+9 {
		t.Fatal(ticks, mark, at)
	}
}

// What is stored of an instrument's bars comes back as it was, and goes on.
func TestStoredBarsGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newBarWorld("v:A", "v:B")
		for range rapid.IntRange(0, 30).Draw(t, "trades") {
			w.trade(0, market.Trade{Price: rapid.Int64Range(1, 99).Draw(t, "price"), Size: rapid.Int64Range(0, 9).Draw(t, "size")})
			w.advance(rapid.Int64Range(0, 900_000_000).Draw(t, "pass"))
		}
		if rapid.Bool().Draw(t, "stated") {
			w.Begin()
			w.Statistics(0, &market.Statistics{Mark: 7, Has: market.HasMark, IngestTime: w.now})
			w.Commit()
		}
		stored := w.records[0].bars.appendTo(nil)
		again := newBarWorld("v:A", "v:B")
		again.now = w.now
		again.Begin()
		rest, err := again.readBars(0, append(stored, 1, 2))
		again.Commit()
		if err != nil || len(rest) != 2 {
			t.Fatalf("%v, %d bytes are left", err, len(rest))
		}
		for range 2 {
			w.advance(3_000_000)
			again.advance(3_000_000)
			a, b := (*Reader)(w.Store), (*Reader)(again.Store)
			if a.Statistics(0) != b.Statistics(0) || (a.StatisticsTicks(0) == 0) != (b.StatisticsTicks(0) == 0) {
				t.Fatalf("statistics:\nwere %+v\nare  %+v", a.Statistics(0), b.Statistics(0))
			}
			for _, seconds := range market.Intervals {
				x, y := a.Bars(0, seconds), b.Bars(0, seconds)
				if (x == nil) != (y == nil) {
					t.Fatal("bars came or went")
				}
				if x == nil {
					continue
				}
				for i, j := x.First(), y.First(); i < x.Next() || j < y.Next(); i, j = i+1, j+1 {
					if x.At(i).Bar != y.At(j).Bar {
						t.Fatalf("bars of %d s:\nwere %+v\nare  %+v", seconds, x.At(i), y.At(j))
					}
				}
			}
			w.trade(0, market.Trade{Price: 5, Size: 1})
			again.trade(0, market.Trade{Price: 5, Size: 1})
		}
	})
}

func FuzzReadBars(f *testing.F) {
	w := newBarWorld("v:A")
	w.trade(0, market.Trade{Price: 5, Size: 1})
	w.Begin()
	w.Statistics(0, &market.Statistics{Mark: 7, Has: market.HasMark, IngestTime: w.now})
	w.Commit()
	whole := w.records[0].bars.appendTo(nil)
	f.Add(whole)
	f.Add([]byte{})
	f.Add([]byte{4})
	for n := range whole {
		f.Add(whole[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newBarWorld("v:A")
		w.Begin()
		_, err := w.readBars(0, b)
		w.Commit()
		if err != nil && w.records[0].bars != (barRecord{}) {
			t.Fatal("what is damaged leaves nothing behind")
		}
		w.trade(0, market.Trade{Price: 5, Size: 1})
		w.advance(1_000_000)
	})
}

// A trade into a store, with its log, bars and statistics.
func BenchmarkStoreTrade(b *testing.B) {
	w := newBarWorld("v:A")
	t := market.Trade{Price: 6183763, Size: 1200, IngestTime: w.now, Position: market.Position{Epoch: 1}}
	w.Begin()
	b.ReportAllocs()
	for b.Loop() {
		t.Position.Sequence++
		t.IngestTime += 25_000
		w.Trade(0, &t)
	}
	w.Commit()
}

// Ten thousand instruments that trade every second, at the moment that their bars end.
func BenchmarkAdvance(b *testing.B) {
	s := NewStore(Options{})
	s.Begin()
	now := int64(1_900_000_000_000_000)
	ids := make([]market.InstrumentID, 10_000)
	for i := range ids {
		ids[i], _ = s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: string(rune('a'+i%26)) + string(rune(0x4e00+i))}})
	}
	t := market.Trade{Price: 6183763, Size: 1200}
	for b.Loop() {
		b.StopTimer()
		now += 5_000_000
		t.IngestTime = now
		t.Position.Sequence++
		for _, id := range ids {
			s.Trade(id, &t)
		}
		b.StartTimer()
		s.Advance(now + 3_000_000)
	}
	s.Commit()
}
