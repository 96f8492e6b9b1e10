package fanout

import (
	"sync"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// newBookView makes the view of a book: of all its levels, or of the best levels or groups.
func newBookView(h Handle, id market.InstrumentID, v market.View) view {
	shared := bookView{handle: h, id: id, form: v}
	if v.Depth == 0 {
		return &wholeView{bookView: shared}
	}
	return &depthView{bookView: shared}
}

// checksumEvery is how many cuts that changed a view go by until a row carries a checksum of it.
const checksumEvery = 64

// bookView is what both views of books share.
type bookView struct {
	handle Handle
	id     market.InstrumentID
	form   market.View

	cuts     uint64 // that changed the view
	checksum uint32 // of the view as of the last cut that changed it; only where that cut has one
}

// hasChecksum reports whether the cut is one whose rows carry a checksum.
func (v *bookView) hasChecksum() bool { return v.cuts > 0 && v.cuts%checksumEvery == 0 }

// stamp is which event a state of a book is told to be of.
type stamp struct {
	position         market.Position
	exchange, ingest int64
}

func stampOf(b *book.Book) (s stamp) {
	s.position = b.Position()
	s.exchange, s.ingest = b.Times()
	return s
}

func (s *stamp) transit() int32 { return wire.BookTransit(s.exchange, s.ingest) }

// row begins a row of a state.
func (v *bookView) row(s *stamp) wire.BookRow {
	return wire.BookRow{
		Handle: v.handle, View: v.form, Position: s.position, ExchangeTime: s.exchange, IngestTime: s.ingest,
	}
}

// scratch lends memory to work out changes in: what a busy book needs is too much for every view to keep some.
var scratch changesShelf

type changesShelf struct {
	mu   sync.Mutex
	free []*book.Changes // as many as workers ever used at the same time
}

func (s *changesShelf) take() *book.Changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c
	}
	return new(book.Changes)
}

func (s *changesShelf) give(c *book.Changes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, c)
}
