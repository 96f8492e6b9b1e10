package ingest

import (
	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// maxExact is the largest price or size that is taken, in the instrument's own scale: clients in JavaScript hold
// no larger integer exactly.
const maxExact = 1<<53 - 1

// fit brings values from the scales in which they were sent to the instrument's own.
type fit struct {
	from, to tick.Scales
	convert  bool // the two differ
}

const (
	scaleLoss = "value does not fit the scales that this node first saw of the instrument: restart feedd to take over new ones"
	tooLarge  = " with a price or size beyond 2^53-1 (9007199254740991) in the instrument's scale, more than every client can hold"
	tooEarly  = " with an exchange time before 1970: want microseconds since the Unix epoch"
)

// Why ticks are refused for their values.
var (
	errScaleLoss = &tick.Refusal{Reason: drop.ScaleLoss, Text: scaleLoss}

	errQuoteSize  = bad("quote with a size below 0")
	errQuoteTime  = bad("quote" + tooEarly)
	errQuoteSide  = bad("quote with a size on a side without a price")
	errQuoteLarge = bad("quote" + tooLarge)

	errTradeSize  = bad("trade with a size below 0")
	errTradeTime  = bad("trade" + tooEarly)
	errTradeKind  = bad("trade of an unknown kind: want an ordinary one, a correction or a cancellation")
	errTradeLarge = bad("trade" + tooLarge)

	errBookSize  = bad("book with a level of a size below 0: want 0 (gone) or more")
	errBookTime  = bad("book" + tooEarly)
	errBookLarge = bad("book with a level" + tooLarge)
	errBookPart  = bad("part of a book that is no image: only snapshots come in parts")

	errStatisticsInterest = bad("statistics with an open interest below 0")
	errStatisticsTime     = bad("statistics" + tooEarly)
	errStatisticsLarge    = bad("statistics" + tooLarge)
)

func bad(text string) *tick.Refusal { return &tick.Refusal{Reason: drop.BadValue, Text: text} }

// fits refuses one tick for a reason that is not nil.
func (c *core) fits(why *tick.Refusal) bool {
	if why == nil {
		return true
	}
	c.refuse(why.Reason, 1, why.Text)
	return false
}

func exact(v int64) bool { return v >= -maxExact && v <= maxExact }

func (f *fit) price(v int64) (int64, bool) { return market.Rescale(v, f.from.Price, f.to.Price) }

func (f *fit) size(v int64) (int64, bool) { return market.Rescale(v, f.from.Size, f.to.Size) }

// quote checks q and brings it to the instrument's scales, or says why it is refused.
func (f *fit) quote(q *market.Quote) *tick.Refusal {
	switch {
	case q.BidSize < 0 || q.AskSize < 0:
		return errQuoteSize
	case q.ExchangeTime < 0:
		return errQuoteTime
	case q.Has&market.HasBid == 0 && q.BidSize != 0 || q.Has&market.HasAsk == 0 && q.AskSize != 0:
		return errQuoteSide
	}
	if f.convert {
		var ok [4]bool
		q.Bid, ok[0] = f.price(q.Bid)
		q.BidSize, ok[1] = f.size(q.BidSize)
		q.Ask, ok[2] = f.price(q.Ask)
		q.AskSize, ok[3] = f.size(q.AskSize)
		if ok != [4]bool{true, true, true, true} {
			return errScaleLoss
		}
	}
	if !exact(q.Bid) || !exact(q.BidSize) || !exact(q.Ask) || !exact(q.AskSize) {
		return errQuoteLarge
	}
	return nil
}

// trade does so for a trade.
func (f *fit) trade(t *market.Trade) *tick.Refusal {
	switch {
	case t.Size < 0:
		return errTradeSize
	case t.ExchangeTime < 0:
		return errTradeTime
	case t.Kind == tick.KindUnknown:
		return errTradeKind
	}
	if f.convert {
		var price, size bool
		t.Price, price = f.price(t.Price)
		t.Size, size = f.size(t.Size)
		if !price || !size {
			return errScaleLoss
		}
	}
	if !exact(t.Price) || !exact(t.Size) {
		return errTradeLarge
	}
	return nil
}

// book does so for a book event.
func (f *fit) book(e *tick.Book) *tick.Refusal {
	switch {
	case e.ExchangeTime < 0:
		return errBookTime
	case e.Partial && !e.Snapshot:
		return errBookPart
	}
	if why := f.levels(e.Bids); why != nil {
		return why
	}
	return f.levels(e.Asks)
}

func (f *fit) levels(levels []market.Level) *tick.Refusal {
	for i := range levels {
		l := &levels[i]
		if l.Size < 0 {
			return errBookSize
		}
		if f.convert {
			var price, size bool
			l.Price, price = f.price(l.Price)
			l.Size, size = f.size(l.Size)
			if !price || !size {
				return errScaleLoss
			}
		}
		if !exact(l.Price) || !exact(l.Size) {
			return errBookLarge
		}
	}
	return nil
}

// statistics does so for what a venue states.
func (f *fit) statistics(st *market.Statistics) *tick.Refusal {
	switch {
	case st.OpenInterest < 0:
		return errStatisticsInterest
	case st.ExchangeTime < 0:
		return errStatisticsTime
	}
	prices := [...]*int64{&st.PreviousClose, &st.Settlement, &st.Mark, &st.Index}
	if f.convert {
		var ok bool
		for _, v := range prices {
			if *v, ok = f.price(*v); !ok {
				return errScaleLoss
			}
		}
		if st.OpenInterest, ok = f.size(st.OpenInterest); !ok {
			return errScaleLoss
		}
	}
	for _, v := range prices {
		if !exact(*v) {
			return errStatisticsLarge
		}
	}
	if !exact(st.OpenInterest) || !exact(st.FundingRateE8) {
		return errStatisticsLarge
	}
	return nil
}
