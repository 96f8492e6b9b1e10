package snapshot

import (
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// TradeSum sums up a run of an instrument's log of trades. Corrections and cancellations are no trades and are not in
// it. Neither is what Lost and Gaps name.
type TradeSum struct {
	wire.TradeSummary
	Lost, Gaps []wire.Range
}

// Reset empties s and keeps its memory.
func (s *TradeSum) Reset() { *s = TradeSum{Lost: s.Lost[:0], Gaps: s.Gaps[:0]} }

// SumTrades adds the events from c up to index to to sum, stopping behind so many gaps, and brings c forward. It
// returns how many events were lost because the log had overtaken c.
func (r *Reader) SumTrades(sum *TradeSum, id market.InstrumentID, c *Cursor, to uint64, gaps int) (lost uint64) {
	return r.records[id].trades.sum(sum, c, to, gaps)
}

func (l *log) sum(sum *TradeSum, c *Cursor, to uint64, gaps int) (lost uint64) {
	if c.Index < l.first || c.Past {
		l.lost(c, func(r wire.Range) {
			lost += r.Len()
			sum.Lost = append(sum.Lost, r)
		})
		*c = l.oldest()
	}
	for ; c.Index < to && len(sum.Gaps) < gaps; c.Index++ {
		e := l.at(c.Index)
		if r, gap := e.gap(); gap {
			sum.Gaps = append(sum.Gaps, r)
		} else if e.trade.Kind == market.TradeOrdinary {
			sum.Add(&e.trade)
		}
		c.Last = e.trade.Position
	}
	return lost
}

// oldest is the cursor of a reader that goes on with the oldest event that is held.
func (l *log) oldest() Cursor {
	e := l.at(l.first)
	return Cursor{
		Index: l.first, Last: market.Position{Epoch: e.trade.Position.Epoch, Sequence: e.start() - 1}, Fresh: true,
	}
}
