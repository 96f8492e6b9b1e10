package snapshot

import (
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// reading is what a client makes of the rows of one log.
type reading struct {
	at           market.Position
	price        int64
	seen         map[market.Position]int64
	lost, missed map[market.Position]bool
}

func newReading() *reading {
	return &reading{seen: map[market.Position]int64{}, lost: map[market.Position]bool{}, missed: map[market.Position]bool{}}
}

func (r *reading) apply(t *rapid.T, b []byte) {
	// One element at a time, so that losses, gaps and trades come in the order in which they stand.
	for len(b) > 0 {
		n := elementLen(b)
		var f feedv1.ServerFrame
		if err := proto.Unmarshal(b[:n], &f); err != nil {
			t.Fatalf("fragment %x: %v", b[:n], err)
		}
		b = b[n:]
		for _, l := range f.Losses {
			for s := l.From; s <= l.To; s++ {
				r.lost[market.Position{Epoch: market.Epoch(l.Epoch), Sequence: market.Sequence(s)}] = true
			}
			r.at = market.Position{}
		}
		for _, g := range f.Gaps {
			for s := g.From; s <= g.To; s++ {
				r.missed[market.Position{Epoch: market.Epoch(g.Epoch), Sequence: market.Sequence(s)}] = true
			}
			r.at = market.Position{}
		}
		for _, row := range f.Trades {
			if row.Sequence != 0 {
				r.price = 0
				p := market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}
				if !r.at.Before(p) && r.at != (market.Position{}) {
					t.Fatalf("sequence goes back from %+v to %+v", r.at, p)
				}
				r.at = p
			} else if r.at == (market.Position{}) {
				t.Fatalf("a difference without a full row before it")
			} else {
				r.at.Sequence++
			}
			r.price += row.Price
			if _, twice := r.seen[r.at]; twice {
				t.Fatalf("%+v delivered twice", r.at)
			}
			r.seen[r.at] = r.price
		}
	}
}

// elementLen is the length of the first element in b: a one-byte tag, a one-byte length, the body.
func elementLen(b []byte) int { return 2 + int(b[1]) }

// Whatever is appended and however slowly it is read, each trade is delivered once and in order, or
// named as lost; and each gap is named, or lies within what was lost.
func TestEveryTradeIsDeliveredOrFlagged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := 1 << rapid.IntRange(0, 6).Draw(t, "size")
		s := NewStore(Options{LogEvents: size, LogMax: size << rapid.IntRange(0, 5).Draw(t, "growth")})
		now := int64(1_700_000_000_000_000)
		s.Begin()
		id, _ := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "n"}})
		s.Commit()
		all := map[market.Position]int64{}
		gaps := map[market.Position]bool{}
		p := market.Position{Epoch: 1}
		got := newReading()
		c := Cursor{Fresh: true}
		read := func(limit int) {
			r := s.Acquire()
			b, lost := r.Trades(nil, id, &c, r.TradesEnd(id), limit)
			r.Release()
			before := len(got.lost)
			got.apply(t, b)
			if int(lost) != len(got.lost)-before {
				t.Fatalf("%d lost are reported, %d named", lost, len(got.lost)-before)
			}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 10).Draw(t, "step") {
			case 10: // quiet for longer than events are kept for their age
				now += 90_000_000
				s.Begin()
				s.Advance(now)
				s.Commit()
			case 0:
				p = market.Position{Epoch: p.Epoch + 1}
			case 1:
				n := market.Sequence(rapid.IntRange(1, 5).Draw(t, "gap"))
				for i := range n {
					gaps[market.Position{Epoch: p.Epoch, Sequence: p.Sequence + 1 + i}] = true
				}
				s.Begin()
				s.TradeGap(id, p.Epoch, p.Sequence+1, p.Sequence+n)
				s.Commit()
				p.Sequence += n
			case 2:
				read(rapid.SampledFrom([]int{1, 100, 1 << 20}).Draw(t, "limit"))
			default:
				p.Sequence++
				price := int64(rapid.IntRange(-1000, 1000).Draw(t, "price"))
				all[p] = price
				s.Begin()
				s.Trade(id, &market.Trade{Price: price, Size: 1, Position: p, IngestTime: now, ExchangeTime: now})
				s.Commit()
			}
		}
		read(1 << 20)
		for p, price := range all {
			if v, ok := got.seen[p]; ok && v != price {
				t.Fatalf("%+v came with price %d, was %d", p, v, price)
			} else if ok == got.lost[p] && !beforeOldestEpochs(p, s, id) {
				t.Fatalf("%+v: seen %v, lost %v", p, ok, got.lost[p])
			}
		}
		for p := range gaps {
			if !got.missed[p] && !got.lost[p] && !beforeOldestEpochs(p, s, id) {
				t.Fatalf("gap at %+v is not named", p)
			}
		}
		for p := range got.missed {
			if !gaps[p] {
				t.Fatalf("a gap at %+v that never was", p)
			}
		}
	})
}

