package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// rejoining is a feed whose connection came back, without its goroutines: a test says what arrives live and what the
// stream brings, and in which order.
type rejoining struct {
	*Feed
	t        *testing.T
	sink     *recorder
	counters drop.Counters
}

// rejoin begins with the definition, the book and the trades up to number 10. Live ticks are kept back from then on.
func rejoin(t *testing.T) *rejoining {
	t.Helper()
	r := &rejoining{t: t, sink: newRecorder(t.Errorf)}
	r.Feed = &Feed{sink: r.sink, log: discard(), booted: make(chan struct{}), joined: true}
	close(r.booted)
	r.core = newCore(r.sink, defaultLimits(), &r.counters, discard())
	r.o.Now = func() time.Time { return time.UnixMicro(storyStart) }
	r.arrive(1, definition())
	for s := uint64(1); s <= 10; s++ {
		r.arrive(s, bookTick(s == 1, int64(s)), oneTrade())
	}
	r.holding, r.join = true, joining{number: 1, holding: true, cancel: func() {}}
	return r
}

func (r *rejoining) message(s uint64, tick *marketdatav1.TickBatch) storedMessage {
	r.t.Helper()
	tick.Epoch, tick.Sequence = 5, s
	payload, err := proto.Marshal(tick)
	if err != nil {
		r.t.Fatal(err)
	}
	subj := "md.demo.BTC.trade"
	switch {
	case len(tick.Definitions) > 0:
		subj = "md.demo.BTC.definition"
	case len(tick.Books) > 0:
		subj = "md.demo.BTC.book"
	}
	return storedMessage{subject: subj, payload: payload, at: storyStart}
}

// arrive brings ticks of number s live.
func (r *rejoining) arrive(s uint64, ticks ...*marketdatav1.TickBatch) {
	r.t.Helper()
	for _, tick := range ticks {
		m := r.message(s, tick)
		if r.join.holding {
			r.join.keep(&nats.Msg{Subject: m.subject, Data: m.payload})
		} else {
			r.core.live(m.subject, m.payload, storyStart)
		}
	}
}

// read brings what the stream holds so far, and tells how far it reaches.
func (r *rejoining) read(books bool, messages ...storedMessage) reach {
	r.t.Helper()
	r.take(found{join: 1, messages: messages})
	return r.reach(&r.join, books)
}

// isWhole holds that the book is that of number s, that nothing is missing, and that none of it was doubted on the way.
func (r *rejoining) isWhole(s uint64) {
	r.t.Helper()
	r.core.tick(storyStart + 1_000_000)
	if k := r.sink.books[0]; k == nil || k.at.Sequence != market.Sequence(s) || k.bids[100] != int64(s) {
		r.t.Errorf("book %+v, want that of number %d", k, s)
	}
	for _, line := range r.sink.lines {
		if strings.HasPrefix(line, "quality") && !strings.HasPrefix(line, "quality demo:BTC ok") || strings.HasPrefix(line, "tradegap") {
			r.t.Errorf("%s", line)
		}
	}
}

// The stream lags behind what is routed live: its end may lie ahead of changes that this node never got.
func TestTheStreamIsFollowedToTheFirstChangeKeptBack(t *testing.T) {
	r := rejoin(t)
	if at := r.read(true); at != unclear {
		t.Errorf("with nothing kept back: %v, want that it is unclear", at)
	}
	r.arrive(31, bookTick(false, 31))
	for s := uint64(11); s <= 30; s++ {
		want := behind
		if s == 30 {
			want = joined
		}
		if at := r.read(true, r.message(s, bookTick(false, int64(s)))); at != want {
			t.Fatalf("with the changes up to %d read: %v, want %v", s, at, want)
		}
	}
	r.take(found{join: 1, done: true})
	r.isWhole(31)
}

func TestTheStreamIsFollowedToTheFirstTradeKeptBack(t *testing.T) {
	r := rejoin(t)
	r.arrive(13, oneTrade())
	if at := r.read(true, r.message(11, oneTrade())); at != behind {
		t.Fatalf("with a trade missing: %v", at)
	}
	if at := r.read(true, r.message(12, oneTrade())); at != joined {
		t.Fatalf("with all trades read: %v", at)
	}
	r.take(found{join: 1, done: true})
	r.isWhole(10)
}

// What the stream cannot mend is not waited for.
func TestLiveTicksAreNotKeptBackInVain(t *testing.T) {
	for _, c := range []struct {
		name  string
		bring func(r *rejoining) reach
		want  reach
	}{
		{"nothing was missed", func(r *rejoining) reach {
			r.arrive(11, bookTick(false, 11), oneTrade())
			return r.read(true)
		}, joined},
		{"an image came", func(r *rejoining) reach {
			r.arrive(40, bookTick(true, 40))
			r.arrive(41, bookTick(false, 41))
			return r.read(true)
		}, joined},
		{"changes of books are not read", func(r *rejoining) reach {
			r.arrive(40, bookTick(false, 40))
			return r.read(false)
		}, unclear},
		{"what is missing is not in the stream either", func(r *rejoining) reach {
			r.arrive(40, bookTick(false, 40), oneTrade())
			return r.read(true, r.message(39, bookTick(false, 39)), r.message(39, oneTrade()))
		}, joined},
		{"the book is wrong already", func(r *rejoining) reach {
			r.arrive(40, bookTick(false, 40))
			return r.read(true, r.message(11, bookTick(false, -1)))
		}, joined},
		{"others begin to tick", func(r *rejoining) reach {
			r.arrive(12, bookTick(false, 12))
			at := r.read(true)
			r.arrive(20, oneTrade())
			if at != behind {
				return at
			}
			return r.read(true, r.message(11, bookTick(false, 11)))
		}, joined},
		{"the wait was too long", func(r *rejoining) reach {
			r.arrive(40, bookTick(false, 40))
			r.letLive()
			return r.read(true)
		}, joined},
	} {
		t.Run(c.name, func(t *testing.T) {
			if at := c.bring(rejoin(t)); at != c.want {
				t.Errorf("%v, want %v", at, c.want)
			}
		})
	}
}

