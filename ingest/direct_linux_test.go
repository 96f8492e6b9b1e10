package ingest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/publish"
)

// Whoever asked is called by the goroutine that reads, when all that it read is with the subscriptions; one at a time can ask.
func TestWhatWasReadIsHandedOn(t *testing.T) {
	n := &node{t: t, url: plainServer(t)}
	nc := n.connect()
	came := make(chan *nats.Msg, 8)
	if _, err := nc.ChanSubscribe("it", came); err != nil {
		t.Fatal(err)
	}
	seen := make(chan *nats.Msg, 8)
	end, ok := handedOn(nc, func() {
		for len(came) > 0 {
			seen <- <-came
		}
	})
	if !ok {
		t.Fatal("a connection of Connect cannot be asked")
	}
	if _, ok := handedOn(nc, func() {}); ok {
		t.Error("two may ask")
	}
	if _, ok := handedOn(n.patient(), func() {}); ok {
		t.Error("a connection of somebody else can be asked")
	}
	for _, text := range []string{"one", "two"} {
		if err := nc.Publish("it", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := string((<-seen).Data); got != text {
			t.Fatalf("%q, want %q", got, text)
		}
	}
	end()
	if err := nc.Publish("it", []byte("three")); err != nil {
		t.Fatal(err)
	}
	if got := string((<-came).Data); got != "three" {
		t.Errorf("%q, want what nobody takes any more", got)
	}
	if end, ok := handedOn(nc, func() {}); !ok {
		t.Error("nobody can ask again")
	} else {
		end()
	}
}

// Whoever takes in what comes, ticks keep their order and none is lost: while the feed's goroutine is busy, while readers
// are at the state, and while nobody is.
func TestTicksKeepTheirOrderWhoeverTakesThemIn(t *testing.T) {
	n := newNode(t)
	n.start()
	if !n.feed.direct {
		t.Fatal("the goroutine that reads the connection leaves all to the feed's")
	}
	const count = 5000
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			switch i % 3 {
			case 0:
				_ = n.feed.do(ctx, func() { time.Sleep(time.Millisecond) }) // it ends with ctx
			case 1:
				n.sink.mu.Lock()
				time.Sleep(time.Millisecond)
				n.sink.mu.Unlock()
			case 2:
				time.Sleep(time.Millisecond)
			}
		}
	}()
	tickTo(t, n.define(n.publisher(publish.Options{})), count)
	n.awaitAll(count)
	cancel()
	<-done
	if got := n.counters.Count(drop.Duplicate); got != 0 {
		t.Errorf("%d duplicates", got)
	}
}

// The sink is not touched behind Stop, though the connection is read on.
func TestNothingIsTakenInBehindStop(t *testing.T) {
	n := newNode(t)
	n.start()
	in := n.define(n.publisher(publish.Options{}))
	tickTo(t, in, 3)
	n.awaitAll(3)
	if err := n.feed.Stop(); err != nil {
		t.Fatal(err)
	}
	n.sink.mu.Lock()
	defer n.sink.mu.Unlock()
	before := n.sink.quoteOf(btc)
	tickTo(t, in, 6)
	if err := n.feed.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n.sink.quoteOf(btc) != before {
		t.Error("a tick was taken in behind the end")
	}
}
