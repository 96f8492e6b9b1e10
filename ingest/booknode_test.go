package ingest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// bookTick is a batch of one event whose one bid is of size n.
func bookTick(image bool, n int64) *marketdatav1.TickBatch {
	return &marketdatav1.TickBatch{Books: []*marketdatav1.BookEvent{{Snapshot: image, Bids: []*marketdatav1.Level{{Price: 100, Size: n}}}}}
}

// awaitBook waits for the book of number s, and for its size.
func (n *node) awaitBook(s uint64) {
	n.t.Helper()
	n.sink.await(n.t, "the book", func() bool {
		id, known := n.sink.ids[btc]
		k := n.sink.books[id]
		return known && k != nil && k.at.Sequence == market.Sequence(s) && k.bids[100] == int64(s)
	})
	n.sink.await(n.t, "the end of the doubt", func() bool { return n.sink.quality[n.sink.ids[btc]] == market.QualityOK })
}

func TestBookComesFromTheStreamAlone(t *testing.T) {
	n := newNode(t)
	nc := n.patient()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, bookTick(true, 1))
	for s := uint64(2); s <= 700; s++ {
		send(t, nc, "md", s, bookTick(s == 350, int64(s)))
	}
	n.start()
	n.awaitBook(700)
	send(t, nc, "md", 701, bookTick(false, 701))
	n.awaitBook(701)
	if got := drops(&n.counters); len(got) != 0 && got[drop.Duplicate] == 0 || len(got) > 1 {
		t.Errorf("drops %v, want none but of what came live and from the stream", got)
	}
}

func TestBookWithoutAnImageStaysSyncing(t *testing.T) {
	n := newNode(t)
	nc := n.patient()
	n.start()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 2, bookTick(false, 2))
	n.sink.await(t, "the doubt", func() bool { return n.sink.quality[0] == market.QualitySyncing })
	send(t, nc, "md", 3, bookTick(true, 3))
	n.awaitBook(3)
}

func TestBookGapIsFilledFromTheStream(t *testing.T) {
	n := newNode(t)
	nc := n.side()
	n.start()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, bookTick(true, 1))
	for s := uint64(2); s <= 600; s++ {
		send(t, nc, "side", s, bookTick(false, int64(s)))
	}
	send(t, nc, "md", 601, bookTick(false, 601))
	n.awaitBook(601)
	if got := drops(&n.counters); len(got) != 0 {
		t.Errorf("drops %v", got)
	}
}

func TestBookIsMendedByItsPublisher(t *testing.T) {
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	nc := n.patient()
	image := bookTick(true, 3)
	image.Epoch, image.Sequence = 5, 3
	answer, err := proto.Marshal(&marketdatav1.Snapshot{Batches: []*marketdatav1.TickBatch{image}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Subscribe(subject.Snapshot(btc), func(m *nats.Msg) { _ = m.Respond(answer) }); err != nil {
		t.Fatal(err)
	}
	n.start()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, bookTick(true, 1))
	send(t, nc, "md", 4, bookTick(false, 4))
	n.awaitBook(4)
	if got := n.counters.Count(drop.BookResync); got != 1 {
		t.Errorf("%d books mended, want 1", got)
	}
}

// The connection is lost and comes back: books go on from where they were.
func TestRejoinReadsBooks(t *testing.T) {
	n := newNode(t)
	nc := n.patient()
	n.start()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, bookTick(true, 1))
	n.awaitBook(1)
	if err := n.feed.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	for s := uint64(2); s <= 3000; s++ {
		send(t, nc, "md", s, bookTick(false, int64(s)))
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	// The last one comes live for sure: these publishers send no heartbeats, so nothing else tells how far they are.
	for n.feed.nc.Stats().Reconnects == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := n.feed.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	send(t, nc, "md", 3001, bookTick(false, 3001))
	n.awaitBook(3001)
	if got := drops(&n.counters); got[drop.MissedTicks] != 0 || got[drop.BookResync] != 0 {
		t.Errorf("drops %v, want none", got)
	}
}
