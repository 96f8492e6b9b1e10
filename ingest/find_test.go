package ingest

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// While the stream does not answer, the books of many instruments wait for their images. A gap does not wait behind them for its
// publisher to be asked, who forgets.
func TestImagesDoNotHoldUpGaps(t *testing.T) {
	const books = 60
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	nc := n.connect()
	remember(t, nc)
	n.start()
	// A stream without a leader: it is asked, and does not answer.
	if _, err := nc.Subscribe("$JS.API.>", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	for k := range books {
		sym := market.Symbol{Venue: "mute", Name: fmt.Sprint("I", k)}
		for _, tick := range []*marketdatav1.TickBatch{definition(), bookTick(false, 1)} {
			ch := market.ChannelDefinition
			if len(tick.Books) > 0 {
				ch = market.ChannelBook
			}
			tick.Epoch, tick.Sequence = 5, 7
			payload, err := proto.Marshal(tick)
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.Publish(subject.For(sym, ch), payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	n.sink.await(t, "the books", func() bool { return len(n.sink.ids) == books && n.feed.absent.Load() })
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, oneTrade())
	send(t, nc, "md", 3, oneTrade())
	n.sink.await(t, "the trade from the publisher", func() bool { return len(n.sink.tradesOf(btc)) == 3 })
	n.sink.mu.Lock()
	defer n.sink.mu.Unlock()
	if len(n.sink.gaps) != 0 {
		t.Errorf("gaps %v", n.sink.gaps)
	}
}

// A stream that had no leader misses what was published meanwhile, and tells so by what it has behind it. What is kept back may be just
// that: nothing is asked for, or given up, ahead of it.
func TestTheStreamMissesWhatWasKeptBack(t *testing.T) {
	r := rejoin(t)
	r.core.keptBack = true
	for s := uint64(12); s <= 16; s++ {
		r.arrive(s, bookTick(false, int64(s)), oneTrade())
	}
	r.read(true, r.message(11, bookTick(false, 11)), r.message(11, oneTrade()), r.message(15, oneTrade()), r.message(15, bookTick(false, 15)))
	for at := int64(0); at < 20_000_000; at += 100_000 {
		r.core.tick(storyStart + at)
	}
	if asked := r.core.takeRequests(); len(asked) != 0 {
		t.Errorf("asked for %+v", asked)
	}
	r.letLive()
	r.isWhole(16)
	if got := len(r.sink.trades[0]); got != 16 {
		t.Errorf("%d trades, want 16", got)
	}
}

// The same of instruments that are warmed up, while others go on.
func TestTheStreamMissesWhatAWarmUpKeepsBack(t *testing.T) {
	r := rejoin(t)
	r.join.holding = false
	inst := r.core.instruments[btc]
	r.core.forget(inst, storyStart)
	inst.carriage = warming
	for _, s := range []uint64{1, 2, 3, 9, 10} {
		m := r.message(s, oneTrade())
		r.core.stored(m.subject, m.payload, m.at, storyStart, false)
	}
	for at := int64(0); at < 20_000_000; at += 100_000 {
		r.core.tick(storyStart + at)
	}
	if asked := r.core.takeRequests(); len(asked) != 0 {
		t.Errorf("asked for %+v", asked)
	}
	r.sink.trades[0], r.sink.lines = nil, nil
	r.arrive(4, oneTrade())
	r.arrive(5, oneTrade())
	r.core.warmed(inst, storyStart, storyStart+20_000_000)
	r.core.tick(storyStart + 20_100_000)
	asked := r.core.takeRequests() // for what is missing now, with all the time that there is
	if len(r.sink.gaps) != 0 || len(r.sink.trades[0]) != 2 {
		t.Errorf("%d trades, gaps %v", len(r.sink.trades[0]), r.sink.gaps)
	}
	gap := false
	for _, a := range asked {
		gap = gap || a.series != nil && a.from == 6 && a.to == 8
	}
	if !gap {
		t.Errorf("asked for %+v, want trades 6 to 8", asked)
	}
}
