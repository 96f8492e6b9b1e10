package ingest

import (
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// bookWorld is a world whose publisher has a book, beside that of an instrument of which nothing is ever lost.
type bookWorld struct {
	world
	bids, asks map[int64]int64
	was        map[market.Position]book // the publisher's book at each position that shows one
	ticks      map[market.Position]int  // all that were published: how many copies came, of whatever kind
	refused    int                      // those that no node can use
	calm       market.Sequence
}

var still = market.Symbol{Venue: "demo", Name: "STILL"}

func levelsOf(side map[int64]int64) []*marketdatav1.Level {
	out := []*marketdatav1.Level{}
	for _, p := range slices.Sorted(maps.Keys(side)) {
		out = append(out, &marketdatav1.Level{Price: p, Size: side[p]})
	}
	return out
}

// step makes the next ticks of the book: a change, an image, or an image in parts.
func (w *bookWorld) step() []*marketdatav1.BookEvent {
	n := 1 + w.draw("levels", 3)
	change := &marketdatav1.BookEvent{}
	for range n {
		price, size := int64(100+w.draw("price", 10)), int64(w.draw("size", 4))
		l := &marketdatav1.Level{Price: price, Size: size}
		if side := w.bids; w.chance("an ask", 50) {
			l.Price += 20
			set(w.asks, l)
			change.Asks = append(change.Asks, l)
		} else {
			set(side, l)
			change.Bids = append(change.Bids, l)
		}
	}
	first := w.published[market.ChannelBook] == 0
	if !first && !w.chance("an image", 15) {
		return []*marketdatav1.BookEvent{change}
	}
	if first || w.chance("whole", 50) {
		return []*marketdatav1.BookEvent{{Snapshot: true, Bids: levelsOf(w.bids), Asks: levelsOf(w.asks)}}
	}
	parts := []*marketdatav1.BookEvent{{Snapshot: true, Partial: true, Bids: levelsOf(w.bids)}}
	for range w.draw("middle parts", 2) {
		parts = append(parts, &marketdatav1.BookEvent{Snapshot: true, Partial: true})
	}
	return append(parts, &marketdatav1.BookEvent{Snapshot: true, Asks: levelsOf(w.asks)})
}

func set(side map[int64]int64, l *marketdatav1.Level) {
	side[l.Price] = l.Size
	if l.Size == 0 {
		delete(side, l.Price)
	}
}

// publishBook publishes the next ticks of the book, in batches as it may happen.
func (w *bookWorld) publishBook(faults bool) {
	for _, e := range w.step() {
		w.published[market.ChannelBook]++
		p := market.Position{Epoch: w.epoch, Sequence: w.published[market.ChannelBook]}
		w.ticks[p] = 0
		if !e.Partial {
			w.was[p] = book{at: p, bids: maps.Clone(w.bids), asks: maps.Clone(w.asks)}
		}
		if faults && w.chance("damage", 3) {
			e = proto.CloneOf(e)
			e.Bids = append(e.Bids, &marketdatav1.Level{Price: 1, Size: -1})
			w.refused++
		}
		w.send(subject.For(btc, market.ChannelBook), &marketdatav1.TickBatch{
			Epoch: uint64(p.Epoch), Sequence: uint64(p.Sequence), Books: []*marketdatav1.BookEvent{e},
		}, faults)
	}
	w.calm++
	quiet := &marketdatav1.TickBatch{Epoch: 1, Sequence: uint64(w.calm), Books: []*marketdatav1.BookEvent{{Bids: []*marketdatav1.Level{{Price: int64(w.calm), Size: 1}}}}}
	quiet.Books[0].Snapshot = w.calm == 1
	w.live(subject.For(still, market.ChannelBook), quiet)
}

// live hands a message to the core at once.
func (w *bookWorld) live(subj string, m proto.Message) {
	payload, err := proto.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.core.live(subj, payload, w.now)
}

func (w *bookWorld) image() *marketdatav1.TickBatch {
	if w.published[market.ChannelBook] == 0 {
		return nil
	}
	return &marketdatav1.TickBatch{Epoch: uint64(w.epoch), Sequence: uint64(w.published[market.ChannelBook]),
		Books: []*marketdatav1.BookEvent{{Snapshot: true, Bids: levelsOf(w.bids), Asks: levelsOf(w.asks)}}}
}

// came notes what reached the core.
func (w *bookWorld) came(payload []byte) {
	var b marketdatav1.TickBatch
	if err := proto.Unmarshal(payload, &b); err != nil {
		w.t.Fatal(err)
	}
	for i := range b.Books {
		w.ticks[market.Position{Epoch: market.Epoch(b.Epoch), Sequence: market.Sequence(b.Sequence) + market.Sequence(i)}]++
	}
}

// Whatever is lost, doubled, late or damaged, the book is the publisher's at every position that the sink shows; in the end
// it is the publisher's last one, or the instrument is syncing. What never came is counted, and nothing else; and
// nobody else notices.
func TestBooksAreRightOrSyncing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &bookWorld{bids: map[int64]int64{}, asks: map[int64]int64{}, was: map[market.Position]book{}, ticks: map[market.Position]int{}}
		w.world = world{t: t, now: storyStart, prices: map[market.Position]int64{}, missing: map[market.Position]bool{}}
		w.sink = newRecorder(t.Fatalf)
		w.sink.onBook = func(id market.InstrumentID, k *book) {
			if w.sink.instruments[id].Symbol != btc {
				return
			}
			want, shown := w.was[k.at]
			if !shown || !maps.Equal(k.bids, want.bids) || !maps.Equal(k.asks, want.asks) {
				t.Fatalf("book at %v: %v %v, the publisher's %v %v", k.at, k.bids, k.asks, want.bids, want.asks)
			}
		}
		limits := defaultLimits()
		limits.held = rapid.SampledFrom([]int{limits.held, 3}).Draw(t, "may be held")
		w.core = newCore(w.sink, limits, &w.counters, discard())
		w.delivered, w.state = w.came, w.image
		w.answers1in = rapid.SampledFrom([]int{1, 2, 0}).Draw(t, "one answer in")
		w.live(subject.For(still, market.ChannelDefinition), &marketdatav1.TickBatch{Epoch: 1, Sequence: 1, Definitions: []*marketdatav1.Definition{{}}})
		w.restart()
		w.pass(100_000)
		w.publishBook(false)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch {
			case w.chance("restart", 2):
				w.pass(1_000_000)
				w.restart()
				w.publishBook(true)
			case w.chance("heartbeat", 10):
				w.heartbeat(true)
			default:
				w.publishBook(true)
			}
			w.pass(int64(w.draw("pause", 30_000)))
		}
		w.heartbeat(false)
		w.pass(120_000_000)
		w.checkBooks()
	})
}