// beforeOldestEpochs reports whether p is of an epoch that a log no longer remembers the end of.
func beforeOldestEpochs(p market.Position, s *Store, id market.InstrumentID) bool {
	ended := s.records[id].trades.ended
	return len(ended) == maxEnded && p.Epoch < ended[0].Epoch
}

func TestNewReadersAndResumedOnes(t *testing.T) {
	s := NewStore(Options{LogEvents: 16, LogMax: 16})
	s.Begin()
	id, _ := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "n"}})
	for i := range 40 {
		s.Trade(id, &market.Trade{Price: int64(i), Position: market.Position{Epoch: 5, Sequence: market.Sequence(i + 1)}})
	}
	s.Commit()
	r := s.Acquire()
	defer r.Release()
	at := func(seq market.Sequence) market.Position { return market.Position{Epoch: 5, Sequence: seq} }
	for name, c := range map[string]struct {
		cursor Cursor
		index  uint64
		lost   uint64
	}{
		"last three":               {r.TradesBack(id, 3), 37, 0},
		"more than are held":       {r.TradesBack(id, 1000), 24, 0},
		"none":                     {r.TradesBack(id, 0), 40, 0},
		"resumes at the end":       {r.TradesSeek(id, at(40)), 40, 0},
		"resumes in the middle":    {r.TradesSeek(id, at(30)), 30, 0},
		"resumes just in time":     {r.TradesSeek(id, at(24)), 24, 0},
		"resumes too late":         {r.TradesSeek(id, at(10)), 24, 14},
		"resumes in another epoch": {r.TradesSeek(id, market.Position{Epoch: 4, Sequence: 9}), 24, 24},
	} {
		if c.cursor.Index != c.index {
			t.Errorf("%s: index %d, want %d", name, c.cursor.Index, c.index)
		}
		cur := c.cursor
		if _, lost := r.Trades(nil, id, &cur, r.TradesEnd(id), 1<<20); lost != c.lost || cur.Index != 40 {
			t.Errorf("%s: lost %d, want %d; ends at %d", name, lost, c.lost, cur.Index)
		}
	}
}

// A log keeps a number of events whatever their age, more while they are young, and never more than its bound.
func TestLogKeepsWhatIsYoung(t *testing.T) {
	s := NewStore(Options{LogEvents: 16, LogMax: 128, LogFor: time.Second})
	s.Begin()
	defer s.Commit()
	id, _ := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "n"}})
	l, now, seq := &s.records[id].trades, int64(1), market.Sequence(0)
	run := func(n int, gap int64) int {
		for range n {
			now += gap
			seq++
			s.Trade(id, &market.Trade{IngestTime: now, Position: market.Position{Epoch: 1, Sequence: seq}})
		}
		return int(l.next - l.first)
	}
	if n := run(1000, 1_000_000); n != 16 {
		t.Errorf("one a second: %d are kept, want 16", n)
	}
	if n := run(1000, 20_000); n != 50 {
		t.Errorf("50 a second: %d are kept, want 50", n)
	}
	if n := run(1000, 100); n != 128 {
		t.Errorf("10,000 a second: %d are kept, want 128", n)
	}
	if n := run(2, 2_000_000); n != 16 {
		t.Errorf("after a silence: %d are kept, want 16", n)
	}
}

// What a burst made a log grow to is given back when it is over, whether trading goes on or not; the last events stay, and a reader that
// had not come so far is told what it lost.
func TestABurstGivesItsMemoryBack(t *testing.T) {
	const keep, burst, start = 1024, 50_000, 1_700_000_000_000_000
	for _, after := range []struct {
		name   string
		trades int
	}{{"nothing more is traded", 0}, {"trading goes on slowly", 90}} {
		t.Run(after.name, func(t *testing.T) {
			s := NewStore(Options{})
			s.Begin()
			id, _ := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "n"}})
			s.Commit()
			l := &s.records[id].trades
			sequence, now := market.Sequence(0), int64(start)
			trade := func(after int64) {
				sequence++
				now += after
				s.Begin()
				s.Trade(id, &market.Trade{Price: 100, Size: 1, Position: market.Position{Epoch: 1, Sequence: sequence}, IngestTime: now, ExchangeTime: now})
				s.Advance(now)
				s.Commit()
			}
			for range burst {
				trade(20) // one second in all
			}
			s.Begin()
			s.Advance(now + 3_000_000) // a second's bar closes, and readers at 5 s have yet to come by
			s.Commit()
			if len(l.ring) != 65_536 || l.next-l.first != burst {
				t.Fatalf("behind the burst the log holds %d events with room for %d", l.next-l.first, len(l.ring))
			}
			slow, done := Cursor{Index: l.first, Last: l.origin}, l.end()
			for range after.trades {
				trade(1_000_000)
			}
			s.Begin()
			s.Advance(now + 90_000_000)
			s.Commit()
			if held := l.next - l.first; len(l.ring) > 2*keep || held != keep {
				t.Errorf("afterwards it holds %d events with room for %d, want %d and room for twice as many at most", held, len(l.ring), keep)
			}
			r := s.Acquire()
			defer r.Release()
			if _, lost := r.Trades(nil, id, &done, r.TradesEnd(id), 1<<20); lost != 0 {
				t.Errorf("a reader in step lost %d trades", lost)
			}
			if _, lost := r.Trades(nil, id, &slow, r.TradesEnd(id), 1<<20); lost != uint64(sequence)-keep {
				t.Errorf("a reader at the start of the burst is told that it lost %d trades of %d", lost, sequence)
			}
		})
	}
}

