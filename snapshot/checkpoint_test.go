package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// saved returns the sections of a checkpoint.
func saved(t fataler, s *Store) (sections [][]byte) {
	if err := s.Checkpoint(func(b []byte) error {
		sections = append(sections, bytes.Clone(b))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return sections
}

type fataler interface{ Fatal(args ...any) }

// restored returns a store that was filled from a checkpoint.
func restored(t fataler, o Options, sections [][]byte) *Store {
	s := NewStore(o)
	for _, b := range sections {
		if err := s.Restore(b); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// whole generates numbers of any size, small ones most often.
func whole() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(-1<<40, 1<<40), rapid.Int64())
}

// play makes a store's instruments and does things to them at random, and returns the time at the end.
func play(t *rapid.T, s *Store) (now int64) {
	at := map[market.InstrumentID]market.Position{}
	now = 1_700_000_000_000_000
	s.Begin()
	defer s.Commit()
	for range rapid.IntRange(0, 150).Draw(t, "steps") {
		step := rapid.IntRange(0, 12).Draw(t, "step")
		if len(s.records) == 0 || step == 0 {
			playDefine(t, s)
			continue
		}
		id := market.InstrumentID(rapid.IntRange(0, len(s.records)-1).Draw(t, "instrument"))
		now += rapid.SampledFrom([]int64{0, 1, 1000, 700_000, 40_000_000, 4_000_000_000}).Draw(t, "later")
		p := at[id]
		p.Sequence++
		switch step {
		case 1:
			s.Quote(id, &market.Quote{
				Bid: whole().Draw(t, "bid"), BidSize: whole().Draw(t, "bid size"), Ask: whole().Draw(t, "ask"), AskSize: whole().Draw(t, "ask size"),
				ExchangeTime: now - 5000, IngestTime: now, Position: p, Has: market.Has(rapid.IntRange(0, 7).Draw(t, "has")),
			})
		case 2:
			s.Trading(id, market.Trading(rapid.IntRange(0, 5).Draw(t, "trading")), rapid.SampledFrom([]string{"", "LULD", "news"}).Draw(t, "reason"))
		case 3:
			s.Statistics(id, &market.Statistics{Mark: whole().Draw(t, "mark"), IngestTime: now, Position: p, Has: market.HasMark})
		case 4:
			p = market.Position{Epoch: p.Epoch + 1 + market.Epoch(rapid.IntRange(0, 1<<50).Draw(t, "epoch")), Sequence: 1}
			fallthrough
		case 5:
			n := market.Sequence(rapid.IntRange(1, 5).Draw(t, "gap"))
			s.TradeGap(id, p.Epoch, p.Sequence, p.Sequence+n-1)
			p.Sequence += n - 1
		case 6:
			s.Book(id, playBook(t, now, p))
		case 7:
			s.Advance(now)
		default:
			playTrade(t, s, id, now, p)
		}
		at[id] = p
	}
	return now
}

func playDefine(t *rapid.T, s *Store) {
	name := rapid.SampledFrom([]string{"A", "B", "C/D"}).Draw(t, "name")
	in := market.Instrument{
		Symbol:     market.Symbol{Venue: "v", Name: name},
		PriceScale: uint8(rapid.IntRange(0, market.MaxScale).Draw(t, "scale")), PriceStep: rapid.Int64Range(0, 1<<40).Draw(t, "step"),
		Description: rapid.StringN(0, 9, 30).Draw(t, "description"), Base: "B", Quote: "Q",
		Source: rapid.SampledFrom([]string{"", "v/feed"}).Draw(t, "source"), Asset: market.AssetClass(rapid.IntRange(0, int(market.AssetBond)).Draw(t, "class")),
		Delisted: rapid.Bool().Draw(t, "delisted"),
	}
	if name == "A" { // always the same: bars take over another calendar only with the next trade
		in.SessionStart, in.TimeZone = 34_200, "America/New_York"
	}
	if _, err := s.Define(in); err != nil {
		t.Fatal(err)
	}
}

func playBook(t *rapid.T, now int64, p market.Position) *market.BookEvent {
	e := &market.BookEvent{Snapshot: rapid.Bool().Draw(t, "image"), ExchangeTime: now - 1, IngestTime: now, Position: p}
	for _, side := range []*[]market.Level{&e.Bids, &e.Asks} {
		for range rapid.IntRange(0, 4).Draw(t, "levels") {
			*side = append(*side, market.Level{Price: rapid.Int64Range(-20, 20).Draw(t, "price"), Size: rapid.Int64Range(0, 9).Draw(t, "size")})
		}
	}
	return e
}

func playTrade(t *rapid.T, s *Store, id market.InstrumentID, now int64, p market.Position) {
	tr := &market.Trade{
		Price: whole().Draw(t, "price"), Size: rapid.Int64Range(0, 1<<53).Draw(t, "size"), IngestTime: now, Position: p,
		ID: rapid.SampledFrom([]uint64{0, 5, 1<<64 - 1}).Draw(t, "id"), Aggressor: market.Side(rapid.IntRange(0, 2).Draw(t, "side")),
		Kind: market.TradeKind(rapid.IntRange(0, 2).Draw(t, "kind")),
	}
	if tr.Kind != market.TradeOrdinary && p.Sequence > 1 {
		tr.RefersTo = p.Sequence - 1
	}
	if rapid.Bool().Draw(t, "timed") {
		tr.ExchangeTime = now - rapid.Int64Range(-1000, 1_000_000).Draw(t, "transit")
	}
	s.Trade(id, tr)
}

// seen is all that readers of a store can see of it, without the handles, which a restart gives out anew.
func seen(t fataler, s *Store) string {
	var b strings.Builder
	for _, in := range s.Instruments() {
		fmt.Fprintf(&b, "%+v\n", in)
		id, _ := s.Lookup(in.Symbol)
		for ch := market.ChannelQuote; ch <= market.ChannelStats; ch++ {
			fmt.Fprintf(&b, "%s at %v\n", ch, s.Position(id, ch))
		}
		r := s.Acquire()
		st, ticks := r.Status(id)
		if st.Quality != market.QualityOK {
			st.Quality, st.Reason = market.QualityOK, s.records[id].reasons.trading // the quality is not saved
		}
		fmt.Fprintf(&b, "%+v %v, quote %v %+v\n", st, ticks != 0, r.QuoteTicks(id) != 0, *r.Quote(id))
		fmt.Fprintf(&b, "statistics %v %+v\n", r.StatisticsTicks(id) != 0, r.Statistics(id))
		b.WriteString(seenBars(r, id) + seenBook(r, id))
		for _, c := range []Cursor{
			r.TradesBack(id, 0), r.TradesBack(id, 3), r.TradesBack(id, 1000), r.TradesSeek(id, market.Position{}),
			r.TradesSeek(id, market.Position{Epoch: 1}), r.TradesSeek(id, market.Position{Sequence: 3}),
		} {
			b.WriteString(seenTrades(t, r, id, c))
		}
		r.Release()
	}
	return b.String()
}

// seenTrades is what a reader with a cursor gets to read.
func seenTrades(t fataler, r *Reader, id market.InstrumentID, c Cursor) string {
	rows, lost := r.Trades(nil, id, &c, r.TradesEnd(id), 1<<20)
	var f feedv1.ServerFrame
	if err := proto.Unmarshal(rows, &f); err != nil {
		t.Fatal(err)
	}
	for _, row := range f.Trades {
		row.Handle = 0
	}
	for _, g := range f.Gaps {
		g.Handle = 0
	}
	for _, l := range f.Losses {
		l.Handle = 0
	}
	return fmt.Sprintf("lost %d of %v\n", lost, &f)
}

func seenBars(r *Reader, id market.InstrumentID) string {
	var b strings.Builder
	for _, interval := range market.Intervals {
		series := r.Bars(id, interval)
		if series == nil {
			continue
		}
		for i := series.First(); i < series.Next(); i++ {
			fmt.Fprintf(&b, "%+v\n", series.At(i).Bar)
		}
	}
	return b.String()
}

func seenBook(r *Reader, id market.InstrumentID) string {
	k := r.Book(id)
	exchange, ingest := k.Times()
	return fmt.Sprintf("book %v at %d, %d: %v | %v\n", r.BookTicks(id) != 0, exchange, ingest,
		k.AppendTop(nil, book.Bids, market.MaxLevels), k.AppendTop(nil, book.Asks, market.MaxLevels))
}

func TestRestoredStoreEqualsTheSavedOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{LogEvents: 1 << rapid.IntRange(0, 6).Draw(t, "log"), LogMax: 64, LogFor: 1}
		s := NewStore(o)
		now := play(t, s)
		sections := saved(t, s)
		again := restored(t, o, sections)
		if more := saved(t, again); !slices.EqualFunc(more, sections, bytes.Equal) {
			t.Fatalf("saved as %x, and again as %x", sections, more)
		}
		for _, s := range []*Store{s, again} {
			s.Begin()
			s.Advance(now) // which session it is follows from the time, and is not saved
			s.Commit()
		}
		if want, got := seen(t, s), seen(t, again); got != want {
			t.Fatalf("saved:\n%s\nrestored:\n%s", want, got)
		}
		// It lives on: what comes next finds the same state.
		for id := range s.records {
			p := s.Position(market.InstrumentID(id), market.ChannelTrade)
			p.Sequence++
			for _, s := range []*Store{s, again} {
				s.Begin()
				s.Trade(market.InstrumentID(id), &market.Trade{Price: 7, Size: 1, IngestTime: 1 << 60, Position: p})
				s.Commit()
			}
		}
		if want, got := seen(t, s), seen(t, again); got != want {
			t.Fatalf("a trade later\nsaved:\n%s\nrestored:\n%s", want, got)
		}
	})
}

