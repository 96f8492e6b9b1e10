package recording

import "github.com/feedd/feedd/market"

// Kind is what an event is. Its String is the exchange's name of the stream.
type Kind uint8

// Kinds of event. The zero Kind is none of them.
const (
	Quote    Kind = iota + 1 // bookTicker: the whole top of the book
	Trade                    // one trade
	Depth                    // changes of the book
	Snapshot                 // the whole book, as deep as the exchange gives it
	kinds
)

// String returns the exchange's word for the kind.
func (k Kind) String() string {
	switch k {
	case Quote:
		return "bookTicker"
	case Trade:
		return "trade"
	case Depth:
		return "depth"
	case Snapshot:
		return "snapshot"
	}
	return "unknown"
}

// Event is one line of a recording. Which of Quote, Trade and Book is meant goes by Kind; the others are
// zero. Prices and sizes are integers at the scales of the instrument in the survey.
type Event struct {
	Kind        Kind
	ReceiveTime int64 // when the recorder got it, in nanoseconds since the Unix epoch
	Symbol      market.Symbol
	Quote       market.Quote
	Trade       market.Trade
	Book        Book // Depth and Snapshot
}

// Book is a step in the life of an order book as the exchange numbers it.
type Book struct {
	// First and Last are the update ids that a change spans. A snapshot includes all up to Last.
	First, Last int64
	// Previous is the Last of the change before, where the venue says it (futures).
	Previous    int64
	HasPrevious bool
	// Bids and Asks are the levels; size 0 deletes one. Valid until the next call of Next.
	Bids, Asks   []market.Level
	ExchangeTime int64 // microseconds since the Unix epoch; 0: the venue gives none
}
