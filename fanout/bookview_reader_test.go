package fanout

import (
	"cmp"
	"slices"
	"sync"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// sides is a book as simple as can be: sizes by price, bids and asks.
type sides [2]map[int64]int64

func newSides() sides { return sides{{}, {}} }

func (s sides) set(side int, price, size int64) {
	if size == 0 {
		delete(s[side], price)
	} else {
		s[side][price] = size
	}
}

// levels returns a side best first.
func (s sides) levels(side int) []market.Level {
	list := make([]market.Level, 0, len(s[side]))
	for price, size := range s[side] {
		list = append(list, market.Level{Price: price, Size: size})
	}
	slices.SortFunc(list, func(a, b market.Level) int { return cmp.Compare(a.Price, b.Price) * (2*side - 1) })
	return list
}

// shown returns the levels of a side in a view.
func (s sides) shown(side int, v market.View) []market.Level {
	list := s.levels(side)
	if g := v.Group; g != 0 {
		grouped := newSides()
		for _, l := range list {
			rest := (l.Price%g + g) % g
			price := l.Price - rest
			if side == 1 && rest != 0 {
				price += g
			}
			grouped[side][price] += l.Size
		}
		list = grouped.levels(side)
	}
	if v.Depth != 0 {
		list = list[:min(len(list), int(v.Depth))]
	}
	return list
}

// bookWorld is a world with books, and remembers each book after each event.
type bookWorld struct {
	*world
	onSend func() // what happens while a frame is on its way; nil: nothing

	mu   sync.Mutex // guards past where workers run by themselves
	past [][]sides  // by instrument and sequence
}

func newBookWorld(instruments int, o Options) *bookWorld {
	w := &bookWorld{world: newWorld(instruments, 64, o), past: make([][]sides, instruments)}
	for i := range w.past {
		w.past[i] = []sides{newSides()}
	}
	return w
}

// testTransit makes the transit of an event a function of its arrival, so that a reader can tell whether what it is
// told of both belongs together.
func testTransit(ingest int64) int64 { return ingest/1000%97 - 20 }

func (w *bookWorld) book(id int, e market.BookEvent) {
	w.note(id, &e)
	w.store.Begin()
	w.store.Book(market.InstrumentID(id), &e)
	w.store.Commit() // readers may be sent to here, and look at what was noted
}

// note gives a step of a book its number, and keeps what the book is with it.
func (w *bookWorld) note(id int, e *market.BookEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := newSides()
	for side, levels := range w.past[id][len(w.past[id])-1] {
		for price, size := range levels {
			if !e.Snapshot {
				next[side][price] = size
			}
		}
	}
	for side, levels := range [2][]market.Level{e.Bids, e.Asks} {
		for _, l := range levels {
			next.set(side, l.Price, l.Size)
		}
	}
	e.IngestTime, e.ExchangeTime = w.now, w.now-1000*testTransit(w.now)
	e.Position = market.Position{Epoch: w.epoch, Sequence: market.Sequence(len(w.past[id]))}
	w.past[id] = append(w.past[id], next)
}

func (w *bookWorld) view(id int, v market.View) Handle {
	return w.engine.Handle(market.InstrumentID(id), market.ChannelBook, v)
}

func (w *bookWorld) attach(e Encoding) (*bookReader, *Subscriber) {
	r := &bookReader{reader: newReader(e), world: w, books: map[Handle]*heldBook{}}
	s := w.engine.Attach(r, bare(e))
	r.wake = s.Wake
	w.worker.turn()
	return r, s
}

// bookReader is a client that puts books together by the rules of feed.proto, and compares each state that it is given
// with the past of the market.
type bookReader struct {
	*reader
	world                       *bookWorld
	books                       map[Handle]*heldBook
	fulls, parts, diffs, checks int
}

type heldBook struct {
	sides
	whole, arriving bool
	at              market.Position
	atLeast         int // sequence that the state cannot lie before
	transit         int64
}

func (r *bookReader) Ready() bool { return !r.full }

func (r *bookReader) Send(b []byte) bool {
	if !r.reader.Send(b) {
		return false
	}
	if r.world.onSend != nil {
		defer r.world.onSend()
	}
	for _, row := range r.last.Books {
		r.row(row, int64(r.last.CutTimeUs))
	}
	for _, row := range r.last.BookTexts {
		r.text(row)
	}
	return true
}

func (r *bookReader) held(h Handle) *heldBook {
	if r.books[h] == nil {
		r.books[h] = &heldBook{sides: newSides()}
	}
	return r.books[h]
}

// begin takes in that a row is full.
func (r *bookReader) begin(k *heldBook, at market.Position, partial bool) {
	if !k.arriving || k.at != at {
		if k.arriving {
			r.fail("a book of %v begins while that of %v is not whole yet", at, k.at)
		}
		k.sides = newSides()
	}
	k.at, k.arriving, k.whole, k.transit = at, partial, !partial, 0
	r.fulls++
	if partial {
		r.parts++
	}
}

func (r *bookReader) row(row *feedv1.Book, cut int64) {
	h := Handle(row.Handle)
	k := r.held(h)
	full := row.Sequence != 0
	at := market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}
	if full {
		r.begin(k, at, row.Partial)
	} else {
		r.diffs++
		if !k.whole {
			r.fail("book %d: changes of a view that is not whole", h)
			return
		}
	}
	for side, list := range [2][]int64{row.Bids, row.Asks} {
		var price int64
		for i := 0; i+1 < len(list); i += 2 {
			if i > 0 && list[i]*int64(2*side-1) <= 0 {
				r.fail("book %d: side %d is not best first", h, side)
			}
			price += list[i]
			if full && list[i+1] == 0 {
				r.fail("book %d: a full row with a level that is gone", h)
			}
			k.set(side, price, list[i+1])
		}
	}
	k.transit += int64(row.TransitMs)
	if ingest := cut - int64(row.AgeMs)*1000; k.transit != testTransit(ingest) {
		r.fail("book %d: transit %d of an event that arrived at %d, want %d", h, k.transit, ingest, testTransit(ingest))
	}
	if row.Checksum != nil {
		r.checks++
		if got := book.Checksum(k.levels(0), k.levels(1)); got != *row.Checksum {
			r.fail("book %d: checksum %08x, the row says %08x", h, got, *row.Checksum)
		}
	}
	if k.whole {
		r.settle(h, k, int(row.Sequence))
	}
}

