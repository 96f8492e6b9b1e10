package e2e

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/rig"
)

// startNATS starts a NATS that outlives feedd, and records the ticks.
func startNATS(t *testing.T) string {
	t.Helper()
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	nc, err := nats.Connect(ns.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := ingest.EnsureStream(t.Context(), nc, ingest.StreamOptions{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return ns.URL()
}

// feedd is killed again and again, at any moment: while it serves, writes a checkpoint, or reads the stream at its start. Whoever
// comes back after each time has every trade once, and in the end the last quotes and books.
func TestKilledAgainAndAgain(t *testing.T) {
	url, random := startNATS(t), rand.New(rand.NewPCG(3, 5))
	args := []string{"--sim", "off", "--nats-url", url, "--data-dir", t.TempDir(), "--checkpoint-every", "20ms"}
	server := serve(t, args...)
	b, p := rig.OpenMarket(t, url, rig.MarketOptions{Seed: 1}), rig.NewTape()
	c := p.Follow(t, server.WebSocket(), b.Symbols, client.Options{})
	closeMarket := b.Run()
	for range 4 {
		b.Await(50 + random.IntN(300))
		server.Kill()
		<-c.Done()
		for range random.IntN(3) {
			starting := command(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
			b.Await(1 + random.IntN(150))
			starting.Kill()
		}
		server = serve(t, args...)
		c = p.Follow(t, server.WebSocket(), b.Symbols, client.Options{})
	}
	b.Await(50)
	closeMarket()
	b.Ends(c, p)
	for _, reason := range []string{"bad_checkpoint", "unsaved_state"} {
		if n := server.Metric(`feedd_dropped_total{reason="` + reason + `"}`); n != "0" {
			t.Errorf("%s counted %s times", reason, n)
		}
	}
}

// The NATS inside dies with feedd, and what it had not written with it. What was there at the last checkpoint is there again, and
// the publishers' new numbers go on from it.
func TestKilledWithTheNATSInside(t *testing.T) {
	t.Parallel()
	args := []string{"--sim", "off", "--data-dir", t.TempDir(), "--checkpoint-every", "20ms"}
	p, trades := rig.NewTape(), []int64{0, 0, 0}
	for life := range uint64(3) {
		server := serve(t, args...)
		b := rig.OpenMarket(t, server.Line("nats"), rig.MarketOptions{Seed: life, Trades: trades})
		c := p.Follow(t, server.WebSocket(), b.Symbols, client.Options{})
		closeMarket := b.Run()
		b.Await(150)
		closeMarket()
		b.Ends(c, p)
		awaitCheckpoint(t, server)
		server.Kill()
		<-c.Done()
		trades = b.Trades()
	}
}

// awaitCheckpoint waits for a checkpoint of what is there now.
func awaitCheckpoint(t *testing.T, server *process) {
	t.Helper()
	since, ctx := time.Now(), deadline(t)
	for {
		at, err := strconv.ParseFloat(server.Metric("feedd_checkpoint_timestamp_seconds"), 64)
		if err != nil {
			t.Fatal(err)
		}
		if at > float64(since.UnixMicro())/1e6 {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("no checkpoint")
		}
	}
}

// Without its checkpoint, or with one that is damaged, feedd starts from the stream, and all is there.
func TestCheckpointIsLost(t *testing.T) {
	t.Parallel()
	url := startNATS(t)
	dir := t.TempDir()
	args := []string{"--sim", "off", "--nats-url", url, "--data-dir", dir}
	server := serve(t, args...)
	b := rig.OpenMarket(t, url, rig.MarketOptions{Seed: 7})
	for range 150 {
		b.Step()
	}
	b.Ends(rig.NewTape().Follow(t, server.WebSocket(), b.Symbols, client.Options{}), rig.NewTape())
	server.Interrupt()
	name := filepath.Join(dir, "checkpoint", "checkpoint")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("feedd has stopped without a checkpoint: %v", err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)*2/3] ^= 0x10
	for _, c := range []struct {
		name string
		left []byte
		bad  string
	}{{"whole", whole, "0"}, {"gone", nil, "0"}, {"cut", whole[:len(whole)/2], "1"}, {"a bit turned", flipped, "1"}} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Dir(name)); err != nil {
				t.Fatal(err)
			}
			if c.left != nil {
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, c.left, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b.Step() // while nobody listens
			server := serve(t, args...)
			p := rig.NewTape()
			b.Ends(p.Follow(t, server.WebSocket(), b.Symbols, client.Options{}), p)
			if n := server.Metric(`feedd_dropped_total{reason="bad_checkpoint"}`); n != c.bad {
				t.Errorf("%s bad checkpoints, want %s", n, c.bad)
			}
			server.Interrupt()
		})
	}
}
