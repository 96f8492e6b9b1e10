package snapshot

import (
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// bookStore returns a store with one instrument and a function that takes a book event of it.
func bookStore(o Options) (*Store, func(e market.BookEvent) bool) {
	s := NewStore(o)
	s.Begin()
	_, _ = s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "A"}})
	s.Commit()
	next := market.Sequence(0)
	return s, func(e market.BookEvent) bool {
		next++
		e.Position = market.Position{Epoch: 1, Sequence: next}
		s.Begin()
		defer s.Commit()
		return s.Book(0, &e)
	}
}

// deep returns an image of n levels a side.
func deep(n int) (e market.BookEvent) {
	e.Snapshot = true
	for i := range int64(n) {
		e.Bids = append(e.Bids, market.Level{Price: 100 - i, Size: 1 + i})
		e.Asks = append(e.Asks, market.Level{Price: 101 + i, Size: 1 + i})
	}
	return e
}

// held is a book as a reader puts it together.
type held [2]map[int64]int64

func (h held) set(s book.Side, levels []market.Level) {
	for _, l := range levels {
		if l.Size == 0 {
			delete(h[s], l.Price)
		} else {
			h[s][l.Price] = l.Size
		}
	}
}

// joined is what a reader holds who takes an image and the changes since.
func joined(r *Reader, id market.InstrumentID) (held, bool) {
	h := held{{}, {}}
	image := r.BookImage(id)
	for n := range image.Parts() {
		bids, asks := image.Part(n)
		h.set(book.Bids, wire.UnpackLevels(nil, bids))
		h.set(book.Asks, wire.UnpackLevels(nil, asks))
	}
	var c book.Changes
	ok := r.Book(id).Changes(&c, image.Tick, r.BookTicks(id))
	h.set(book.Bids, c.Bids)
	h.set(book.Asks, c.Asks)
	return h, ok
}

func TestAnImageAndTheChangesSinceAreTheBook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, apply := bookStore(Options{})
		size := rapid.SampledFrom([]int{0, 1, 300, 1500}).Draw(t, "levels")
		apply(deep(size))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for range rapid.IntRange(0, 8).Draw(t, "events") {
				var e market.BookEvent
				for range rapid.IntRange(0, 12).Draw(t, "n") {
					e.Bids = append(e.Bids, market.Level{Price: rapid.Int64Range(-400, 99).Draw(t, "price"), Size: rapid.Int64Range(0, 3).Draw(t, "size")})
				}
				apply(e)
			}
			r := s.Acquire()
			got, ok := joined(r, 0)
			want := held{{}, {}}
			for _, side := range []book.Side{book.Bids, book.Asks} {
				want.set(side, slices.Collect(r.Book(0).All(side)))
			}
			r.Release()
			if !ok {
				t.Fatal("the changes since an image are gone")
			}
			for side := range want {
				if len(got[side]) != len(want[side]) {
					t.Fatalf("side %d: %d levels, want %d", side, len(got[side]), len(want[side]))
				}
				for price, size := range want[side] {
					if got[side][price] != size {
						t.Fatalf("side %d: %d at %d, want %d", side, got[side][price], price, size)
					}
				}
			}
		}
	})
}

// However many join, a whole book is encoded once; and every part fits a frame, also as text.
func TestJoinersShareOneImage(t *testing.T) {
	s, apply := bookStore(Options{})
	apply(deep(1000))
	images := make([]*BookImage, 50)
	var readers sync.WaitGroup
	for n := range images {
		readers.Go(func() {
			r := s.Acquire()
			defer r.Release()
			images[n] = r.BookImage(0)
		})
	}
	readers.Wait()
	for range 100 {
		apply(market.BookEvent{Bids: []market.Level{{Price: 100, Size: int64(s.records[0].book.kept.book.Ticks())}}})
	}
	r := s.Acquire()
	defer r.Release()
	for n, image := range append(images, r.BookImage(0)) {
		if image != images[0] {
			t.Fatalf("joiner %d got an image of its own", n)
		}
	}
	if n := images[0].Parts(); n != 5 {
		t.Fatalf("%d parts of 1,000 levels a side, want 5", n)
	}
	if bids, _ := images[0].Part(0); len(wire.UnpackLevels(nil, bids)) != bookPartLevels {
		t.Fatal("the first part is not full")
	}
	if n := testing.AllocsPerRun(100, func() { r.BookImage(0) }); n != 0 {
		t.Fatalf("%v allocations to share an image", n)
	}
}

func TestABookIsToldAndCounted(t *testing.T) {
	counters := new(drop.Counters)
	s, apply := bookStore(Options{Counters: counters})
	r := s.Acquire()
	if r.BookTicks(0) != 0 || r.Book(0).Ticks() != 0 || r.Book(0).Len(book.Bids) != 0 {
		t.Fatal("there is a book before its first event")
	}
	r.Follow(MakeKey(0, market.ChannelBook))
	from := r.JournalEnd()
	r.Release()
	if apply(deep(3)) {
		t.Fatal("crossed")
	}
	if !apply(market.BookEvent{Bids: []market.Level{{Price: 101, Size: 1}}}) {
		t.Fatal("a bid at the best ask is not crossed")
	}
	apply(deep(market.MaxLevels + 7))
	if n := counters.Count(drop.TrimmedLevels); n != 14 {
		t.Fatalf("%d levels trimmed, want 14", n)
	}
	r = s.Acquire()
	defer r.Release()
	if keys, _, _, ok := r.Changes(from); !ok || len(keys) != 3 {
		t.Fatalf("%d entries in the journal, want 3", len(keys))
	}
	if r.Book(0).Position() != (market.Position{Epoch: 1, Sequence: 3}) {
		t.Fatalf("at %v", r.Book(0).Position())
	}
}

func TestABookRecordSurvivesACheckpoint(t *testing.T) {
	s, apply := bookStore(Options{})
	var none, again bookRecord
	if b := s.records[0].book.appendTo(nil); len(b) != 0 || none.readFrom(b) != nil || none.kept != nil {
		t.Fatal("a book that does not exist came back as one")
	}
	apply(deep(20))
	b := s.records[0].book.appendTo(nil)
	if err := again.readFrom(b); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.appendTo(nil), b) || again.kept.book.Ticks() != 1 {
		t.Fatalf("%d ticks after reading", again.kept.book.Ticks())
	}
	if err := again.readFrom(b[:len(b)-1]); err == nil || again.kept.book.Len(book.Bids) != 20 {
		t.Fatalf("damage: %v", err)
	}
}
