package main

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/publish"
)

func TestPublishesWhatItSays(t *testing.T) {
	s, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("md.example.APPLE%2FPEAR.*")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, s.URL(), time.Millisecond) }()
	for _, want := range []string{"definition", "stats", "quote", "book", "trade", "quote", "book", "trade"} {
		m, err := sub.NextMsg(2 * time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var b tick.Batch
		if err := b.ReadProtobuf(m.Data); err != nil {
			t.Fatal(err)
		}
		if ch, _ := b.Channel(); ch.String() != want {
			t.Errorf("%s on %s, want a %s", ch, m.Subject, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), "nats://127.0.0.1:1", time.Second); err == nil {
		t.Error("no error without a server")
	}
}

// The changes of the book add up to a book that is never crossed and always five levels deep.
func TestTheBookAddsUp(t *testing.T) {
	bids, asks := map[int64]int64{}, map[int64]int64{}
	for n := range int64(60) {
		bid := 150 + n%20
		b := book(n, bid, 1)
		for _, side := range []struct {
			to   map[int64]int64
			from []publish.Level
		}{{bids, b.Bids}, {asks, b.Asks}} {
			for _, l := range side.from {
				if side.to[l.Price] = l.Size; l.Size == 0 {
					delete(side.to, l.Price)
				}
			}
		}
		if len(bids) != levels || len(asks) != levels || bids[bid] == 0 || asks[bid+1] == 0 {
			t.Fatalf("tick %d at %d: bids %v, asks %v", n, bid, bids, asks)
		}
	}
}