// Of a log that has grown in a burst the last events are kept; a reader from before is told what is lost, whole epochs too.
func TestLongLogIsCut(t *testing.T) {
	s := NewStore(Options{LogEvents: 4, LogMax: 64})
	define(s, "v:A")
	s.Begin()
	for epoch := range market.Epoch(3) {
		for seq := range market.Sequence(5) {
			s.Trade(0, &market.Trade{Price: int64(seq), Position: market.Position{Epoch: epoch + 1, Sequence: seq + 1}})
		}
	}
	s.Commit()
	again := restored(t, Options{LogEvents: 4, LogMax: 64}, saved(t, s))
	r := again.Acquire()
	defer r.Release()
	c := r.TradesSeek(0, market.Position{Epoch: 1, Sequence: 4})
	rows, lost := r.Trades(nil, 0, &c, r.TradesEnd(0), 1<<20)
	var f feedv1.ServerFrame
	if err := proto.Unmarshal(rows, &f); err != nil {
		t.Fatal(err)
	}
	var ranges []string
	for _, l := range f.Losses {
		ranges = append(ranges, fmt.Sprintf("%d:%d-%d", l.Epoch, l.From, l.To))
	}
	if got := strings.Join(ranges, " "); got != "1:5-5 2:1-5 3:1-1" || lost != 7 || len(f.Trades) != 4 {
		t.Fatalf("lost %d as %s, %d trades; want 7 as 1:5-5 2:1-5 3:1-1, 4 trades", lost, got, len(f.Trades))
	}
}

