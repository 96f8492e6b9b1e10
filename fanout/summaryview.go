package fanout

import (
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

var _ view = (*summaryView)(nil)

// summaryView sums up, for each cut, what came to an instrument's log of trades since the one before. A reader that
// missed cuts gets one row that sums up from its own place in the log, so that its rows always add up to the tape.
type summaryView struct {
	handle    Handle
	id        market.InstrumentID
	prev, cur snapshot.Cursor // summed up for everybody in step, before the last freeze and now
	started   bool            // the first freeze only finds the place: nobody is in step yet
	sum       snapshot.TradeSum
	late      snapshot.TradeSum // scratch of readers that catch up
}

// newSummaryView makes the view that sums up an instrument's trades.
func newSummaryView(h Handle, id market.InstrumentID) view { return &summaryView{handle: h, id: id} }

func (v *summaryView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	if !v.started {
		v.started = true
		v.cur = r.TradesCursor(v.id)
		return arena, change{happened: v.cur.Index != 0}
	}
	end := r.TradesEnd(v.id)
	if end == v.cur.Index {
		return arena, change{}
	}
	v.prev = v.cur
	v.sum.Reset()
	lost := r.SumTrades(&v.sum, v.id, &v.cur, end, unlimited)
	return arena, change{happened: true, lost: lost, conflated: merged(&v.sum)}
}

// merged is how many trades a row stands for beyond one.
func merged(sum *snapshot.TradeSum) uint64 { return sum.Trades - min(sum.Trades, 1) }

func (v *summaryView) delta(dst []byte, cut int64) []byte {
	b := builder{payload: dst, cut: cut}
	v.append(&b, nil, &v.sum)
	return b.payload
}

func (v *summaryView) text(b *builder, r *snapshot.Reader) { v.append(b, r, &v.sum) }

// append adds the rows of sum. Text needs r.
func (v *summaryView) append(b *builder, r *snapshot.Reader, sum *snapshot.TradeSum) {
	for _, l := range sum.Lost {
		b.appendLost(v.handle, l)
	}
	for _, g := range sum.Gaps {
		b.appendGap(v.handle, g)
	}
	switch {
	case sum.Trades == 0: // only gaps, or trades that mend earlier ones
	case b.encoding == JSON:
		b.texts.TradeSummary(r.Instrument(v.id), &sum.TradeSummary)
	default:
		b.payload = wire.AppendTradeSummary(b.payload, v.handle, &sum.TradeSummary, b.cut)
	}
}

func (v *summaryView) join(m *mark, it *Item, r *snapshot.Reader) {
	*m = mark{}
	if it.After != (market.Position{}) {
		m.cursor = r.TradesSeek(v.id, it.After)
		return
	}
	m.cursor = r.TradesBack(v.id, it.History)
}

func (v *summaryView) inStep(m *mark, before bool) {
	m.cursor = v.cur
	if before {
		m.cursor = v.prev
	}
}

// gapsPerFrame bounds what one catch-up says of gaps in a frame; the rest comes in the next.
const gapsPerFrame = 256

func (v *summaryView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	to := v.cur.Index
	if live {
		to = r.TradesEnd(v.id)
	}
	if m.cursor.Index < to {
		v.late.Reset()
		b.lost += r.SumTrades(&v.late, v.id, &m.cursor, to, gapsPerFrame)
		b.conflated += merged(&v.late)
		v.append(b, r, &v.late)
	}
	switch {
	case m.cursor.Index < to:
		return more
	case m.cursor.Index > v.cur.Index:
		return ahead
	}
	return level
}