// A publisher's answer comes by a way of its own, and names trades that are still on theirs: waiting for the feed's goroutine, or kept
// back. They are no repeats.
func TestAnAnswerOvertakesNothing(t *testing.T) {
	for _, keptBack := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept back %v", keptBack), func(t *testing.T) {
			r := &rejoining{t: t, sink: newRecorder(t.Errorf)}
			r.Feed = &Feed{sink: r.sink, log: discard(), booted: make(chan struct{}), joined: true, live: make(chan *nats.Msg, 600), direct: true}
			r.core = newCore(r.sink, defaultLimits(), &r.counters, discard())
			r.o.Now = func() time.Time { return time.UnixMicro(storyStart) }
			first := r.message(1, definition())
			r.core.stored(first.subject, first.payload, first.at, storyStart, false)
			r.holding, r.core.keptBack = keptBack, keptBack
			r.join = joining{number: 1, holding: keptBack, cancel: func() {}}
			const count = maxTogether + 10
			for s := uint64(1); s <= count; s++ {
				m := r.message(s, oneTrade())
				r.live <- &nats.Msg{Subject: m.subject, Data: m.payload}
			}
			r.take(found{request: request{inst: r.core.instrument(btc)}, batches: [][]byte{r.message(count, oneTrade()).payload}})
			if keptBack {
				r.take(found{join: 1, done: true})
			}
			if len(r.sink.trades[0]) != count || r.counters.Count(drop.Duplicate) != 0 {
				t.Errorf("%d trades and %d repeats, want %d and none", len(r.sink.trades[0]), r.counters.Count(drop.Duplicate), count)
			}
		})
	}
}

// A node that was away asks for what no stream tells: heartbeats may have named the last ticks meanwhile.
func TestAfterAnAbsenceWithoutAStreamPublishersAreAsked(t *testing.T) {
	for _, blind := range []bool{false, true} {
		r := rejoin(t)
		r.take(found{join: 1, done: true, blind: blind})
		if asked := r.core.takeRequests(); len(asked) == 1 != blind || blind && asked[0].symbol != btc {
			t.Errorf("nothing read %v: asked for %v", blind, asked)
		}
	}
	r := rejoin(t)
	r.core.askSnapshot(r.core.instrument(btc)) // whose answer may be from before the absence, or never come
	before := len(r.core.takeRequests())
	r.take(found{join: 1, done: true, blind: true})
	during := len(r.core.takeRequests())
	for range 2 {
		r.core.snapshotDone(r.core.instrument(btc), true, storyStart)
	}
	if after := len(r.core.takeRequests()); before != 1 || during != 0 || after != 1 {
		t.Errorf("asked %d times before, %d while that was under way, %d behind it; want 1, 0 and 1", before, during, after)
	}
}

// What reaches the stream while it is read was routed, in part, before this node listened.
func TestWhatTheStreamGotMeanwhileIsRead(t *testing.T) {
	n := newNode(t)
	nc := n.side()
	n.start()
	send(t, nc, "md", 1, definition())
	send(t, nc, "md", 1, bookTick(true, 1))
	n.awaitBook(1)
	r := &reader{f: n.feed}
	if there, err := r.open(t.Context()); err != nil || !there {
		t.Fatalf("stream there: %v, %v", there, err)
	}
	if err := r.meanwhile(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, nc, "side", 2, bookTick(false, 2)) // in the stream alone
	r.awaitStored(t, 3)                        // the definition and both ticks
	if err := r.meanwhile(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.awaitBook(2)
}

// awaitStored waits until the stream has got so many messages in all.
func (r *reader) awaitStored(t *testing.T, count uint64) {
	t.Helper()
	for stored := uint64(0); stored < count; {
		info, err := r.stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stored = info.State.LastSeq
	}
}

// Of a publisher that begins while a node does, a newest tick may be read ahead of its definition, which the stream got after the
// definitions were read. It is read again, behind it.
func TestATickReadAheadOfItsDefinitionIsNotRefused(t *testing.T) {
	n := newNode(t)
	nc := n.side()
	n.start()
	r := &reader{f: n.feed, again: true}
	if there, err := r.open(t.Context()); err != nil || !there {
		t.Fatalf("stream there: %v, %v", there, err)
	}
	send(t, nc, "side", 1, definition()) // in the stream alone
	send(t, nc, "side", 1, bookTick(true, 1))
	send(t, nc, "side", 2, bookTick(false, 2))
	r.awaitStored(t, 3)
	if err := r.read(t.Context(), r.lastOf(market.ChannelBook), r.last); err != nil {
		t.Fatal(err)
	}
	if err := r.meanwhile(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.awaitBook(2)
	if got := drops(&n.counters); len(got) != 0 {
		t.Errorf("drops %v, want none", got)
	}
}

// Whoever gave up ahead of his question learned nothing of the stream, and so notes nothing, later either.
func TestAReaderThatGaveUpNotesNothing(t *testing.T) {
	n := newNode(t)
	send(t, n.side(), "md", 1, definition())
	n.start()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&reader{f: n.feed}).open(ctx); err == nil {
		t.Fatal("the stream was opened by a reader that had given up")
	}
	time.Sleep(2 * answerSoon)
	if n.feed.absent.Load() {
		t.Error("the stream is taken for silent")
	}
}
