package ingest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
	"github.com/feedd/feedd/publish"
	"github.com/feedd/feedd/snapshot"
)

// nothing is a Sink that forgets.
type nothing struct{ quotes, books, statistics int }

func (*nothing) Begin()                                                                       {}
func (*nothing) TryBegin() bool                                                               { return true }
func (*nothing) Commit()                                                                      {}
func (*nothing) Define(market.Instrument) (market.InstrumentID, error)                        { return 0, nil }
func (*nothing) Forget(market.InstrumentID)                                                   {}
func (*nothing) Settle(market.InstrumentID, int64)                                            {}
func (n *nothing) Quote(market.InstrumentID, *market.Quote)                                   { n.quotes++ }
func (*nothing) Trade(market.InstrumentID, *market.Trade)                                     {}
func (*nothing) TradeGap(market.InstrumentID, market.Epoch, market.Sequence, market.Sequence) {}
func (n *nothing) Book(market.InstrumentID, *market.BookEvent) bool                           { n.books++; return false }
func (n *nothing) Statistics(market.InstrumentID, *market.Statistics)                         { n.statistics++ }
func (*nothing) Advance(int64)                                                                {}
func (*nothing) Trading(market.InstrumentID, market.Trading, string)                          {}
func (*nothing) Quality(market.InstrumentID, market.Quality, string)                          {}
func (*nothing) Source(string, market.Stream, market.Quality, string)                         {}

