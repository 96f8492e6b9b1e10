package fanout

import (
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

var _ view = (*tradeView)(nil)

// tradeView is the place in an instrument's log of trades up to which a phase has cut. The log itself holds
// the encoded rows.
type tradeView struct {
	handle    Handle
	id        market.InstrumentID
	prev, cur snapshot.Cursor // read by everybody in step, before the last freeze and now
	started   bool            // the first freeze only finds the place: nobody is in step yet
}

// unlimited lets a cut take whatever the log holds; the log is bounded, and a frame that comes out too large
// is sent in parts.
const unlimited = 1 << 30

func (v *tradeView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
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
	arena, lost := r.Trades(arena, v.id, &v.cur, end, unlimited)
	return arena, change{happened: true, encoded: true, lost: lost}
}

func (v *tradeView) delta(dst []byte, _ int64) []byte { return dst }

func (v *tradeView) text(b *builder, r *snapshot.Reader) {
	c := v.prev
	r.TradeTexts(&b.texts, v.id, &c, v.cur.Index, unlimited)
}

func (v *tradeView) join(m *mark, it *Item, r *snapshot.Reader) {
	*m = mark{}
	if it.After != (market.Position{}) {
		m.cursor = r.TradesSeek(v.id, it.After)
		return
	}
	m.cursor = r.TradesBack(v.id, it.History)
}

func (v *tradeView) inStep(m *mark, before bool) {
	m.cursor = v.cur
	if before {
		m.cursor = v.prev
	}
}

func (v *tradeView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	to := v.cur.Index
	if live {
		to = r.TradesEnd(v.id)
	}
	if m.cursor.Fresh && m.cursor.Index >= to && to > 0 {
		// A reader must hold a full row before differences can follow, so one that asked for no history, or
		// resumes at the very end, gets the last event once more. Readers drop it by its position.
		m.cursor = r.TradesBefore(v.id, to)
	}
	if m.cursor.Index < to {
		var lost uint64
		if b.encoding == JSON {
			lost = r.TradeTexts(&b.texts, v.id, &m.cursor, to, b.limit)
		} else {
			b.payload, lost = r.Trades(b.payload, v.id, &m.cursor, to, b.limit)
		}
		b.lost += lost
	}
	switch {
	case m.cursor.Index < to:
		return more
	case m.cursor.Index > v.cur.Index:
		return ahead
	}
	return level
}
