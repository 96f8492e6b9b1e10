package fanout

import (
	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

var _ view = (*statsView)(nil)

// statsView is an instrument's statistics.
type statsView struct {
	state
	handle    Handle
	id        market.InstrumentID
	scale     uint8 // of a turnover
	prev, cur bars.Statistics
}

// newStatsView makes the view of an instrument's statistics.
func newStatsView(h Handle, id market.InstrumentID) view { return &statsView{handle: h, id: id} }

func (v *statsView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	ticks := r.StatisticsTicks(v.id)
	if ticks == v.ticks {
		return arena, change{}
	}
	v.scale = turnoverScale(r.Instrument(v.id))
	v.prev, v.cur = v.cur, r.Statistics(v.id)
	return arena, v.advance(ticks)
}

// turnoverScale is the scale of price times size.
func turnoverScale(in *market.Instrument) uint8 { return in.PriceScale + in.SizeScale }

func (v *statsView) delta(dst []byte, cut int64) []byte {
	if v.before == 0 {
		return wire.AppendStatsFull(dst, v.handle, &v.cur, v.scale, cut)
	}
	return wire.AppendStatsDelta(dst, v.handle, &v.prev, &v.cur, v.scale, cut)
}

func (v *statsView) text(b *builder, r *snapshot.Reader) { b.texts.Stats(r.Instrument(v.id), &v.cur) }

func (v *statsView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	ticks := v.ticks
	if live {
		ticks = r.StatisticsTicks(v.id)
	}
	if v.behind(b, m, ticks) {
		st := &v.cur
		if live {
			now := r.Statistics(v.id)
			st = &now
		}
		in := r.Instrument(v.id)
		if b.encoding == JSON {
			b.texts.Stats(in, st)
		} else {
			b.payload = wire.AppendStatsFull(b.payload, v.handle, st, turnoverScale(in), b.cut)
		}
	}
	return v.progress(m)
}