// quoteFlow returns a core that knows one instrument, and a function that feeds it the next batch of n quotes,
// in scales that must be converted where from is not 2.
func quoteFlow(t testing.TB, n int, from uint32) (*nothing, func()) {
	t.Helper()
	sink := &nothing{}
	var counters drop.Counters
	c := newCore(sink, defaultLimits(), &counters, discard())
	marshal := func(b *marketdatav1.TickBatch) []byte {
		p, err := proto.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for epoch, scale := range []uint32{2, from} {
		c.live("md.demo.BTC.definition", marshal(&marketdatav1.TickBatch{Epoch: uint64(epoch) + 1, Sequence: 1,
			Definitions: []*marketdatav1.Definition{{PriceScale: scale, SizeScale: 5}}}), storyStart)
	}
	// The body never changes; only the number ahead of it does.
	body := &marketdatav1.TickBatch{}
	for range n {
		body.Quotes = append(body.Quotes, &marketdatav1.Quote{Bid: proto.Int64(61837630), BidSize: 120000, Ask: proto.Int64(61837640), AskSize: 85000, ExchangeTimeUs: storyStart})
	}
	ticks := marshal(body)
	payload := make([]byte, 0, len(ticks)+32)
	seq := uint64(1)
	return sink, func() {
		payload = append(payload[:0], 0x08, 2, 0x10)
		for v := seq; ; v >>= 7 {
			if v < 0x80 {
				payload = append(payload, byte(v))
				break
			}
			payload = append(payload, byte(v)|0x80)
		}
		payload = append(payload, ticks...)
		seq += uint64(n)
		c.live("md.demo.BTC.quote", payload, storyStart)
	}
}

func TestQuotesAllocateNothing(t *testing.T) {
	for _, from := range []uint32{2, 3} {
		sink, next := quoteFlow(t, 10, from)
		next()
		if n := testing.AllocsPerRun(200, next); n != 0 || sink.quotes < 2000 {
			t.Errorf("scale %d: %v allocations for each batch, %d quotes", from, n, sink.quotes)
		}
	}
}

// Into the store, too: what a message from NATS holds is decoded, numbered and applied without an allocation.
func TestTicksIntoTheStoreAllocateNothing(t *testing.T) {
	quote := &marketdatav1.Quote{Bid: proto.Int64(61837630), BidSize: 120000, Ask: proto.Int64(61837640), AskSize: 85000, ExchangeTimeUs: storyStart}
	trade := &marketdatav1.Trade{Price: 61837630, Size: 5, ExchangeTimeUs: storyStart}
	change := &marketdatav1.BookEvent{Bids: []*marketdatav1.Level{{Price: 61837630, Size: 5}}, Asks: []*marketdatav1.Level{{Price: 61837640}, {Price: 61837650, Size: 7}}}
	image := proto.CloneOf(change)
	image.Snapshot = true
	for channel, c := range map[string]struct{ first, batch *marketdatav1.TickBatch }{
		"quote": {&marketdatav1.TickBatch{}, &marketdatav1.TickBatch{Quotes: slices.Repeat([]*marketdatav1.Quote{quote}, 10)}},
		"trade": {&marketdatav1.TickBatch{}, &marketdatav1.TickBatch{Trades: slices.Repeat([]*marketdatav1.Trade{trade}, 10)}},
		"book":  {&marketdatav1.TickBatch{Books: []*marketdatav1.BookEvent{image}}, &marketdatav1.TickBatch{Books: slices.Repeat([]*marketdatav1.BookEvent{change}, 10)}},
	} {
		store := snapshot.NewStore(snapshot.Options{LogEvents: 256, LogMax: 256})
		var counters drop.Counters
		core, now := newCore(store, defaultLimits(), &counters, discard()), int64(storyStart)
		seq, payload := uint64(1), []byte(nil)
		live := func(kind string, b *marketdatav1.TickBatch, n int) {
			b.Epoch, b.Sequence = 1, seq
			var err error
			if payload, err = (proto.MarshalOptions{}).MarshalAppend(payload[:0], b); err != nil {
				t.Fatal(err)
			}
			now += 1000
			core.live("md.demo.BTC."+kind, payload, now)
			seq += uint64(n)
		}
		live("definition", &marketdatav1.TickBatch{Definitions: []*marketdatav1.Definition{{PriceScale: 2, SizeScale: 5}}}, 0)
		if len(c.first.Books) > 0 {
			live(channel, c.first, 1)
		}
		subj := "md.demo.BTC." + channel
		next := func() {
			c.batch.Epoch, c.batch.Sequence = 1, seq
			payload, _ = (proto.MarshalOptions{}).MarshalAppend(payload[:0], c.batch) // was marshalled before
			now += 1000
			core.live(subj, payload, now)
			seq += 10
		}
		for range 100 { // logs and rings have their size, and bars of a second their number
			next()
		}
		if n := testing.AllocsPerRun(200, next); n != 0 {
			t.Errorf("%s: %v allocations for each batch of 10", channel, n)
		}
		for r := range drop.Reasons {
			if n := counters.Count(r); n > 0 {
				t.Errorf("%s: %d dropped: %v", channel, n, r)
			}
		}
	}
}

// bookFlow does so for changes of a book of n levels each, and statistics.
func bookFlow(t testing.TB, n int, from uint32) (*nothing, func()) {
	t.Helper()
	sink := &nothing{}
	var counters drop.Counters
	c := newCore(sink, defaultLimits(), &counters, discard())
	for epoch, scale := range []uint32{2, from} {
		p, err := proto.Marshal(&marketdatav1.TickBatch{Epoch: uint64(epoch) + 1, Sequence: 1, Definitions: []*marketdatav1.Definition{{PriceScale: scale, SizeScale: 5}}})
		if err != nil {
			t.Fatal(err)
		}
		c.live("md.demo.BTC.definition", p, storyStart)
	}
	seq := uint64(1)
	var payload []byte
	next := func(m *marketdatav1.TickBatch, subj string) {
		m.Epoch, m.Sequence = 2, seq
		var err error
		if payload, err = (proto.MarshalOptions{}).MarshalAppend(payload[:0], m); err != nil {
			t.Fatal(err)
		}
		c.live(subj, payload, storyStart)
	}
	change := &marketdatav1.BookEvent{}
	for i := range n {
		change.Bids = append(change.Bids, &marketdatav1.Level{Price: 61837630 - int64(i)*10, Size: 5})
		change.Asks = append(change.Asks, &marketdatav1.Level{Price: 61837640 + int64(i)*10, Size: 5})
	}
	image := &marketdatav1.BookEvent{Snapshot: true, Bids: change.Bids, Asks: change.Asks}
	next(&marketdatav1.TickBatch{Books: []*marketdatav1.BookEvent{image}}, "md.demo.BTC.book")
	books := &marketdatav1.TickBatch{Books: []*marketdatav1.BookEvent{change}}
	statistics := &marketdatav1.TickBatch{Statistics: []*marketdatav1.Statistics{{Mark: proto.Int64(61837630), OpenInterest: proto.Int64(7)}}}
	return sink, func() {
		seq++
		next(books, "md.demo.BTC.book")
		next(statistics, "md.demo.BTC.stats")
	}
}

func TestBooksAllocateNothing(t *testing.T) {
	for _, from := range []uint32{2, 3} {
		sink, next := bookFlow(t, 10, from)
		next()
		if n := testing.AllocsPerRun(200, next); n != 0 || sink.books < 200 || sink.statistics < 200 {
			t.Errorf("scale %d: %v allocations for each batch, %d books, %d statistics", from, n, sink.books, sink.statistics)
		}
	}
}

func BenchmarkBooks(b *testing.B) {
	_, next := bookFlow(b, 5, 2)
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
}

func BenchmarkCore(b *testing.B) {
	for name, n := range map[string]int{"1quote": 1, "20quotes": 20} {
		b.Run(name, func(b *testing.B) {
			_, next := quoteFlow(b, n, 2)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "ticks/s")
		})
	}
}