// While a checkpoint is made, ticks go on; each instrument in it is whole in itself.
func TestCheckpointBesideTheWriter(t *testing.T) {
	s := NewStore(Options{})
	names := make([]string, 2000)
	for i := range names {
		names[i] = fmt.Sprintf("v:N%04d", i)
	}
	define(s, names...)
	tick := func(n int64) {
		s.Begin()
		defer s.Commit()
		for id := range market.InstrumentID(len(names)) {
			p := market.Position{Epoch: 1, Sequence: market.Sequence(n)}
			s.Quote(id, &market.Quote{Bid: n, Position: p})
			s.Trade(id, &market.Trade{Price: n, Position: p})
		}
	}
	tick(1)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for n := int64(2); ; n++ {
			select {
			case <-stop:
				return
			default:
				tick(n)
			}
		}
	})
	sections := saved(t, s)
	close(stop)
	wg.Wait()
	if len(sections) < 2 {
		t.Fatalf("%d sections: the lock is never given back", len(sections))
	}
	again := restored(t, Options{}, sections)
	if got := len(again.Instruments()); got != len(names) {
		t.Fatalf("%d instruments of %d", got, len(names))
	}
	for id := range market.InstrumentID(len(names)) {
		quote, trade := again.Position(id, market.ChannelQuote), again.Position(id, market.ChannelTrade)
		if quote != trade || again.records[id].quote.Bid != int64(quote.Sequence) {
			t.Fatalf("instrument %d: quote %d at %v, trade at %v", id, again.records[id].quote.Bid, quote, trade)
		}
	}
}

