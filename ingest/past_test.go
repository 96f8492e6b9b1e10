package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// sendTo publishes trades and book changes of numbers from … to.
func sendTo(t *testing.T, nc *nats.Conn, from, to uint64) {
	t.Helper()
	for s := from; s <= to; s++ {
		send(t, nc, "md", s, oneTrade())
		send(t, nc, "md", s, bookTick(s == 1, int64(s)))
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestGoesOnFromThePast(t *testing.T) {
	n := newNode(t)
	nc := n.patient()
	n.start()
	send(t, nc, "md", 1, definition())
	sendTo(t, nc, 1, 500)
	n.awaitBook(500)
	past, at, err := n.feed.Past(t.Context())
	if err != nil || len(past) != 1 || at == 0 {
		t.Fatalf("%v at %d, %v", past, at, err)
	}
	want := market.Position{Epoch: 5, Sequence: 500}
	if p := past[0]; p.Instrument.Symbol != btc || p.Last[market.ChannelTrade] != want || p.Last[market.ChannelBook] != want ||
		!slices.Equal(p.Scales, []EpochScales{{Epoch: 5, Price: 2}}) {
		t.Errorf("past %+v", p)
	}
	if err := n.feed.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.feed.Past(t.Context()); err == nil {
		t.Error("a feed that is stopped tells a past")
	}
	sendTo(t, nc, 501, 2000)
	n.options = Options{Past: past, PastTime: at}
	n.start()
	n.sink.mu.Lock()
	if n.sink.sources["demo"] != market.QualitySuspect {
		t.Error("a source that was not heard since the start is believed")
	}
	n.sink.mu.Unlock()
	sendTo(t, nc, 2001, 2500)
	n.awaitBook(2500)
	n.sink.await(t, "trades", func() bool { return len(n.sink.tradesOf(btc)) == 2500 })
	n.sink.mu.Lock()
	defer n.sink.mu.Unlock()
	if len(n.sink.gaps) != 0 || n.counters.Count(drop.BookResync) != 0 || n.counters.Count(drop.MissedTicks) != 0 {
		t.Errorf("gaps %v, drops %v", n.sink.gaps, drops(&n.counters))
	}
	if n.sink.sources["demo"] != market.QualityOK {
		t.Error("the source was heard and is not believed")
	}
}

// What lies between a past that is too old and what the stream holds is told by its numbers.
func TestAPastThatIsTooOld(t *testing.T) {
	n := newNode(t)
	nc := n.patient()
	send(t, nc, "md", 1, definition())
	sendTo(t, nc, 21, 30)
	p := Past{Instrument: market.Instrument{Symbol: btc, PriceScale: 2, Source: "demo"}, Scales: []EpochScales{{Epoch: 5, Price: 2}}}
	p.Last[market.ChannelTrade] = market.Position{Epoch: 5, Sequence: 10}
	n.options = Options{Past: []Past{p}, PastTime: time.Now().Add(-time.Hour).UnixMicro()}
	n.start()
	n.sink.await(t, "trades", func() bool { return len(n.sink.tradesOf(btc)) == 10 })
	n.sink.mu.Lock()
	defer n.sink.mu.Unlock()
	if got := fmt.Sprint(n.sink.gaps[0]); got != "[5:11-20]" {
		t.Errorf("gaps %s", got)
	}
}

// A past may say anything; what cannot be is refused, and the rest is gone on from.
func TestOddPasts(t *testing.T) {
	sink := newRecorder(t.Errorf)
	var counters drop.Counters
	limits := defaultLimits()
	limits.instruments = 2
	c := newCore(sink, limits, &counters, discard())
	in := func(name string) market.Instrument {
		return market.Instrument{Symbol: market.Symbol{Venue: "demo", Name: name}, PriceScale: 2, Source: "demo"}
	}
	waits, ended := Past{Instrument: in("A")}, Past{Instrument: in("B"), Scales: []EpochScales{{Epoch: 7, Price: 2}}}
	waits.Last[market.ChannelBook] = market.Position{Epoch: 5}
	ended.Last[market.ChannelBook] = market.Position{Epoch: 5, Sequence: 9}
	c.now = storyStart
	c.seed([]Past{{}, waits, ended, {Instrument: in("C")}}, storyStart)
	if counters.Count(drop.BadValue) != 1 || counters.Count(drop.TooManyInstruments) != 1 {
		t.Errorf("drops %v", drops(&counters))
	}
	c.reconnected(storyStart)
	c.tick(storyStart + 1_000_000)
	for id, name := range []string{"A", "B"} {
		if q := sink.quality[market.InstrumentID(id)]; q != market.QualitySyncing {
			t.Errorf("%s, whose book waits for its image: quality %v", name, q)
		}
	}
}

// trades publishes trades from … to of an epoch, a few to a message.
func publishTrades(t *testing.T, nc *nats.Conn, epoch, from, to uint64, price int64) {
	t.Helper()
	for s := from; s <= to; {
		b := &marketdatav1.TickBatch{Epoch: epoch, Sequence: s}
		for ; s <= to && len(b.Trades) < 7; s++ {
			b.Trades = append(b.Trades, &marketdatav1.Trade{Price: price, Size: int64(s)})
		}
		payload, err := proto.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish("md.demo.BTC.trade", payload); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBackfill(t *testing.T) {
	n := newNode(t)
	nc := n.patient()
	n.start()
	send(t, nc, "md", 1, definition())
	publishTrades(t, nc, 5, 1, 400, 12345)
	publishTrades(t, nc, 5, 390, 400, 12345) // the slower line
	publishTrades(t, nc, 5, 405, 800, 12345)
	next := definition()
	next.Epoch, next.Sequence, next.Definitions[0].PriceScale = 9, 1, 4
	payload, err := proto.Marshal(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("md.demo.BTC.definition", payload); err != nil {
		t.Fatal(err)
	}
	publishTrades(t, nc, 9, 1, 50, 1234500)
	publishTrades(t, nc, 9, 51, 51, 1234501) // which the instrument's scale cannot hold
	publishTrades(t, nc, 9, 52, 60, 1234500)
	n.sink.await(t, "trades", func() bool { return len(n.sink.tradesOf(btc)) == 400+396+59 })

	at := func(e, s uint64) market.Position {
		return market.Position{Epoch: market.Epoch(e), Sequence: market.Sequence(s)}
	}
	// The stream stores what is published behind the back of those who get it live.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for stored := false; !stored; {
		trades, _, err := n.feed.Trades(ctx, btc, at(9, 59), at(9, 61), 1)
		if err != nil {
			t.Fatal("the stream does not come by the last trade: ", err)
		}
		stored = len(trades) == 1
	}
	for _, c := range []struct {
		after, before market.Position
		limit         int
		want          string // first, last and number of trades
		complete      bool
	}{
		{at(5, 10), at(5, 20), 100, "5:11 5:19 9", true},
		{at(5, 0), at(5, 2), 100, "5:1 5:1 1", true},
		{at(5, 10), at(5, 11), 100, "none", true},
		{at(5, 11), at(5, 10), 100, "none", true},
		{at(5, 0), at(5, 401), MaxBackfill + 1, "5:1 5:400 400", true},
		{at(5, 0), at(5, 401), 100, "5:301 5:400 100", false},
		{at(5, 380), at(5, 410), 100, "5:381 5:409 25", false},
		{at(5, 399), at(5, 405), 100, "5:400 5:400 1", false},
		{at(5, 795), at(5, 900), 1000, "5:796 5:800 5", false},
		{at(5, 795), at(9, 5), 1000, "5:796 9:4 9", true},
		{at(5, 795), at(9, 5), 3, "9:2 9:4 3", false},
		{at(9, 40), at(9, 61), 1000, "9:41 9:60 19", false},
		{at(9, 60), at(9, 70), 1000, "none", false},
		{at(0, 0), at(5, 4), 1000, "5:1 5:3 3", true},
		{at(4, 7), at(5, 4), 1000, "5:1 5:3 3", true},
	} {
		trades, complete, err := n.feed.Trades(t.Context(), btc, c.after, c.before, c.limit)
		got := "none"
		if k := len(trades); k > 0 {
			first, last := trades[0].Position, trades[k-1].Position
			got = fmt.Sprintf("%d:%d %d:%d %d", first.Epoch, first.Sequence, last.Epoch, last.Sequence, k)
		}
		if err != nil || got != c.want || complete != c.complete {
			t.Errorf("%v to %v, %d at most: %s, complete %v, %v; want %s, %v", c.after, c.before, c.limit, got, complete, err, c.want, c.complete)
		}
		for i := range trades {
			if tr := &trades[i]; tr.Price != 12345 || tr.Size != int64(tr.Position.Sequence) || tr.IngestTime == 0 {
				t.Fatalf("trade %+v", tr)
			}
		}
	}

	if _, _, err := n.feed.Trades(t.Context(), btc, at(5, 1), at(5, 9), 0); err == nil {
		t.Error("a backfill of nothing passes")
	}
	if trades, complete, err := n.feed.Trades(t.Context(), still, at(5, 1), at(5, 9), 10); err != nil || complete || len(trades) != 0 {
		t.Errorf("an unknown instrument: %d trades, complete %v, %v", len(trades), complete, err)
	}
	cancel()
	if _, _, err := n.feed.Trades(ctx, btc, at(5, 1), at(5, 9), 10); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if err := n.feed.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.feed.Trades(t.Context(), btc, at(5, 1), at(5, 9), 10); !errors.Is(err, errStopped) {
		t.Errorf("of a feed that is stopped: %v", err)
	}
}

func TestBackfillWithoutAStream(t *testing.T) {
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	nc := n.patient()
	n.start()
	send(t, nc, "md", 1, definition())
	publishTrades(t, nc, 5, 1, 10, 12345)
	n.sink.await(t, "trades", func() bool { return len(n.sink.tradesOf(btc)) == 10 })
	trades, complete, err := n.feed.Trades(t.Context(), btc, market.Position{Epoch: 5, Sequence: 1}, market.Position{Epoch: 5, Sequence: 9}, 10)
	if err != nil || complete || len(trades) != 0 {
		t.Errorf("%d trades, complete %v, %v", len(trades), complete, err)
	}
}
