package ingest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/natsserver/natstest"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
	"github.com/feedd/feedd/publish"
)

func TestBootJoinsStreamAndLiveTicks(t *testing.T) {
	n := newNode(t)
	i := n.define(n.publisher(publish.Options{}))
	tickTo(t, i, 3000)
	var publishing sync.WaitGroup
	publishing.Go(func() { tickTo(t, i, 20_000) })
	n.start()
	publishing.Wait()
	n.awaitAll(20_000)
	tickTo(t, i, 20_001) // which comes live, whatever came from the stream
	n.sink.await(t, "stats", func() bool {
		st := n.feed.Stats()
		return st.Booted && st.Connected && st.Instruments == 1 && st.Ticks[market.ChannelTrade] >= 20_001 && st.LastTick != 0
	})
}

func TestNewcomersQuietInstrumentsComeFromTheStream(t *testing.T) {
	n := newNode(t)
	i := n.define(n.publisher(publish.Options{}))
	if err := i.Trading(market.TradingHalted, "lunch", 0); err != nil {
		t.Fatal(err)
	}
	tickTo(t, i, 5)
	n.start()
	n.awaitAll(5)
}

func TestGapIsFilledFromTheStream(t *testing.T) {
	n := newNode(t)
	nc := n.side()
	n.start()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, oneTrade())
	for s := uint64(2); s <= 600; s++ {
		send(t, nc, "side", s, oneTrade())
	}
	send(t, nc, "md", 601, oneTrade())
	n.sink.await(t, "trades", func() bool { return len(n.sink.tradesOf(btc)) == 601 })
	n.sink.await(t, "the end of the suspicion", func() bool { return n.sink.quality[0] == market.QualityOK })
	if got := drops(&n.counters); len(got) != 0 || len(n.sink.gaps) != 0 {
		t.Errorf("drops %v, gaps %v", got, n.sink.gaps)
	}
	// What neither the stream nor anybody has is given up, and said so.
	send(t, nc, "md", 605, oneTrade())
	n.sink.await(t, "a gap", func() bool { return len(n.sink.gaps[0]) == 1 && len(n.sink.tradesOf(btc)) == 602 })
	if n.sink.gaps[0][0] != "5:602-604" {
		t.Errorf("gap %v", n.sink.gaps[0])
	}
}

// A node whose clock is an hour off finds in the stream what is missing: what it asks for is told in the time of NATS.
func TestClocksThatDiffer(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			n := newNode(t)
			nc := n.side()
			n.options.Now = func() time.Time { return time.Now().Add(off) }
			n.start()
			send(t, nc, "md", 1, definition())
			send(t, nc, "md", 1, oneTrade())
			send(t, nc, "side", 2, oneTrade())
			send(t, nc, "md", 3, oneTrade())
			n.sink.await(t, "trades", func() bool { return len(n.sink.tradesOf(btc)) == 3 })
			if len(n.sink.gaps) != 0 {
				t.Errorf("gaps %v", n.sink.gaps)
			}
		})
	}
}

func TestWithoutJetStreamPublishersTellTheState(t *testing.T) {
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	i := n.define(n.publisher(publish.Options{TradeHistory: 100}))
	tickTo(t, i, 50)
	n.start()
	tickTo(t, i, 60)
	n.awaitAll(60)
}

// What ticked before a node started, and is quiet since, is known as soon as its definition comes again.
func TestWithoutJetStreamAQuietInstrumentIsKnown(t *testing.T) {
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	const beat = 20 * time.Millisecond
	p := n.publisher(publish.Options{TradeHistory: 100, HeartbeatInterval: beat})
	tickTo(t, n.define(p), 50)
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * beat)
	n.start()
	n.awaitAll(50)
}