func TestCheckpointEndsWithTheFirstError(t *testing.T) {
	s := NewStore(Options{})
	define(s, "v:A", "v:B")
	full, calls := errors.New("disk full"), 0
	if err := s.Checkpoint(func([]byte) error { calls++; return full }); !errors.Is(err, full) || calls != 1 {
		t.Fatalf("%d calls, %v", calls, err)
	}
	if err := NewStore(Options{}).Checkpoint(func([]byte) error { return full }); err != nil {
		t.Fatalf("an empty store has a section: %v", err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := NewStore(Options{})
	define(s, "v:A", "v:B")
	s.Begin()
	s.Trade(0, &market.Trade{Price: 1, Position: market.Position{Epoch: 1, Sequence: 1}})
	s.Commit()
	b := saved(t, s)[0]
	for name, c := range map[string]struct {
		options Options
		b       []byte
		want    string
	}{
		"cut in a row's length":   {Options{}, b[:3], "ends inside a field"},
		"cut in a row":            {Options{}, b[:len(b)-1], "behind 1 instruments: the section ends inside a field"},
		"an instrument twice":     {Options{}, append(bytes.Clone(b), b...), "v:A is there twice"},
		"more than this node may": {Options{Instruments: 1}, b, "the limit of 1 instruments is reached"},
		"no symbol":               {Options{}, append([]byte{1, 0, 0, 0}, 0), "ends inside a field"},
	} {
		if err := NewStore(c.options).Restore(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzRestore(f *testing.F) {
	s := NewStore(Options{})
	define(s, "v:A", "v:B")
	s.Begin()
	p := market.Position{Epoch: 7, Sequence: 1}
	s.Quote(0, &market.Quote{Bid: 5, Has: market.HasBid, Position: p})
	s.Trade(0, &market.Trade{Price: 5, Size: 1, IngestTime: 1e15, Position: p})
	s.TradeGap(0, 7, 2, 9)
	s.Trade(0, &market.Trade{Price: 6, Size: 1, IngestTime: 1e15, Position: market.Position{Epoch: 8, Sequence: 1}})
	s.Book(0, &market.BookEvent{Snapshot: true, Bids: []market.Level{{Price: 4, Size: 1}}, Position: p})
	s.Statistics(0, &market.Statistics{Mark: 3, Has: market.HasMark, Position: p})
	s.Commit()
	f.Add([]byte(nil))
	f.Add(saved(f, s)[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		s := NewStore(Options{})
		if s.Restore(b) != nil {
			return
		}
		// What is accepted can be read and saved, and is the same when it comes back.
		again := restored(t, Options{}, saved(t, s))
		if want, got := seen(t, s), seen(t, again); got != want {
			t.Fatalf("saved:\n%s\nrestored:\n%s", want, got)
		}
	})
}

// One checkpoint of 10,000 instruments with a quote, a status, and the trades and bars of a busy minute.
func BenchmarkCheckpoint(b *testing.B) {
	s := NewStore(Options{})
	for i := range 10_000 {
		define(s, fmt.Sprintf("v:N%05d", i))
	}
	for n := range int64(60) {
		s.Begin()
		for id := range market.InstrumentID(10_000) {
			now := (1_700_000_000 + n) * 1_000_000
			p := market.Position{Epoch: 1_700_000_000_000_000, Sequence: market.Sequence(n + 1)}
			s.Quote(id, &market.Quote{Bid: 6_000_000 + n, BidSize: 100, Ask: 6_000_100 + n, AskSize: 100, IngestTime: now, Position: p, Has: 3})
			s.Trade(id, &market.Trade{Price: 6_000_000 + n, Size: 10 + n, ExchangeTime: now - 5000, IngestTime: now, ID: uint64(n), Position: p})
			s.Book(id, deepBook(n, now, p))
		}
		s.Commit()
	}
	for b.Loop() {
		size := 0
		if err := s.Checkpoint(func(section []byte) error { size += len(section); return nil }); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(size))
	}
}

// deepBook is a book of 20 levels a side, or a change of it.
func deepBook(n, now int64, p market.Position) *market.BookEvent {
	e := &market.BookEvent{Snapshot: n == 0, IngestTime: now, ExchangeTime: now - 5000, Position: p}
	for i := range int64(20) {
		if n == 0 || i == n%20 {
			e.Bids = append(e.Bids, market.Level{Price: 6_000_000 - i, Size: 100 + n})
			e.Asks = append(e.Asks, market.Level{Price: 6_000_001 + i, Size: 100 + n})
		}
	}
	return e
}

// One section is as long as ingest ever waits for a checkpoint.
func BenchmarkSection(b *testing.B) {
	for _, c := range []struct {
		name           string
		levels, trades int
	}{{"small", 20, 60}, {"largest", market.MaxLevels, 1024}} {
		b.Run(c.name, func(b *testing.B) {
			s := NewStore(Options{})
			for i := range 100 {
				define(s, fmt.Sprintf("v:N%05d", i))
			}
			s.Begin()
			for id := range market.InstrumentID(100) {
				e := &market.BookEvent{Snapshot: true, Position: market.Position{Epoch: 1, Sequence: 1}}
				for i := range int64(c.levels) {
					e.Bids = append(e.Bids, market.Level{Price: 6_000_000 - i, Size: 100 + i})
					e.Asks = append(e.Asks, market.Level{Price: 6_000_001 + i, Size: 100 + i})
				}
				s.Book(id, e)
				for n := range int64(c.trades) {
					now := (1_700_000_000 + n) * 1_000_000
					s.Trade(id, &market.Trade{Price: 6_000_000 + n, Size: 10 + n, IngestTime: now, Position: market.Position{Epoch: 1, Sequence: market.Sequence(n + 1)}})
				}
			}
			s.Commit()
			buf, _ := s.appendSome(nil, 0)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				s.appendSome(buf[:0], 0)
			}
		})
	}
}
