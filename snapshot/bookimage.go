package snapshot

import (
	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// BookImage is a whole book as of one tick, encoded once for all who begin with it and cut into parts that fit any
// frame. It never changes, so readers may keep it past Release; it lives as long as one of them needs it.
type BookImage struct {
	Tick                     uint64
	Position                 market.Position
	ExchangeTime, IngestTime int64

	parts []bookPart
}

// bookPart is the next levels of both sides, from the best ones outwards, as wire.PackLevels writes them.
type bookPart struct{ bids, asks []byte }

// bookPartLevels is how many levels of a side a part holds: at most 10 KB packed, and 32 KB as text.
const bookPartLevels = 240

// Parts returns how many parts there are: one at least, also of an empty book.
func (i *BookImage) Parts() int { return len(i.parts) }

// Part returns a part's packed levels.
func (i *BookImage) Part(n int) (bids, asks []byte) { return i.parts[n].bids, i.parts[n].asks }

// mostPending bounds the changes from an image to now for which it is still given out. They fit one row of any encoding.
const mostPending = 400

// BookImage returns an image of an instrument's book, of now or of a tick from which few changes, at most
// 400, lead to now: the ring of changes holds them all. There must be a book.
func (r *Reader) BookImage(id market.InstrumentID) *BookImage {
	kept := r.records[id].book.kept
	last := kept.image.Load()
	if last != nil {
		// Finding the changes costs each reader more the more there are; a new image costs one of them once.
		if n, ok := kept.book.Pending(last.Tick); ok && n <= min(mostPending, max(64, (kept.book.Len(book.Bids)+kept.book.Len(book.Asks))/8)) {
			return last
		}
	}
	next := newBookImage(&kept.book)
	if !kept.image.CompareAndSwap(last, next) {
		return kept.image.Load() // another reader's, of this same moment
	}
	return next
}

func newBookImage(b *book.Book) *BookImage {
	i := &BookImage{Tick: b.Ticks(), Position: b.Position()}
	i.ExchangeTime, i.IngestTime = b.Times()
	bids, asks := b.Len(book.Bids), b.Len(book.Asks)
	packed := make([]byte, 0, 6*(bids+asks)) // a guess; most levels take less
	var levels [bookPartLevels]market.Level
	pack := func(s book.Side, from int) []byte {
		start := len(packed)
		packed = wire.PackLevels(packed, b.AppendRange(levels[:0], s, from, from+bookPartLevels))
		return packed[start:len(packed):len(packed)]
	}
	for from := 0; from == 0 || from < max(bids, asks); from += bookPartLevels {
		i.parts = append(i.parts, bookPart{pack(book.Bids, from), pack(book.Asks, from)})
	}
	return i
}
