package ingest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// untimely notes every tick that comes before its time, by the clock of this machine, which is the server's too.
type untimely struct {
	*shared
	delay time.Duration
	early []string
}

func (u *untimely) judge(what string, arrival int64) {
	if ahead := time.Until(time.UnixMicro(arrival).Add(u.delay)); ahead > 0 {
		u.early = append(u.early, fmt.Sprintf("%s %v early", what, ahead))
	}
}

func (u *untimely) Quote(id market.InstrumentID, q *market.Quote) {
	u.judge("quote", q.IngestTime)
	u.shared.Quote(id, q)
}

func (u *untimely) Trade(id market.InstrumentID, t *market.Trade) {
	u.judge("trade", t.IngestTime)
	u.shared.Trade(id, t)
}

func (u *untimely) Book(id market.InstrumentID, e *market.BookEvent) bool {
	u.judge("book", e.IngestTime)
	return u.shared.Book(id, e)
}

// delayed starts a delayed feed on a node.
func (n *node) delayed(delay time.Duration) *untimely {
	n.t.Helper()
	u := &untimely{shared: newShared(n.t), delay: delay}
	feed, err := Start(n.connect(), u, Options{Delay: delay}, &n.counters, discard())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := feed.Stop(); err != nil {
			n.t.Error(err)
		}
		for _, what := range u.early {
			n.t.Error(what)
		}
	})
	n.feed = feed
	return u
}

// What a delayed feed shows was published so long ago at least: what was recorded before it started, and what comes then.
// Nobody is asked for anything newer, though trades are missing.
func TestDelayedFeedKeepsItsDistance(t *testing.T) {
	const delay = 1500 * time.Millisecond
	n := newNode(t)
	asked := make(chan *nats.Msg, 100)
	listen := n.connect()
	if _, err := listen.ChanSubscribe(subject.Snapshot(btc), asked); err != nil {
		t.Fatal(err)
	}
	p := n.publisher(publish.Options{})
	i := n.define(p)
	tickTo(t, i, 20)
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	u := n.delayed(delay)
	select {
	case <-n.feed.Booted():
	case <-time.After(patience):
		t.Fatal("the feed did not boot")
	}
	tickTo(t, i, 40)
	u.await(t, "all ticks in time", func() bool { return len(u.tradesOf(btc)) == 40 && u.quoteOf(btc).Bid == 40 })
	for k, seq := range u.tradesOf(btc) {
		if seq != market.Sequence(k+1) {
			t.Fatalf("trade %d has number %d", k+1, seq)
		}
	}
	if len(asked) != 0 {
		t.Errorf("a publisher was asked %d times", len(asked))
	}
	if u.quality[u.ids[btc]] != market.QualityOK {
		t.Errorf("quality %v", u.quality[u.ids[btc]])
	}
}

// A hole stays one: what could fill it is newer than what may be known, and is not looked for.
func TestDelayedFeedFillsNoHoles(t *testing.T) {
	n := newNode(t)
	side := n.side()
	send(t, side, "md", 1, definition())
	send(t, side, "md", 1, oneTrade())
	send(t, side, "md", 3, oneTrade())
	u := n.delayed(500 * time.Millisecond)
	u.await(t, "the trade behind the hole", func() bool { s := u.tradesOf(btc); return len(s) == 2 && s[1] == 3 })
	if fmt.Sprint(u.gaps) == "[]" {
		t.Error("the hole is not told")
	}
}

// The stream goes away and comes back: the delayed feed says that it is suspect, and goes on where it was.
func TestDelayedFeedSurvivesTheStream(t *testing.T) {
	options := natsserver.Options{StoreDir: t.TempDir(), Port: -1}
	ns, err := natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(ns.Stop)
	t.Cleanup(func() { stop() })
	n := &node{t: t, url: ns.URL(), sink: newShared(t)}
	if err := EnsureStream(t.Context(), n.connect(), StreamOptions{}, discard()); err != nil {
		t.Fatal(err)
	}
	nc := n.patient()
	p := n.publisherOn(nc, publish.Options{})
	i := n.define(p)
	tickTo(t, i, 10)
	u := n.delayed(200 * time.Millisecond)
	u.await(t, "the first ticks", func() bool { return len(u.tradesOf(btc)) == 10 })
	js, err := jetstream.New(n.connect())
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), DefaultStream); err != nil {
		t.Fatal(err)
	}
	u.await(t, "suspicion", func() bool { return u.sources["demo"] == market.QualitySuspect })
	if err := EnsureStream(t.Context(), n.connect(), StreamOptions{}, discard()); err != nil {
		t.Fatal(err)
	}
	tickTo(t, i, 15)
	u.await(t, "what comes then", func() bool { return u.quoteOf(btc).Bid == 15 })
}
