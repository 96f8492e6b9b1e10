package e2e

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// A client of one feedd goes to another one with what it knows, and is told exactly the trades that it missed: from the
// log where that holds them, from the stream where it does not.
func TestResumeOnAnotherServer(t *testing.T) {
	t.Parallel()
	// The first has NATS and the stream inside.
	first := serve(t, "--sim", "off")
	second := serve(t, "--sim", "off", "--nats-url", first.Line("nats"))
	v := openVenue(t, first.Line("nats"))
	v.tick(50)
	known := func(n int64) func(*client.Model) bool {
		return func(m *client.Model) bool { tr, ok := m.LastTrade("e2e:X"); return ok && tr.Price == n }
	}
	was := follow(t, first.WebSocket(), client.Options{})
	await(t, "trades on the first server", was, known(50))
	for _, c := range []struct {
		name      string
		server    *process
		missed    int
		recovered bool
	}{
		{"nothing new", second, 0, false},
		{"a few", second, 300, false},
		{"more than the log holds", first, 3000, true},
	} {
		var at market.Position
		was.View(func(m *client.Model) { at, _ = m.TradePosition("e2e:X") })
		was.Close()
		from := v.n
		v.tick(c.missed)
		// Another client sees them come, so that they are there.
		witness := follow(t, c.server.WebSocket(), client.Options{})
		await(t, c.name+": all trades", witness, known(v.n))
		if c.recovered { // the log forgets what is older than its window
			outlive(t, witness, v)
		}
		w := &watcher{name: c.name}
		w.Client = dial(t, c.server.WebSocket(), client.Options{OnUpdate: w.update})
		if _, err := w.Subscribe(deadline(t), &feedv1.Subscribe{
			Symbols: []string{"e2e:X"}, Channels: []string{"trade"}, CadenceMs: proto.Uint32(0),
			Resume: []*feedv1.Resume{{Symbol: "e2e:X", Channel: "trade", Epoch: uint64(at.Epoch), Sequence: uint64(at.Sequence)}},
		}); err != nil {
			t.Fatal(err)
		}
		v.tick(1)
		await(t, c.name+": the next trade", w.Client, known(v.n))
		w.checkRun(t, from+1, v.n, c.recovered)
		was = w.Client
	}
}

// outlive publishes for so long that the log, which keeps six seconds and a thousand trades, has none of the trades that
// were there.
func outlive(t *testing.T, witness *client.Client, v *venue) {
	t.Helper()
	var first, last market.Trade
	latest := func(m *client.Model) bool {
		last, _ = m.LastTrade("e2e:X")
		return last.Price == v.n
	}
	await(t, "the latest trade", witness, latest)
	for first = last; last.IngestTime-first.IngestTime < 6_500_000; {
		v.tick(10)
		await(t, "time to pass", witness, latest)
		time.Sleep(5 * time.Millisecond) // a log that overflows loses trades, which is another story
	}
	v.tick(2000)
	await(t, "the latest trade", witness, latest)
}

// checkRun holds that trades from … to came, once each and in order, all told.
func (w *watcher) checkRun(t *testing.T, from, to int64, recovered bool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	next, announced := from, false
	for _, e := range w.events {
		switch e.Kind {
		case client.Recovered:
			announced = true
		case client.Traded:
			if e.Trade.Price != next {
				t.Fatalf("%s: trade %d, want %d", w.name, e.Trade.Price, next)
			}
			next++
		default:
			t.Fatalf("%s: %+v", w.name, e)
		}
	}
	if next != to+1 || announced != recovered {
		t.Fatalf("%s: trades up to %d, want %d; recovered %v, want %v", w.name, next-1, to, announced, recovered)
	}
}

// A pattern stays alive: what is defined later and fits joins by itself, and what does not stays away.
func TestInstrumentsJoinAPattern(t *testing.T) {
	t.Parallel()
	server := serve(t, "--sim", "off")
	w := &watcher{name: "client"}
	w.Client = dial(t, server.WebSocket(), client.Options{OnUpdate: w.update})
	answer, err := w.Subscribe(deadline(t), &feedv1.Subscribe{Symbols: []string{"e2e:X*"}, Channels: []string{"quote", "book"}, Depth: 5, CadenceMs: proto.Uint32(0)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range answer.Results {
		if r.Code != feedv1.ErrorCode_ERROR_CODE_NO_MATCH {
			t.Errorf("result %v, want no match yet", r)
		}
	}
	v := openVenue(t, server.Line("nats"))
	other, err := v.pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "e2e", Name: "OTHER"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Quote(market.Quote{Bid: 1, Has: market.HasBid}); err != nil {
		t.Fatal(err)
	}
	v.tick(3)
	await(t, "e2e:X to join", w.Client, bid(3))
	later, err := v.pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "e2e", Name: "XX"}, Asset: market.AssetEquity})
	if err != nil {
		t.Fatal(err)
	}
	if err := later.Quote(market.Quote{Bid: 7, Has: market.HasBid}); err != nil {
		t.Fatal(err)
	}
	await(t, "e2e:XX to join", w.Client, func(m *client.Model) bool {
		q, _ := m.Quote("e2e:XX")
		in, _ := m.Instrument("e2e:XX")
		return q.Bid == 7 && in.Asset == market.AssetEquity && m.HandleOf("e2e:XX", market.ChannelBook, market.View{Depth: 5}) != 0
	})
	// What changes about an instrument is told to those who hold it.
	if _, err := v.pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "e2e", Name: "XX"}, Asset: market.AssetEquity, Description: "two crosses"}); err != nil {
		t.Fatal(err)
	}
	await(t, "the description", w.Client, func(m *client.Model) bool {
		in, _ := m.Instrument("e2e:XX")
		return in.Description == "two crosses"
	})
	w.View(func(m *client.Model) {
		if _, known := m.Instrument("e2e:OTHER"); known {
			t.Error("what does not fit joined")
		}
	})
}
