package e2e

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/natsserver/natstest"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// venue is a publisher of one instrument whose quotes and trades count up.
type venue struct {
	t    *testing.T
	conn *nats.Conn
	pub  *publish.Publisher
	in   *publish.Instrument
	n    int64
}

func openVenue(t *testing.T, url string) *venue {
	t.Helper()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50e6))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	pub, err := publish.New(conn, publish.Options{Venue: "e2e", HeartbeatInterval: 200e6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pub.Close() })
	in, err := pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "e2e", Name: "X"}, PriceScale: 2, SizeScale: 0})
	if err != nil {
		t.Fatal(err)
	}
	return &venue{t: t, conn: conn, pub: pub, in: in}
}

// tick publishes n quotes and trades.
func (v *venue) tick(n int) {
	v.t.Helper()
	for range n {
		v.n++
		if err := v.in.Quote(market.Quote{Bid: v.n, BidSize: 1, Ask: v.n + 1, AskSize: 1, Has: market.HasBid | market.HasAsk}); err != nil {
			v.t.Fatal(err)
		}
		if err := v.in.Trade(market.Trade{Price: v.n, Size: 1, ID: uint64(v.n)}); err != nil {
			v.t.Fatal(err)
		}
	}
	if err := v.pub.Flush(); err != nil {
		v.t.Fatal(err)
	}
}

func bid(n int64) func(*client.Model) bool {
	return func(m *client.Model) bool { q, ok := m.Quote("e2e:X"); return ok && q.Bid == n }
}

func quality(q market.Quality) func(*client.Model) bool {
	return func(m *client.Model) bool { s, ok := m.Source("e2e"); return ok && s.Quality == q }
}

// follow subscribes to everything that the venue has, once the server knows it.
func follow(t *testing.T, url string, o client.Options) *client.Client {
	t.Helper()
	c := dial(t, url, o)
	subscribeOnceKnown(t, c, "e2e:X")
	return c
}

// The server under feedd dies and comes back: clients stay, are told suspect, then fresh rows; trades
// that were recorded meanwhile arrive once.
func TestNATSIsKilledAndComesBack(t *testing.T) {
	options := natsserver.Options{StoreDir: t.TempDir(), Port: natstest.Port(t)}
	ns, err := natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	url := ns.URL()
	server := serve(t, "--sim", "off", "--nats-url", url)
	v := openVenue(t, url)
	v.tick(10)
	w := &watcher{name: "client"}
	c := follow(t, server.WebSocket(), client.Options{OnUpdate: w.update})
	await(t, "the first quotes", c, bid(10))
	await(t, "a good source", c, quality(market.QualityOK))

	ns.Stop()
	await(t, "suspicion", c, quality(market.QualitySuspect))
	ns, err = natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	if ns.URL() != url {
		t.Fatalf("NATS came back at %s, not at %s", ns.URL(), url)
	}
	await(t, "trust", c, quality(market.QualityOK))
	v.tick(10)
	await(t, "fresh quotes", c, bid(20))
	await(t, "all trades", c, func(m *client.Model) bool { tr, ok := m.LastTrade("e2e:X"); return ok && tr.Price == 20 })
	w.checkOnce(t, 20)
	if err := c.Err(); err != nil {
		t.Fatalf("the client was disconnected: %v", err)
	}
}

// feedd dies without warning; what was published meanwhile is there when it is back.
func TestFeeddIsKilledAndComesBack(t *testing.T) {
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	server := serve(t, "--sim", "off", "--nats-url", ns.URL())
	v := openVenue(t, ns.URL())
	v.tick(10)
	c := follow(t, server.WebSocket(), client.Options{})
	await(t, "the first quotes", c, bid(10))
	server.Kill()
	<-c.Done()

	v.tick(15)
	server = serve(t, "--sim", "off", "--nats-url", ns.URL())
	w := &watcher{name: "client"}
	c = follow(t, server.WebSocket(), client.Options{OnUpdate: w.update})
	await(t, "the quote of the meantime", c, bid(25))
	v.tick(5)
	await(t, "live quotes", c, bid(30))
	await(t, "live trades", c, func(m *client.Model) bool { tr, ok := m.LastTrade("e2e:X"); return ok && tr.Price == 30 })
	w.checkOnce(t, 30)
}

// A publisher restarts: its new epoch takes over at once.
func TestPublisherRestarts(t *testing.T) {
	server := serve(t, "--sim", "off")
	v := openVenue(t, server.Line("nats"))
	v.tick(100)
	c := follow(t, server.WebSocket(), client.Options{})
	await(t, "the first quotes", c, bid(100))
	if err := v.pub.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "suspicion", c, quality(market.QualitySuspect))
	again := openVenue(t, server.Line("nats"))
	again.tick(7)
	await(t, "the new epoch", c, bid(7))
	await(t, "trust", c, quality(market.QualityOK))
}

// checkOnce holds that trades 1 … n came once each and in order; those of before the client may be missing at
// the front.
func (w *watcher) checkOnce(t *testing.T, n int64) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	next := int64(0)
	for _, e := range w.events {
		if e.Kind != client.Traded {
			t.Fatalf("%s: %+v instead of a trade", w.name, e)
		}
		if next != 0 && e.Trade.Price != next {
			t.Fatalf("%s: trade %d, want %d", w.name, e.Trade.Price, next)
		}
		next = e.Trade.Price + 1
	}
	if next != n+1 {
		t.Fatalf("%s: the last trade is %d, want %d", w.name, next-1, n)
	}
}