// until is a Sink that says when it has seen quote number last.
type until struct {
	nothing
	last market.Sequence
	seen chan struct{}
}

func (u *until) Quote(_ market.InstrumentID, q *market.Quote) {
	if q.Position.Sequence == u.last {
		close(u.seen)
	}
}

// BenchmarkFeed measures a quote's whole way: publisher, server and feed share the machine's cores.
func BenchmarkFeed(b *testing.B) {
	for name, linger := range map[string]time.Duration{"each": 0, "batched": publish.UntilFlush} {
		b.Run(name, func(b *testing.B) {
			url := plainServer(b)
			n := &node{t: b, url: url}
			sink := &until{last: market.Sequence(b.N), seen: make(chan struct{})}
			feed, err := Start(n.connect(), sink, Options{}, &n.counters, discard())
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = feed.Stop() })
			<-feed.Booted()
			p := n.publisher(publish.Options{Linger: linger})
			i := n.define(p)
			q := market.Quote{Bid: 6183763, BidSize: 120000, Ask: 6183764, AskSize: 85000, Has: market.HasBid | market.HasAsk}
			b.ReportAllocs()
			b.ResetTimer()
			for k := range b.N {
				if err := i.Quote(q); err != nil {
					b.Fatal(err)
				}
				// What is in flight stays below what the feed's channel holds, so that nothing is lost.
				if k%10_000 == 9_999 {
					if err := errors.Join(p.Flush(), feed.nc.Flush()); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := p.Flush(); err != nil {
				b.Fatal(err)
			}
			<-sink.seen
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ticks/s")
		})
	}
}

// FuzzCore: whatever is sent on whatever subject, the core survives and its sink's promises hold.
func FuzzCore(f *testing.F) {
	f.Add("md.demo.BTC.quote", []byte(`{"bid":"1"}`), "md.demo.BTC.quote", []byte("\b\x05\x10\x01\"\x02\b\x02"))
	f.Add("md.demo.BTC.definition", []byte("\b\x05\x10\x01B\x02\b\x02"), "md.demo.BTC.trade", []byte("\b\x05\x10\x03*\x04\b\x02\x10\x01"))
	f.Add("md.demo.heartbeat", []byte("\x18\x05 \xe8\a2\x0e\n\x03BTC\x12\x05trade\x18\x09"), "md.demo.BTC.status", []byte(`{"trading":"open"}`))
	f.Add("md.demo.BTC.book", []byte("\b\x05\x10\x012\x08\b\x01\x1a\x04\b\x02\x10\x01"), "md.demo.BTC.book", []byte("\b\x05\x10\x032\x04\x1a\x02\b\x04"))
	f.Add("md.demo.BTC.book", []byte(`{"snapshot":true,"bids":[["1","2"]],"asks":[["1","2"]]}`), "md.demo.BTC.stats", []byte(`{"mark":"1"}`))
	f.Add("md.demo.BTC.definition", []byte("\b\x05\x10\x01B\x02\b\x02"), "md.demo.BTC.book", []byte("\b\x05\x10\x012\x0a\b\x01\x10\x01\x1a\x04\b\x02\x10\x01"))
	f.Fuzz(func(t *testing.T, subject1 string, payload1 []byte, subject2 string, payload2 []byte) {
		var counters drop.Counters
		c := newCore(newRecorder(t.Fatalf), defaultLimits(), &counters, discard())
		now := int64(storyStart)
		for range 3 {
			c.live(subject1, payload1, now)
			c.live(subject2, payload2, now)
			c.stored(subject1, payload1, now-5, now, true)
			for range 3 {
				now += 1_500_000
				c.tick(now)
			}
			for _, r := range c.takeRequests() {
				if r.series != nil {
					c.fetched(r, outcome{hopeless: true}, now)
				} else {
					c.snapshot(r.inst, [][]byte{payload1, payload2}, now)
					c.snapshotDone(r.inst, true, now)
				}
			}
		}
	})
}