func (w *bookWorld) checkBooks() {
	id := w.sink.ids[btc]
	k, q := w.sink.books[id], w.sink.quality[id]
	last := market.Position{Epoch: w.epoch, Sequence: w.published[market.ChannelBook]}
	switch right := k != nil && k.at == last; {
	case right && q != market.QualityOK:
		w.t.Fatalf("the book is right, but the quality %v: %s", q, w.sink.reasons[id])
	case !right && q != market.QualitySyncing:
		w.t.Fatalf("the book is not that at %v, but the quality %v", last, q)
	case !right && w.answers1in != 0:
		w.t.Fatalf("the publisher answers, but the book is not mended")
	}
	lost := 0
	for p, copies := range w.ticks {
		if copies == 0 && (p.Epoch == w.epoch || w.seenBehind(p)) {
			lost++
		}
	}
	if n := w.counters.Count(drop.MissedTicks); w.restarts == 1 && n != uint64(lost) {
		w.t.Fatalf("%d ticks are counted as missed, want %d", n, lost)
	}
	if q := w.sink.quality[w.sink.ids[still]]; q != market.QualityOK || w.sink.books[w.sink.ids[still]].at.Sequence != w.calm {
		w.t.Fatalf("the other instrument: %v at %v", q, w.sink.books[w.sink.ids[still]].at)
	}
}

// seenBehind reports whether a tick behind p in its epoch came, which shows that p is missing.
func (w *bookWorld) seenBehind(p market.Position) bool {
	for other, copies := range w.ticks {
		if other.Epoch == p.Epoch && p.Before(other) && copies > 0 {
			return true
		}
	}
	return false
}