func (r *bookReader) text(row *feedv1.BookText) {
	group, _ := market.ParseDecimal(row.PriceGroup, 2)
	id, _ := r.world.store.Lookup(market.Symbol{Venue: "v", Name: row.Symbol[2:]})
	h := r.world.view(int(id), market.View{Depth: uint8(row.Depth), Group: group})
	k := r.held(h)
	if row.Snapshot {
		r.begin(k, market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}, row.Partial)
	} else if r.diffs++; !k.whole {
		r.fail("book %d: changes of a view that is not whole", h)
		return
	}
	for side, list := range [2][]*feedv1.LevelText{row.Bids, row.Asks} {
		for _, l := range list {
			price, err := market.ParseDecimal(l.Price, 2)
			size, err2 := market.ParseDecimal(l.Size, 0)
			if err != nil || err2 != nil {
				r.fail("book %d: level %v", h, l)
			}
			k.set(side, price, size)
		}
	}
	if k.whole {
		r.settle(h, k, int(row.Sequence))
	}
}

// settle finds the moment of the market that a whole view shows: that of the sequence or, where the row names none, one
// that is not before what was shown already.
func (r *bookReader) settle(h Handle, k *heldBook, sequence int) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	t := r.world.store.Topic(h)
	past := r.world.past[t.Key.Instrument()]
	fits := func(n int) bool {
		for side := range k.sides {
			want := past[n].shown(side, t.View)
			if len(want) != len(k.sides[side]) {
				return false
			}
			for _, l := range want {
				if k.sides[side][l.Price] != l.Size {
					return false
				}
			}
		}
		return true
	}
	if sequence != 0 {
		if !fits(sequence) {
			r.fail("book %d (%+v) at %d: %v and %v, want %v and %v", h, t.View, sequence, k.levels(0), k.levels(1),
				past[sequence].shown(0, t.View), past[sequence].shown(1, t.View))
		}
		if sequence < k.atLeast {
			r.fail("book %d goes back from %d to %d", h, k.atLeast, sequence)
		}
		k.atLeast = sequence
		return
	}
	for n := len(past) - 1; n >= k.atLeast; n-- {
		if fits(n) {
			return
		}
	}
	r.fail("book %d (%+v) shows no moment of the market since %d: %v and %v", h, t.View, k.atLeast, k.levels(0), k.levels(1))
}

// final checks that a view is what the market is now.
func (r *bookReader) final(t interface{ Fatalf(string, ...any) }, h Handle) {
	topic := r.world.store.Topic(h)
	past := r.world.past[topic.Key.Instrument()]
	k := r.held(h)
	if !k.whole && len(past) > 1 {
		t.Fatalf("book %d (%+v) is not whole at the end", h, topic.View)
	}
	for side := range k.sides {
		want := past[len(past)-1].shown(side, topic.View)
		if got := k.levels(side); !slices.Equal(got, want) {
			t.Fatalf("book %d (%+v), side %d: %v at the end, want %v", h, topic.View, side, got, want)
		}
	}
}

// deepBook returns an image of n levels a side around the price 0.
func deepBook(n int) (e market.BookEvent) {
	e.Snapshot = true
	for i := range int64(n) {
		e.Bids = append(e.Bids, market.Level{Price: -1 - i, Size: 5 + i})
		e.Asks = append(e.Asks, market.Level{Price: i, Size: 5 + i})
	}
	return e
}

var testForms = []market.View{{}, {}, {Depth: 1}, {Depth: 5}, {Depth: 20}, {Depth: 5, Group: 10}, {Depth: 100, Group: 2}}

func bookEvents() *rapid.Generator[market.BookEvent] {
	return rapid.Custom(func(t *rapid.T) market.BookEvent {
		kind := rapid.IntRange(0, 20).Draw(t, "kind")
		if kind == 0 {
			return deepBook(rapid.SampledFrom([]int{0, 3, 30, 700}).Draw(t, "image"))
		}
		most, reach := 6, int64(12)
		if kind < 4 {
			most, reach = 300, 400
		}
		levels := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) market.Level {
			return market.Level{Price: rapid.Int64Range(-reach, reach).Draw(t, "price"), Size: rapid.Int64Range(0, 3).Draw(t, "size")}
		}), 0, most)
		return market.BookEvent{Bids: levels.Draw(t, "bids"), Asks: levels.Draw(t, "asks")}
	})
}
