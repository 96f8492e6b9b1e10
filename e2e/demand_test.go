package e2e

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/publish"
)

// A node that carries everything and two that carry what their clients hold, on one NATS: clients that come and go see the
// same at all of them, and each carries no more than it is asked for.
func TestNodesOnDemandShowTheSame(t *testing.T) {
	const instruments, carried = 40, 6
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	nc, err := nats.Connect(ns.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if err := ingest.EnsureStream(t.Context(), nc, ingest.StreamOptions{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	pub, err := publish.New(nc, publish.Options{Venue: "e2e"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pub.Close() })
	var all []*publish.Instrument
	ticks := make([]int64, instruments)
	name := func(k int) string { return fmt.Sprintf("S%d", k) }
	for k := range instruments {
		in, err := pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "e2e", Name: name(k)}, PriceScale: 2})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, in)
	}
	tick := func(k int) {
		ticks[k]++
		n := ticks[k]
		for _, err := range []error{
			all[k].Quote(market.Quote{Bid: n, BidSize: 1, Has: market.HasBid}),
			all[k].Trade(market.Trade{Price: n, Size: 1, ID: uint64(n)}),
			all[k].Book(publish.Book{Snapshot: n == 1, Bids: []publish.Level{{Price: 1000 + n%11, Size: n}}}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for k := range instruments {
		tick(k)
	}
	nodes := []*process{
		serve(t, "--sim", "off", "--nats-url", ns.URL()),
		serve(t, "--sim", "off", "--nats-url", ns.URL(), "--interest", "demand", "--interest-linger", "50ms"),
		serve(t, "--sim", "off", "--nats-url", ns.URL(), "--interest", "demand", "--interest-linger", "50ms"),
	}
	if got := nodes[1].Metric(`feedd_interest_instruments{state="subscribed"}`); got != "0" {
		t.Errorf("a node without clients carries %s instruments", got)
	}
	var clients []*client.Client
	for _, n := range nodes {
		clients = append(clients, dial(t, n.WebSocket(), client.Options{}))
	}
	random := rand.New(rand.NewPCG(7, 7))
	held := map[int]bool{}
	whole := func(k int) func(*client.Model) bool {
		return func(m *client.Model) bool {
			symbol := "e2e:" + name(k)
			q, _ := m.Quote(symbol)
			tr, _ := m.LastTrade(symbol)
			b, _ := m.Book(symbol, market.View{Depth: 20})
			st, _ := m.Status(symbol)
			bids := b.Bids()
			return q.Bid == ticks[k] && tr.Price == ticks[k] && st.Quality == market.QualityOK &&
				slices.ContainsFunc(bids, func(l market.Level) bool { return l == market.Level{Price: 1000 + ticks[k]%11, Size: ticks[k]} })
		}
	}
	for range 30 {
		k := random.IntN(instruments)
		for _, c := range clients {
			switch {
			case held[k]:
				var handles []uint32
				c.View(func(m *client.Model) {
					for _, ch := range []market.Channel{market.ChannelQuote, market.ChannelTrade} {
						handles = append(handles, m.Handle("e2e:"+name(k), ch))
					}
					handles = append(handles, m.HandleOf("e2e:"+name(k), market.ChannelBook, market.View{Depth: 20}))
				})
				if err := c.Unsubscribe(deadline(t), handles...); err != nil {
					t.Fatal(err)
				}
			case len(held) < carried:
				reply, err := c.Subscribe(deadline(t), &feedv1.Subscribe{
					Symbols: []string{"e2e:" + name(k)}, Channels: []string{"quote", "trade", "book"}, Depth: 20, CadenceMs: proto.Uint32(50), History: proto.Uint32(10),
				})
				if err != nil || slices.ContainsFunc(reply.Results, func(r *feedv1.SubscribeResult) bool { return r.Handle == 0 }) {
					t.Fatal(reply, err)
				}
			}
		}
		if held[k] {
			delete(held, k)
		} else if len(held) < carried {
			held[k] = true
		}
		for range random.IntN(30) {
			tick(random.IntN(instruments))
		}
		for k := range held {
			for i, c := range clients {
				await(t, fmt.Sprintf("%s at node %d", name(k), i), c, whole(k))
			}
		}
	}
	var st market.Status
	for k := range held {
		clients[1].View(func(m *client.Model) { st, _ = m.Status("e2e:" + name(k)) })
		if st.Since == 0 {
			t.Errorf("%s: the client is not told since when it is carried", name(k))
		}
	}
	if got := nodes[1].Metric(`feedd_interest_instruments{state="held"}`); got != fmt.Sprint(len(held)) {
		t.Errorf("%s instruments are held, want %d", got, len(held))
	}
	// A snapshot of what nobody holds has its rows.
	for k := range instruments {
		if held[k] {
			continue
		}
		var got struct {
			QuoteTexts []struct{ Bid string }
		}
		nodes[2].GetJSON("/v1/snapshot?symbols=e2e:"+name(k), &got)
		if len(got.QuoteTexts) != 1 || got.QuoteTexts[0].Bid != string(market.AppendDecimal(nil, ticks[k], 2)) {
			t.Errorf("snapshot of %s: %+v, want a bid of %d", name(k), got, ticks[k])
		}
		break
	}
	for _, n := range nodes {
		n.Interrupt()
	}
}