// remember answers for a publisher whose epoch 5 has three trades.
func remember(t *testing.T, nc *nats.Conn) {
	t.Helper()
	trades := oneTrade()
	trades.Trades = append(trades.Trades, trades.Trades[0], trades.Trades[0])
	trades.Epoch, trades.Sequence = 5, 1
	answer, err := proto.Marshal(&marketdatav1.Snapshot{Batches: []*marketdatav1.TickBatch{trades}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Subscribe(subject.Snapshot(btc), func(m *nats.Msg) { _ = m.Respond(answer) }); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutJetStreamPublishersFillGaps(t *testing.T) {
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	nc := n.connect()
	remember(t, nc)
	n.start()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, oneTrade())
	send(t, nc, "md", 3, oneTrade())
	n.sink.await(t, "trades", func() bool { return len(n.sink.tradesOf(btc)) == 3 })
}

// A stream over md.> records snapshot requests and acknowledges them: its reply is not the answer.
func TestAcknowledgementsAreNoAnswers(t *testing.T) {
	s, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	n := &node{t: t, url: s.URL(), sink: newShared(t)}
	i := n.define(n.publisher(publish.Options{})) // ahead of the stream, which so lacks the definition
	tickTo(t, i, 3)
	nc := n.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OWN", Subjects: []string{subject.All}}); err != nil {
		t.Fatal(err)
	}
	if err := EnsureStream(t.Context(), nc, StreamOptions{}, discard()); err != nil {
		t.Errorf("beside a stream that records the ticks already: %v", err)
	}
	n.start()
	tickTo(t, i, 5)
	n.awaitAll(5)
}

func TestPublisherRestart(t *testing.T) {
	n := newNode(t)
	n.start()
	first := n.publisher(publish.Options{Epoch: 100})
	tickTo(t, n.define(first), 10)
	n.awaitAll(10)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	n.sink.await(t, "suspicion", func() bool { return n.sink.sources["demo"] == market.QualitySuspect })
	tickTo(t, n.define(n.publisher(publish.Options{Epoch: 200})), 5)
	n.sink.await(t, "the new epoch", func() bool {
		return n.sink.quoteOf(btc).Position == market.Position{Epoch: 200, Sequence: 5} && len(n.sink.tradesOf(btc)) == 15 &&
			n.sink.sources["demo"] == market.QualityOK
	})
	if len(n.sink.gaps) != 0 {
		t.Errorf("gaps %v", n.sink.gaps)
	}
}

func TestTwoLinesOfOneFeed(t *testing.T) {
	n := newNode(t)
	n.start()
	var publishing sync.WaitGroup
	for _, line := range []string{"A", "B"} {
		i := n.define(n.publisher(publish.Options{Line: line, Epoch: 7}))
		publishing.Go(func() { tickTo(t, i, 2000) })
	}
	publishing.Wait()
	n.awaitAll(2000)
	n.sink.await(t, "the slower line's repeats", func() bool { return n.counters.Count(drop.Duplicate) >= 4000 })
}

func TestServerRestart(t *testing.T) {
	options := natsserver.Options{StoreDir: t.TempDir(), Port: natstest.Port(t)}
	s, err := natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() }) // the one that runs last, behind whoever says goodbye to it
	n := &node{t: t, url: s.URL(), sink: newShared(t)}
	if err := EnsureStream(t.Context(), n.connect(), StreamOptions{}, discard()); err != nil {
		t.Fatal(err)
	}
	nc := n.patient()
	away := nc.StatusChanged(nats.RECONNECTING)
	i := n.define(n.publisherOn(nc, publish.Options{}))
	n.start()
	tickTo(t, i, 100)
	n.awaitAll(100)
	s.Stop()
	<-away
	n.sink.await(t, "suspicion", func() bool { return n.sink.sources["demo"] == market.QualitySuspect })
	if !n.feed.Ready() {
		t.Error("a node that lost NATS is not ready any more")
	}
	tickTo(t, i, 200) // waits in the publisher's client
	s, err = natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	if s.URL() != n.url {
		t.Fatalf("the server came back at %s, not %s", s.URL(), n.url)
	}
	tickTo(t, i, 300)
	n.awaitAll(300)
	n.sink.await(t, "the end of the suspicion", func() bool { return n.sink.sources["demo"] == market.QualityOK })
}

