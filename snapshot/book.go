package snapshot

import (
	"sync/atomic"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// bookRecord is an instrument's order book; kept is nil before its first event.
type bookRecord struct {
	kept *keptBook
}

type keptBook struct {
	book book.Book

	// image is the one made last. Readers make it while they hold the lock for reading, hence the atomic.
	image atomic.Pointer[BookImage]
}

// Book takes the next step of an instrument's book. It reports whether the best bid is at or above the best ask
// afterwards. Levels beyond market.MaxLevels a side are dropped and counted.
func (s *Store) Book(id market.InstrumentID, e *market.BookEvent) (crossed bool) {
	r := &s.records[id].book
	if r.kept == nil {
		r.kept = new(keptBook)
	}
	o := r.kept.book.Apply(e)
	s.options.Counters.Add(drop.TrimmedLevels, uint64(o.Trimmed[book.Bids]+o.Trimmed[book.Asks]))
	s.note(id, market.ChannelBook)
	return o.Crossed
}

// appendTo appends the book for readFrom; nothing where there is none.
func (r *bookRecord) appendTo(dst []byte) []byte {
	if r.kept == nil {
		return dst
	}
	return r.kept.book.AppendTo(dst)
}

// readFrom takes over what appendTo wrote, all of src. An error leaves the record as it was.
func (r *bookRecord) readFrom(src []byte) error {
	if len(src) == 0 {
		r.kept = nil
		return nil
	}
	kept := new(keptBook)
	if err := kept.book.ReadFrom(src); err != nil {
		return err
	}
	r.kept = kept
	return nil
}

// BookTicks counts the events of an instrument's book; 0: there is no book yet.
func (r *Reader) BookTicks(id market.InstrumentID) uint64 {
	if kept := r.records[id].book.kept; kept != nil {
		return kept.book.Ticks()
	}
	return 0
}

// noBook stands for the books that do not exist yet.
var noBook book.Book

// Book returns the book itself, valid until Release and not to be changed; an empty one before the first event.
func (r *Reader) Book(id market.InstrumentID) *book.Book {
	if kept := r.records[id].book.kept; kept != nil {
		return &kept.book
	}
	return &noBook
}
