package publish

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 2 * time.Minute

var btc = market.Instrument{
	Symbol: market.Symbol{Venue: "demo", Name: "BTC/USD"}, PriceScale: 2, SizeScale: 5, PriceStep: 1, SizeStep: 1, Description: "Bitcoin", Base: "BTC", Quote: "USD",
}

func connect(t testing.TB) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("no server")
	}
	closed := make(chan struct{})
	nc, err := nats.Connect(s.ClientURL(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		<-closed
	})
	return nc
}

func newPublisher(t testing.TB, nc *nats.Conn, o Options) *Publisher {
	t.Helper()
	o.Venue = "demo"
	p, err := New(nc, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func define(t testing.TB, p *Publisher) *Instrument {
	t.Helper()
	i, err := p.Define(btc)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// listen subscribes to subj and returns what reads the next message into m.
func listen(t *testing.T, nc *nats.Conn, subj string) func(m proto.Message) {
	t.Helper()
	sub, err := nc.SubscribeSync(subj)
	if err != nil {
		t.Fatal(err)
	}
	return func(m proto.Message) {
		t.Helper()
		msg, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(msg.Data, m); err != nil {
			t.Fatal(err)
		}
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func quoteAt(bid int64) market.Quote { return market.Quote{Bid: bid, BidSize: 1, Has: market.HasBid} }

func TestTicksAreNumberedPerChannel(t *testing.T) {
	nc := connect(t)
	quotes, trades := listen(t, nc, "md.demo.BTC%2FUSD.quote"), listen(t, nc, "md.demo.BTC%2FUSD.trade")
	statuses, definitions := listen(t, nc, "md.demo.BTC%2FUSD.status"), listen(t, nc, "md.demo.BTC%2FUSD.definition")
	i := define(t, newPublisher(t, nc, Options{Epoch: 5}))
	must(t, i.Quote(quoteAt(10)), i.Quote(quoteAt(11)), i.Trade(market.Trade{Price: 12, Size: 1}), i.Trading(market.TradingHalted, "halt", 0))
	for n := uint64(1); n <= 2; n++ {
		var b marketdatav1.TickBatch
		if quotes(&b); b.Epoch != 5 || b.Sequence != n || len(b.Quotes) != 1 || b.Quotes[0].GetBid() != int64(9+n) || b.PublishTimeUs == 0 {
			t.Errorf("quote %d: %v", n, &b)
		}
	}
	var b marketdatav1.TickBatch
	if trades(&b); b.Sequence != 1 || b.Trades[0].Price != 12 {
		t.Errorf("trade: %v", &b)
	}
	if statuses(&b); b.Sequence != 1 || b.Statuses[0].Reason != "halt" {
		t.Errorf("status: %v", &b)
	}
	if definitions(&b); b.Sequence != 1 || b.Definitions[0].PriceScale != 2 || b.Definitions[0].Base != "BTC" {
		t.Errorf("definition: %v", &b)
	}
	if i.Trades() != 1 || i.Symbol() != btc.Symbol {
		t.Errorf("%d trades of %v", i.Trades(), i.Symbol())
	}
}

func TestBatchesUntilFlushOrFull(t *testing.T) {
	nc := connect(t)
	next := listen(t, nc, "md.demo.BTC%2FUSD.quote")
	p := newPublisher(t, nc, Options{Linger: UntilFlush, MaxBatch: 3})
	i := define(t, p)
	for n := range int64(5) {
		must(t, i.Quote(quoteAt(n)))
	}
	must(t, p.Flush(), p.Flush())
	must(t, i.Quote(quoteAt(5)), p.Flush())
	for _, want := range []struct{ first, n int }{{1, 3}, {4, 2}, {6, 1}} {
		var b marketdatav1.TickBatch
		if next(&b); int(b.Sequence) != want.first || len(b.Quotes) != want.n {
			t.Errorf("batch from %d of %d, want from %d of %d", b.Sequence, len(b.Quotes), want.first, want.n)
		}
	}
}

func TestLingeringTicksGoOutByThemselves(t *testing.T) {
	nc := connect(t)
	next := listen(t, nc, "md.demo.BTC%2FUSD.quote")
	i := define(t, newPublisher(t, nc, Options{Linger: time.Millisecond}))
	for first := uint64(1); first <= 5; {
		must(t, i.Quote(quoteAt(1)))
		var b marketdatav1.TickBatch
		if next(&b); b.Sequence != first {
			t.Fatalf("batch from %d, want %d", b.Sequence, first)
		}
		first += uint64(len(b.Quotes))
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestDefinitionsAreRepeated(t *testing.T) {
	nc := connect(t)
	next := listen(t, nc, "md.demo.BTC%2FUSD.definition")
	define(t, newPublisher(t, nc, Options{HeartbeatInterval: 10 * time.Millisecond}))
	for n := uint64(1); n <= 3; n++ {
		var b marketdatav1.TickBatch
		if next(&b); b.Sequence != n || b.Definitions[0].PriceScale != 2 {
			t.Errorf("definition %d: %v", n, &b)
		}
	}
}

func TestSnapshots(t *testing.T) {
	nc := connect(t)
	p := newPublisher(t, nc, Options{Epoch: 5, TradeHistory: 3, Linger: UntilFlush})
	i := define(t, p)
	ask := func(req *marketdatav1.SnapshotRequest) *marketdatav1.Snapshot {
		t.Helper()
		payload, err := proto.Marshal(req)
		must(t, err)
		m, err := nc.Request(subject.Snapshot(btc.Symbol), payload, patience)
		must(t, err)
		var s marketdatav1.Snapshot
		must(t, proto.Unmarshal(m.Data, &s))
		return &s
	}
	if s := ask(nil); len(s.Batches) != 1 || len(s.Batches[0].Definitions) != 1 {
		t.Errorf("ahead of any tick: %v", s)
	}
	must(t, i.Quote(quoteAt(1)), i.Quote(quoteAt(2)), i.Trading(market.TradingOpen, "", 0))
	for n := range int64(5) {
		must(t, i.Trade(market.Trade{Price: n + 1, Size: 1}))
	}
	must(t,
		i.Book(Book{Snapshot: true, Bids: []Level{{Price: 10, Size: 1}, {Price: 9, Size: 2}}, Asks: []Level{{Price: 11, Size: 1}, {Price: 12, Size: 5}, {Price: 11, Size: 3}}}),
		i.Book(Book{Bids: []Level{{Price: 10, Size: 0}, {Price: 8, Size: 4}, {Price: 7, Size: 0}}, Asks: []Level{{Price: 12, Size: 6}}, ExchangeTime: 77}))
	must(t, i.Statistics(market.Statistics{Index: 11, Has: market.HasIndex}), i.Statistics(market.Statistics{Mark: 12, Has: market.HasMark}))
	s := ask(nil)
	if len(s.Batches) != 6 {
		t.Fatalf("%d batches: %v", len(s.Batches), s)
	}
	if b := s.Batches[5]; len(b.Statistics) != 1 || b.Sequence != 2 || b.Statistics[0].GetMark() != 12 || b.Statistics[0].Index != nil {
		t.Errorf("statistics %v", b)
	}
	if b := s.Batches[0]; len(b.Definitions) != 1 || b.Epoch != 5 || b.Sequence != 1 {
		t.Errorf("definition %v", b)
	}
	if b := s.Batches[1]; len(b.Statuses) != 1 || b.Sequence != 1 {
		t.Errorf("status %v", b)
	}
	if b := s.Batches[2]; len(b.Quotes) != 1 || b.Quotes[0].GetBid() != 2 || b.Sequence != 2 || b.PublishTimeUs == 0 {
		t.Errorf("quote %v", b)
	}
	if b := s.Batches[3]; len(b.Trades) != 3 || b.Sequence != 3 || b.Trades[0].Price != 3 || b.Trades[2].Price != 5 {
		t.Errorf("trades %v", b)
	}
	want := &marketdatav1.BookEvent{Snapshot: true, ExchangeTimeUs: 77,
		Bids: []*marketdatav1.Level{{Price: 8, Size: 4}, {Price: 9, Size: 2}}, Asks: []*marketdatav1.Level{{Price: 11, Size: 3}, {Price: 12, Size: 6}}}
	if b := s.Batches[4]; len(b.Books) != 1 || b.Sequence != 2 || !proto.Equal(b.Books[0], want) {
		t.Errorf("book %v", b)
	}
	if s := ask(&marketdatav1.SnapshotRequest{Channels: []string{"trade"}}); len(s.Batches) != 2 || len(s.Batches[1].Trades) != 3 {
		t.Errorf("trades alone: %v", s)
	}
	// The publisher stays silent about instruments that others may have.
	if _, err := nc.Request("md.snapshot.demo.OTHER", nil, 50*time.Millisecond); !errors.Is(err, nats.ErrTimeout) {
		t.Errorf("another's instrument: %v", err)
	}
}

// The largest book there can be, of levels that take the most bytes, fits one answer.
func TestSnapshotOfTheDeepestBook(t *testing.T) {
	nc := connect(t)
	i := define(t, newPublisher(t, nc, Options{}))
	var b Book
	b.Snapshot = true
	for k := range int64(MaxLevels) {
		b.Bids = append(b.Bids, Level{Price: -maxExact + k, Size: maxExact})
		b.Asks = append(b.Asks, Level{Price: maxExact - k, Size: maxExact})
	}
	must(t, i.Book(b))
	m, err := nc.Request(subject.Snapshot(btc.Symbol), nil, patience)
	must(t, err)
	var s marketdatav1.Snapshot
	must(t, proto.Unmarshal(m.Data, &s))
	if len(s.Batches) != 2 || len(s.Batches[1].Books) != 1 {
		t.Fatalf("%d batches in an answer of %d bytes", len(s.Batches), len(m.Data))
	}
	if image := s.Batches[1].Books[0]; !image.Snapshot || image.Partial || len(image.Bids) != MaxLevels || len(image.Asks) != MaxLevels {
		t.Errorf("image of %d and %d levels", len(image.Bids), len(image.Asks))
	}
}

func TestRefusals(t *testing.T) {
	nc := connect(t)
	for what, o := range map[string]Options{
		"venue":      {},
		"snapshot":   {Venue: "snapshot"},
		"UTF-8":      {Venue: "demo", Source: "\xff"},
		"Heartbeat":  {Venue: "demo", HeartbeatInterval: time.Hour},
		"Linger":     {Venue: "demo", Linger: -2},
		"MaxBatch":   {Venue: "demo", MaxBatch: -1},
		"History":    {Venue: "demo", TradeHistory: 1 << 20},
		"MaxBatch 2": {Venue: "demo", MaxBatch: 1 << 20},
	} {
		if _, err := New(nc, o); err == nil || !strings.Contains(err.Error(), strings.Fields(what)[0]) {
			t.Errorf("%+v: error %v, want one that says %q", o, err, what)
		}
	}
	p := newPublisher(t, nc, Options{})
	i := define(t, p)
	for what, change := range map[string]func(*market.Instrument){
		"venue is demo":    func(in *market.Instrument) { in.Symbol.Venue = "other" },
		"venue:NAME":       func(in *market.Instrument) { in.Symbol.Name = "" },
		"at most 12":       func(in *market.Instrument) { in.Symbol.Name, in.PriceScale = "X", 13 },
		"steps":            func(in *market.Instrument) { in.PriceStep = -1 },
		"midnight":         func(in *market.Instrument) { in.SessionStart = 86400 },
		"IANA name":        func(in *market.Instrument) { in.TimeZone = "Mars/Olympus" },
		"cannot change":    func(in *market.Instrument) { in.PriceScale = 3 },
		"not UTF-8":        func(in *market.Instrument) { in.Description = "\xff" },
		"heartbeats speak": func(in *market.Instrument) { in.Source = "demo/other" },
	} {
		in := btc
		change(&in)
		if _, err := p.Define(in); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: error %v, want one that says %q", in, err, what)
		}
	}
	many := make([]Level, MaxLevels+1)
	for k := range many {
		many[k] = Level{Price: int64(k), Size: 1}
	}
	for what, err := range map[string]error{
		"quote":       i.Quote(market.Quote{BidSize: -1}),
		"trade":       i.Trade(market.Trade{Size: -1}),
		"first image": i.Book(Book{Bids: []Level{{Price: 1, Size: 1}}}),
		"10000":       i.Book(Book{Snapshot: true, Bids: many}),
		"level":       i.Book(Book{Snapshot: true, Asks: []Level{{Price: 1, Size: -1}}}),
		"interest":    i.Statistics(market.Statistics{OpenInterest: -1}),
		"quote with":  i.Quote(market.Quote{Bid: 1 << 53, Has: market.HasBid}),
		"trade with":  i.Trade(market.Trade{Price: -1 << 53}),
		"level with":  i.Book(Book{Snapshot: true, Asks: []Level{{Price: 1, Size: 1 << 53}}}),
		"stats with":  i.Statistics(market.Statistics{Mark: 1 << 53, Has: market.HasMark}),
		"UTF-8":       i.Trading(market.TradingOpen, "\xff", 0),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want one that says %q", err, what)
		}
	}
	// A refused change leaves the book as it was.
	must(t, i.Book(Book{Snapshot: true, Bids: many[:MaxLevels]}))
	if err := i.Book(Book{Bids: []Level{{Price: -5, Size: 1}}}); err == nil {
		t.Error("a level too many passes")
	}
	must(t, i.Book(Book{Bids: []Level{{Price: 0, Size: 0}, {Price: -5, Size: 1}}}))
}

func TestConcurrentUse(t *testing.T) {
	nc := connect(t)
	next := listen(t, nc, "md.demo.BTC%2FUSD.quote")
	p := newPublisher(t, nc, Options{Linger: time.Millisecond, HeartbeatInterval: 10 * time.Millisecond})
	i := define(t, p)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				if err := i.Quote(quoteAt(1)); err != nil {
					t.Error(err)
				}
			}
			if err := p.Flush(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for first := uint64(1); first <= 2000; {
		var b marketdatav1.TickBatch
		if next(&b); b.Sequence != first {
			t.Fatalf("batch from %d, want %d", b.Sequence, first)
		}
		first += uint64(len(b.Quotes))
	}
}

func BenchmarkQuote(b *testing.B) {
	for name, o := range map[string]Options{"each": {}, "batched": {Linger: UntilFlush}} {
		b.Run(name, func(b *testing.B) {
			p := newPublisher(b, connect(b), o)
			i := define(b, p)
			q := market.Quote{Bid: 6183763, BidSize: 120000, Ask: 6183764, AskSize: 85000, Has: market.HasBid | market.HasAsk}
			b.ReportAllocs()
			for b.Loop() {
				if err := i.Quote(q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