// Where a whole market quietens down at once, its logs give their memory back a few at a time, and all do.
func TestManyBurstsGiveTheirMemoryBackInTurns(t *testing.T) {
	const instruments, burst, start = 3*trimsAtOnce - 1, 300, 1_700_000_000_000_000
	s := NewStore(Options{LogEvents: 16})
	s.Begin()
	for n := range instruments {
		id, _ := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: strconv.Itoa(n)}})
		for i := range burst {
			s.Trade(id, &market.Trade{Price: 1, Size: 1, Position: market.Position{Epoch: market.Epoch(1 + i/100), Sequence: market.Sequence(1 + i%100)}, IngestTime: start, ExchangeTime: start})
		}
	}
	s.Commit()
	swollen := func() (n int) {
		for i := range s.records {
			if len(s.records[i].trades.ring) > 2*16 {
				n++
			}
		}
		return n
	}
	for round, want := range []int{instruments, instruments - trimsAtOnce, instruments - 2*trimsAtOnce, 0} {
		if got := swollen(); got != want {
			t.Fatalf("after %d rounds %d logs are as large as in the burst, want %d", round, got, want)
		}
		s.Begin()
		s.Advance(start + 90_000_000 + int64(round)*100_000)
		s.Commit()
	}
	// Epochs that ended on the way are named to whoever comes late.
	r := s.Acquire()
	defer r.Release()
	c := Cursor{Last: market.Position{Epoch: 1, Sequence: 40}}
	if _, lost := r.Trades(nil, 0, &c, r.TradesEnd(0), 1<<20); lost != 60+100+100-16 {
		t.Errorf("a reader behind 1:40 is told of %d lost trades, want %d", lost, 60+100+100-16)
	}
}

// Trades that waited behind a gap come to readers all at once, long after they came to the node: readers have as long for them as for
// others. Where nobody ever read, as at a boot, their age counts.
func TestLogKeepsWhatComesLate(t *testing.T) {
	const second = 1_000_000
	for _, read := range []bool{true, false} {
		s := NewStore(Options{LogEvents: 16, LogMax: 1024, LogFor: time.Second})
		s.Begin()
		id, _ := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "n"}})
		now, seq := int64(1000*second), market.Sequence(0)
		trade := func(came int64) {
			seq++
			s.Trade(id, &market.Trade{IngestTime: came, Position: market.Position{Epoch: 1, Sequence: seq}})
		}
		s.Advance(now)
		trade(now)
		s.Commit()
		var c Cursor
		if read {
			r := s.Acquire()
			c = r.TradesCursor(id)
			r.Release()
		}
		s.Begin()
		now += 12 * second
		s.Advance(now)
		seq++
		s.TradeGap(id, 1, seq, seq)
		for i := range 500 { // 12 s of trades
			trade(now - 12*second + int64(i)*24_000)
		}
		trade(now)
		l := &s.records[id].trades
		l.trim(l.slack(now))
		s.Commit()
		r := s.Acquire()
		if read {
			_, lost := r.Trades(nil, id, &c, r.TradesEnd(id), 1<<20)
			if lost != 0 {
				t.Errorf("%d are lost on a reader that comes at once", lost)
			}
		} else if l.next-l.first > 100 {
			t.Errorf("%d are kept for nobody", l.next-l.first)
		}
		r.Release()

		s.Begin()
		for range 100 { // a while later they go as others do
			now += second / 10
			s.Advance(now)
			trade(now - 2*belatedBy) // always late: runs are few
			if n := len(l.late); n > 4 {
				t.Fatalf("%d runs of late trades are remembered", n)
			}
		}
		if l.next-l.first > 64 {
			t.Errorf("%d are kept for ever", l.next-l.first)
		}
		s.Commit()
	}
}
