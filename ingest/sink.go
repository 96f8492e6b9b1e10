package ingest

import "github.com/feedd/feedd/market"

// Sink takes what happened in the market, in order, from one goroutine.
//
// For each instrument and channel the positions that it is given never go back. Trades of an epoch come
// without holes: what is missing between two of them was reported by TradeGap, in its place.
type Sink interface {
	// Begin opens a batch; readers see nothing of it before Commit.
	Begin()
	// TryBegin does so where somebody wants to hear of changes at once, and it would not have to wait for readers; it reports
	// whether it did.
	TryBegin() bool
	Commit()
	// Define takes a new or changed instrument. Ids are dense from 0 and stable by symbol. It fails where
	// there are too many.
	Define(in market.Instrument) (market.InstrumentID, error)
	// Forget lets go of all that is kept of an instrument but its definition and status: the node does not carry it, or not
	// any more. What comes of it until Settle is of the past.
	Forget(id market.InstrumentID)
	// Settle says that the state of an instrument is there, with its trades since a time in microseconds.
	Settle(id market.InstrumentID, since int64)
	// Quote takes the whole top of the book; q is valid during the call.
	Quote(id market.InstrumentID, q *market.Quote)
	// Trade takes a trade; t is valid during the call.
	Trade(id market.InstrumentID, t *market.Trade)
	// TradeGap takes the numbers of trades that never arrived, or not in a usable form, and could not be
	// fetched.
	TradeGap(id market.InstrumentID, epoch market.Epoch, from, to market.Sequence)
	// Book takes the next step of a book; e is valid during the call. The first step of an epoch is an image, and none
	// is missing between two changes: an image mends whatever was. It reports whether the best bid is at or
	// above the best ask afterwards.
	Book(id market.InstrumentID, e *market.BookEvent) (crossed bool)
	// Statistics takes the whole of what the venue states; st is valid during the call.
	Statistics(id market.InstrumentID, st *market.Statistics)
	// Advance says that it is now, in microseconds since the Unix epoch, about ten times a second: bars end though
	// nothing is traded.
	Advance(now int64)
	Trading(id market.InstrumentID, st market.Trading, reason string)
	// Quality says whether what is known of an instrument may be believed: ok, suspect or syncing.
	Quality(id market.InstrumentID, q market.Quality, reason string)
	// Source says so of all instruments whose Instrument.Source is source.
	Source(source string, st market.Stream, q market.Quality, reason string)
}
