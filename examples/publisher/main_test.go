package main

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/natsserver"
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
	for _, want := range []string{"definition", "quote", "trade", "quote", "trade"} {
		m, err := sub.NextMsg(30 * time.Second)
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
