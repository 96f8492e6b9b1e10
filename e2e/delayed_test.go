package e2e

import (
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

const delay = 2 * time.Second

// punctual notes rows of delayed data that come before their time. All clocks are this machine's.
type punctual struct {
	mu    sync.Mutex
	rows  int
	early []time.Duration
}

func (p *punctual) update(u client.Update) {
	p.mu.Lock()
	defer p.mu.Unlock()
	judge := func(symbol string, arrived int64) {
		if symbol != client.Delayed("e2e:X", delay) {
			return
		}
		p.rows++
		// Times on the wire are whole milliseconds.
		if age := time.Since(time.UnixMicro(arrived)); age < delay-time.Millisecond {
			p.early = append(p.early, age)
		}
	}
	for _, q := range u.Quotes {
		judge(q.Symbol, q.Quote.IngestTime)
	}
	for _, e := range u.Trades {
		if e.Trade.IngestTime != 0 {
			judge(e.Symbol, e.Trade.IngestTime)
		}
	}
}

// A session holds the market in real time and as it was two seconds ago, side by side; who may have it delayed gets no more.
func TestDelayedDataBesideTheRest(t *testing.T) {
	t.Parallel()
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	v := openVenue(t, ns.URL())
	if err := ingest.EnsureStream(deadline(t), v.conn, ingest.StreamOptions{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "e2e", Name: "X"}, PriceScale: 2, SizeScale: 0}); err != nil {
		t.Fatal(err) // again, for the stream
	}
	v.tick(5)
	key := filepath.Join(t.TempDir(), "dev.key")
	server := serve(t, "--nats-url", ns.URL(), "--sim", "off", "--delays", delay.String(), "--auth-dev-key", key)
	late := client.Delayed("e2e:X", delay)
	for name, text := range map[string]bool{"proto": false, "json": true} {
		t.Run(name, func(t *testing.T) {
			p := &punctual{}
			c := dial(t, server.WebSocket(), client.Options{JSON: text, OnUpdate: p.update, Token: mint(t, key, "ada", "--may", "*")})
			for _, timeliness := range []feedv1.Timeliness{feedv1.Timeliness_TIMELINESS_DELAYED, feedv1.Timeliness_TIMELINESS_UNSPECIFIED} {
				subscribeTimely(t, c, timeliness)
			}
			first := v.n
			v.tick(5)
			at := v.n
			await(t, "real time", c, bid(at))
			await(t, "delayed", c, func(m *client.Model) bool { q, ok := m.Quote(late); return ok && q.Bid == at })
			v.tick(1)
			await(t, "delayed again", c, func(m *client.Model) bool { tr, ok := m.LastTrade(late); return ok && tr.Price == at+1 })
			c.View(func(m *client.Model) {
				if g := m.Grant(late, market.ChannelQuote); g.GetDelayMs() != uint32(delay.Milliseconds()) {
					t.Errorf("granted %v", g)
				}
				if g := m.Grant("e2e:X", market.ChannelQuote); g.GetDelayMs() != 0 {
					t.Errorf("granted %v", g)
				}
			})
			p.mu.Lock()
			defer p.mu.Unlock()
			if len(p.early) > 0 || p.rows == 0 {
				t.Errorf("from tick %d on, %d delayed rows, of which came early: %v", first, p.rows, p.early)
			}
			if err := c.Err(); err != nil {
				t.Error(err)
			}
		})
	}
	poor := dial(t, server.WebSocket(), client.Options{Token: mint(t, key, "bob", "--may", "* delayed")})
	subscribeTimely(t, poor, feedv1.Timeliness_TIMELINESS_UNSPECIFIED)
	await(t, "delayed data for who may have no other", poor, func(m *client.Model) bool { _, ok := m.Quote(late); return ok })
	poor.View(func(m *client.Model) {
		if _, ok := m.Quote("e2e:X"); ok {
			t.Error("and real time besides")
		}
	})
	server.Interrupt()
}

// subscribeTimely subscribes to quotes and trades as soon as the server knows the instrument.
func subscribeTimely(t *testing.T, c *client.Client, timeliness feedv1.Timeliness) {
	t.Helper()
	ctx := deadline(t)
	for {
		got, err := c.Subscribe(ctx, &feedv1.Subscribe{Symbols: []string{"e2e:X"}, Channels: []string{"quote", "trade"}, CadenceMs: proto.Uint32(0), Timeliness: timeliness})
		if err != nil {
			t.Fatal(err)
		}
		if got.Results[0].Handle != 0 {
			return
		}
		if got.Results[0].Code != feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL {
			t.Fatal(got.Results[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}
