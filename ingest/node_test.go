package ingest

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
	"github.com/feedd/feedd/publish"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; none takes that long unless something is wrong.
const patience = 2 * time.Minute

// shared is a recorder that a test looks into while a feed writes.
type shared struct {
	*recorder
	mu      sync.Mutex
	changed chan struct{} // capacity 1: something was committed
}

func newShared(t testing.TB) *shared {
	return &shared{recorder: newRecorder(t.Errorf), changed: make(chan struct{}, 1)}
}

func (s *shared) Begin() { s.mu.Lock() }

func (s *shared) TryBegin() bool { return s.mu.TryLock() }

func (s *shared) Commit() {
	s.lines = s.lines[:0]
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// await waits until the sink is as ok wants it.
func (s *shared) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		good := ok()
		s.mu.Unlock()
		if good {
			return
		}
		select {
		case <-s.changed:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Fatalf("%s: not within %v; gaps %v, sources %v, qualities %v", what, patience, s.gaps, s.sources, s.quality)
		}
	}
}

// tradesOf returns the numbers of the trades of sym, in the order in which they came.
func (s *shared) tradesOf(sym market.Symbol) []market.Sequence {
	var out []market.Sequence
	if id, known := s.ids[sym]; known {
		for _, tr := range s.trades[id] {
			out = append(out, tr.Position.Sequence)
		}
	}
	return out
}

func (s *shared) quoteOf(sym market.Symbol) market.Quote {
	id, known := s.ids[sym]
	if !known {
		return market.Quote{}
	}
	return s.quotes[id]
}

// node is a NATS server and what a test runs on it.
type node struct {
	t        testing.TB
	url      string
	sink     *shared
	counters drop.Counters
	options  Options // of the feed
	feed     *Feed
}

// newNode starts a server with JetStream and the stream.
func newNode(t *testing.T) *node {
	t.Helper()
	s, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	n := &node{t: t, url: s.URL(), sink: newShared(t)}
	if err := EnsureStream(t.Context(), n.connect(), StreamOptions{}, discard()); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) connect() *nats.Conn {
	n.t.Helper()
	nc, err := Connect(n.url, "test", discard())
	return n.closing(nc, err)
}

// patient is a connection that nothing takes for stale, however busy the machine is: what was on its way would be lost.
// It comes back later than a feed's.
func (n *node) patient() *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(n.url, nats.MaxReconnects(-1), nats.ReconnectWait(time.Second))
	return n.closing(nc, err)
}

func (n *node) closing(nc *nats.Conn, err error) *nats.Conn {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	n.t.Cleanup(func() {
		nc.Close()
		<-closed
	})
	return nc
}

// start runs a feed and waits until it has booted.
func (n *node) start() {
	n.t.Helper()
	n.startFeed()
	select {
	case <-n.feed.Booted():
	case <-time.After(patience):
		n.t.Fatal("the feed did not boot")
	}
}

func (n *node) startFeed() {
	n.t.Helper()
	log := slog.New(slog.NewTextHandler(n.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	feed, err := Start(n.connect(), n.sink, n.options, &n.counters, log)
	if err != nil {
		n.t.Fatal(err)
	}
	n.feed = feed
	n.t.Cleanup(func() {
		if err := feed.Stop(); err != nil {
			n.t.Error(err)
		}
	})
}

func (n *node) publisher(o publish.Options) *publish.Publisher {
	n.t.Helper()
	return n.publisherOn(n.patient(), o)
}

func (n *node) publisherOn(nc *nats.Conn, o publish.Options) *publish.Publisher {
	n.t.Helper()
	o.Venue = "demo"
	p, err := publish.New(nc, o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := p.Close(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			n.t.Error(err)
		}
	})
	return p
}

func (n *node) define(p *publish.Publisher) *publish.Instrument {
	n.t.Helper()
	i, err := p.Define(market.Instrument{Symbol: btc, PriceScale: 2, SizeScale: 5})
	if err != nil {
		n.t.Fatal(err)
	}
	return i
}

// tickTo publishes quotes and trades until n of each were published; their prices are their numbers.
func tickTo(t *testing.T, i *publish.Instrument, n int) {
	t.Helper()
	for int(i.Trades()) < n {
		v := int64(i.Trades()) + 1
		if err := i.Quote(market.Quote{Bid: v, BidSize: 1, Has: market.HasBid}); err != nil {
			t.Error(err)
			return
		}
		if err := i.Trade(market.Trade{Price: v, Size: 1}); err != nil {
			t.Error(err)
			return
		}
	}
}

// awaitAll waits for the trades from 1 to n, each once and in order, and for quote n.
func (n *node) awaitAll(count int) {
	n.t.Helper()
	n.sink.await(n.t, "all ticks", func() bool {
		trades := n.sink.tradesOf(btc)
		return len(trades) >= count && n.sink.quoteOf(btc).Bid >= int64(count)
	})
	n.sink.mu.Lock()
	defer n.sink.mu.Unlock()
	trades := n.sink.tradesOf(btc)
	for k, seq := range trades {
		if seq != market.Sequence(k+1) {
			n.t.Fatalf("trade %d has number %d", k+1, seq)
		}
	}
	if len(trades) != count || n.sink.quoteOf(btc).Bid != int64(count) || len(n.sink.gaps) != 0 {
		n.t.Fatalf("%d trades, last quote %d, gaps %v; want %d, %d and none", len(trades), n.sink.quoteOf(btc).Bid, n.sink.gaps, count, count)
	}
}

// plainServer is a NATS server without JetStream.
func plainServer(t testing.TB) string {
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
	return s.ClientURL()
}

// side makes a stream that also stores what is published on side.>, as if it were md.>: so that a tick can be in the
// stream and yet not arrive live.
func (n *node) side() *nats.Conn {
	n.t.Helper()
	nc := n.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		n.t.Fatal(err)
	}
	cfg := StreamOptions{}.config()
	cfg.Subjects = append(cfg.Subjects, "side.>")
	cfg.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "side.>", Destination: "md.>"}
	if _, err = js.UpdateStream(n.t.Context(), cfg); err != nil {
		n.t.Fatal(err)
	}
	return nc
}

// send publishes a batch of number s in epoch 5 on root.demo.BTC.
func send(t *testing.T, nc *nats.Conn, root string, s uint64, m *marketdatav1.TickBatch) {
	t.Helper()
	ch := "trade"
	switch {
	case len(m.Definitions) > 0:
		ch = "definition"
	case len(m.Books) > 0:
		ch = "book"
	}
	m.Epoch, m.Sequence = 5, s
	p, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish(root+".demo.BTC."+ch, p); err != nil {
		t.Fatal(err)
	}
}

func oneTrade() *marketdatav1.TickBatch {
	return &marketdatav1.TickBatch{Trades: []*marketdatav1.Trade{{Price: 1, Size: 1}}}
}

func definition() *marketdatav1.TickBatch {
	return &marketdatav1.TickBatch{Definitions: []*marketdatav1.Definition{{PriceScale: 2}}}
}
