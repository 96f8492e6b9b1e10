package snapshot

import "github.com/feedd/feedd/market"

// bookRecord is an instrument's order book.
type bookRecord struct {
	ticks uint64
}

// Book takes the next step of an instrument's book.
func (s *Store) Book(id market.InstrumentID, _ *market.BookEvent) (crossed bool) {
	s.records[id].book.ticks++
	s.note(id, market.ChannelBook)
	return false
}
