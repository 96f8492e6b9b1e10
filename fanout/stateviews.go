package fanout

import (
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

var (
	_ view = (*quoteView)(nil)
	_ view = (*statusView)(nil)
	_ view = (*sourceView)(nil)
)

type quoteView struct {
	state
	handle    Handle
	id        market.InstrumentID
	prev, cur market.Quote
}

// look reads a little of each piece that freeze is about to read. What it returns means nothing.
func (v *quoteView) look(r *snapshot.Reader) uint64 {
	return v.ticks + uint64(v.cur.IngestTime) + r.QuoteTicks(v.id) + uint64(r.Quote(v.id).IngestTime)
}

func (v *quoteView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	ticks := r.QuoteTicks(v.id)
	if ticks == v.ticks {
		return arena, change{}
	}
	v.prev, v.cur = v.cur, *r.Quote(v.id)
	ch := v.advance(ticks)
	ch.ingested = v.cur.IngestTime
	return arena, ch
}

func (v *quoteView) delta(dst []byte, cut int64) []byte {
	if v.before == 0 {
		return wire.AppendQuoteFull(dst, v.handle, &v.cur, cut)
	}
	return wire.AppendQuoteDelta(dst, v.handle, &v.prev, &v.cur, cut)
}

func (v *quoteView) text(b *builder, r *snapshot.Reader) { b.texts.Quote(r.Instrument(v.id), &v.cur) }

func (v *quoteView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	ticks, q := v.ticks, &v.cur
	if live {
		ticks, q = r.QuoteTicks(v.id), r.Quote(v.id)
	}
	if v.behind(b, m, ticks) {
		if b.encoding == JSON {
			b.texts.Quote(r.Instrument(v.id), q)
		} else {
			b.payload = wire.AppendQuoteFull(b.payload, v.handle, q, b.cut)
		}
	}
	return v.progress(m)
}

type statusView struct {
	state
	handle Handle
	id     market.InstrumentID
	cur    market.Status
}

func (v *statusView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	st, ticks := r.Status(v.id)
	if ticks == v.ticks {
		return arena, change{}
	}
	v.cur = st
	return arena, v.advance(ticks)
}

func (v *statusView) delta(dst []byte, _ int64) []byte {
	return wire.AppendStatus(dst, v.handle, &v.cur)
}

func (v *statusView) text(b *builder, _ *snapshot.Reader) { b.texts.Status(v.handle, &v.cur) }

func (v *statusView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	ticks, st := v.ticks, v.cur
	if live {
		st, ticks = r.Status(v.id)
	}
	if v.behind(b, m, ticks) {
		if b.encoding == JSON {
			b.texts.Status(v.handle, &st)
		} else {
			b.payload = wire.AppendStatus(b.payload, v.handle, &st)
		}
	}
	return v.progress(m)
}

// sourceView is the status of a source. It is told by the source's name, so its rows carry no handle.
type sourceView struct {
	state
	key  snapshot.Key
	name string
	cur  market.Status
}

func (v *sourceView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	name, st, ticks := r.Source(v.key)
	if ticks == v.ticks {
		return arena, change{}
	}
	v.name, v.cur = name, st
	return arena, v.advance(ticks)
}

func (v *sourceView) delta(dst []byte, _ int64) []byte {
	return wire.AppendSourceStatus(dst, v.name, &v.cur)
}

func (v *sourceView) text(b *builder, _ *snapshot.Reader) { b.texts.SourceStatus(v.name, &v.cur) }

func (v *sourceView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	ticks, st := v.ticks, v.cur
	if live {
		_, st, ticks = r.Source(v.key)
	}
	if v.behind(b, m, ticks) {
		if b.encoding == JSON {
			b.texts.SourceStatus(v.name, &st)
		} else {
			b.payload = wire.AppendSourceStatus(b.payload, v.name, &st)
		}
	}
	return v.progress(m)
}
