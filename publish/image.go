package publish

import (
	"errors"
	"fmt"
	"slices"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/market"
)

// MaxLevels is how many levels a side of a book may have: an image of both sides stays below half of
// what a NATS message may hold.
const MaxLevels = market.MaxLevels

var errNoImage = errors.New("publish: a change of a book ahead of its first image: publish a Book with Snapshot first")

// image is the book as it stands after the last event, for snapshot answers; book is nil before the first image.
type image struct {
	book *book.Book
}

// apply takes b in, or leaves the image as it was and says why.
func (m *image) apply(b Book) error {
	if !b.Snapshot && m.book == nil {
		return errNoImage
	}
	for _, side := range [2][]Level{b.Bids, b.Asks} {
		for _, l := range side {
			if l.Size < 0 {
				return fmt.Errorf("publish: book level %d of size %d: want 0 or more", l.Price, l.Size)
			}
		}
	}
	next := m.book
	switch {
	case b.Snapshot:
		next = new(book.Book)
		next.KeepNoChanges()
	case next.Len(book.Bids)+len(b.Bids) > MaxLevels || next.Len(book.Asks)+len(b.Asks) > MaxLevels:
		// Near the limit the outcome is seen on a copy, so that a refusal changes nothing.
		next = next.Clone()
	}
	o := next.Apply(&market.BookEvent{Snapshot: b.Snapshot, Bids: b.Bids, Asks: b.Asks, ExchangeTime: b.ExchangeTime})
	if o.Trimmed != [2]int{} {
		return fmt.Errorf("publish: book of %d bids and %d asks: at most %d levels a side",
			next.Len(book.Bids)+o.Trimmed[book.Bids], next.Len(book.Asks)+o.Trimmed[book.Asks], MaxLevels)
	}
	m.book = next
	return nil
}

// whole returns the image as an event, both sides in ascending order. There must be one.
func (m *image) whole() *Book {
	b := &Book{Snapshot: true, Bids: m.book.AppendTop(nil, book.Bids, MaxLevels), Asks: m.book.AppendTop(nil, book.Asks, MaxLevels)}
	slices.Reverse(b.Bids)
	b.ExchangeTime, _ = m.book.Times()
	return b
}
