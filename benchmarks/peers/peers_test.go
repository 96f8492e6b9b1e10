package peers

import (
	"testing"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/probe"
)

const instruments = 10

// Every peer delivers right values, and the last ones in the end: else it would be no peer.
func TestPeersDeliverWhatWasPublished(t *testing.T) {
	for _, c := range []struct{ server, variant string }{
		{Centrifuge, Every}, {Centrifuge, Batched}, {Centrifuge, Latest}, {Centrifuge, LatestBatched}, {Broadcast, ""},
	} {
		t.Run(c.server+" "+c.variant, func(t *testing.T) {
			t.Parallel()
			market, err := feed.Open(feed.Config{Instruments: instruments, Hz: 50, Burst: 4, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(market.Close)
			p, err := Open(Config{
				Server: c.server, Variant: c.variant, NATS: market.Where().NATS, Cadence: 20 * time.Millisecond, Symbols: feed.Symbols(instruments),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
			market.Resume()
			delivers(t, market, p.Address, c.server)
		})
	}
}

func delivers(t *testing.T, market *feed.Source, address, speak string) {
	t.Helper()
	l, err := load.Start(load.Config{Address: address, Symbols: feed.Symbols(instruments), Groups: []load.Group{{
		Speak: speak, Sessions: 20, Probes: 5,
		Choice: load.Choice{Instruments: instruments, PerSession: instruments, Distribution: load.Uniform, Seed: 1},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	if _, err := l.Connect(load.Patience); err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	for deadline := time.Now().Add(load.Patience); rows < 200; {
		w, err := l.Mark()
		if err != nil || len(w.Closed) > 0 || w.Probes.Problems > 0 {
			t.Fatalf("window %+v, error %v", w, err)
		}
		if rows += w.Probes.Rows; time.Now().After(deadline) {
			t.Fatalf("%d rows within %v", rows, load.Patience)
		}
	}
	last, err := market.Pause()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(load.Patience); ; {
		held, err := l.Holds()
		if err != nil {
			t.Fatal(err)
		}
		differ, example := probe.Compare(held, feed.Symbols(instruments), last)
		if differ == 0 && len(held) == 5*instruments {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d quotes held are not the last: %s", differ, len(held), example)
		}
	}
}

func TestConfigsAreChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {Server: "nginx", Cadence: 1}, {Server: Centrifuge, Cadence: 0}} {
		if p, err := Open(cfg); err == nil {
			t.Errorf("%+v opened %v", cfg, p)
		}
	}
}
