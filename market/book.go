package market

// Level is one price of a book and what is offered there. In a change, size 0 means that it is gone.
type Level struct{ Price, Size int64 }

// BookEvent is a step in the life of an order book: its whole image, or the levels that changed.
type BookEvent struct {
	Snapshot     bool
	Bids, Asks   []Level // in any order; of levels with the same price the last one counts
	ExchangeTime int64   // microseconds since the Unix epoch; 0: the venue gives none
	IngestTime   int64
	Position     Position
}

// MaxLevels bounds a side of a book. What lies further from the market than that is trimmed, and counted.
const MaxLevels = 10_000