// What the live path loses while the connection is down is read from the stream when it is back.
func TestRejoinReadsWhatWasMissed(t *testing.T) {
	n := newNode(t)
	i := n.define(n.publisher(publish.Options{}))
	n.start()
	tickTo(t, i, 100)
	n.awaitAll(100)
	nc := n.feed.nc
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	tickTo(t, i, 5000)
	n.awaitAll(5000)
}

func TestStartAheadOfTheServer(t *testing.T) {
	options := natsserver.Options{StoreDir: t.TempDir(), Port: natstest.Port(t)}
	s, err := natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, url: s.URL(), sink: newShared(t)}
	s.Stop()
	n.startFeed()
	if n.feed.Ready() {
		t.Error("ready without a server")
	}
	s, err = natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	<-n.feed.Booted()
	tickTo(t, n.define(n.publisher(publish.Options{})), 3)
	n.awaitAll(3)
}

func TestMessagesDroppedByASlowIngestAreCounted(t *testing.T) {
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	n.start()
	nc := n.connect()
	n.sink.mu.Lock() // the feed's next batch waits
	for range liveBacklog + 5000 {
		if err := nc.Publish("md.demo.BTC.quote", []byte(`{"bid":"1"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Publish("md.demo.BTC.quote", []byte(`{"bid":"2"}`)); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	// The feed's own connection has read everything when it gets an answer behind it.
	if err := n.feed.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	n.sink.mu.Unlock()
	n.sink.await(t, "the count", func() bool { return n.counters.Count(drop.SlowIngest) > 0 })
	if err := nc.Publish("md.demo.BTC.quote", []byte(`{"bid":"3"}`)); err != nil {
		t.Fatal(err)
	}
	n.sink.await(t, "the latest quote", func() bool { return n.sink.quoteOf(btc).Bid == 3_00000000 })
}

func TestEnsureStreamLeavesOthersAlone(t *testing.T) {
	n := newNode(t)
	nc := n.connect()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var said []string
	log := slog.New(&sayings{said: &said})
	if err := EnsureStream(ctx, nc, StreamOptions{}, log); err != nil || len(said) != 0 {
		t.Errorf("the same again: %v, %q", err, said)
	}
	if err := EnsureStream(ctx, nc, StreamOptions{MaxAge: time.Hour}, log); err != nil || len(said) != 1 {
		t.Errorf("with another age: %v, %q", err, said)
	}
	plain := &node{t: t, url: plainServer(t)}
	if err := EnsureStream(ctx, plain.connect(), StreamOptions{}, log); err == nil {
		t.Error("a server without JetStream took a stream")
	}
}

// sayings is a log that keeps its messages.
type sayings struct{ said *[]string }

func (s *sayings) Enabled(context.Context, slog.Level) bool { return true }
func (s *sayings) Handle(_ context.Context, r slog.Record) error {
	*s.said = append(*s.said, r.Message)
	return nil
}
func (s *sayings) WithAttrs([]slog.Attr) slog.Handler { return s }
func (s *sayings) WithGroup(string) slog.Handler      { return s }

func TestBadOptions(t *testing.T) {
	if _, err := Start(nil, nil, Options{MaxInstruments: -1}, nil, nil); err == nil {
		t.Error("a negative limit passes")
	}
	if _, err := Connect("nats://127.0.0.1:port", "test", discard()); err == nil {
		t.Error("a URL without a port passes")
	}
}

// A stream that is deleted, or made anew with other subjects, under a running node is noticed.
func TestAStreamThatSomebodyChanges(t *testing.T) {
	n := newNode(t)
	n.start()
	recorded := func(want bool) {
		t.Helper()
		n.sink.await(t, "a look at the stream", func() bool { return n.feed.Stats().Recorded == want })
	}
	recorded(true)
	js, err := jetstream.New(n.connect())
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), DefaultStream); err != nil {
		t.Fatal(err)
	}
	recorded(false)
	cfg := StreamOptions{}.config()
	all := cfg.Subjects
	cfg.Subjects = all[:2]
	if _, err := js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if now, ok := n.feed.lookAtStream(); !ok || now.whole() || len(now.lacks) == 0 {
		t.Errorf("a stream of two channels: %+v", now)
	}
	cfg.Subjects = all
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	recorded(true)
}
