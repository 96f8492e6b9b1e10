package fanout

import (
	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

var _ view = (*barView)(nil)

// barView is an instrument's bars of one interval. The open bar is State: its changes merge. Closed ones are Events:
// each reaches every reader in its last form, or is named as lost.
type barView struct {
	handle   Handle
	id       market.InstrumentID
	interval uint32

	started   bool        // the first freeze only finds the place: nobody is in step yet
	prev, cur bars.Frozen // before the last freeze and now
	before    bars.Cursor // of everybody in step, before the last freeze
	now       bars.Cursor // the same, now
	changed   []bars.Held // by the last freeze, in order
	lost      wire.Range  // to it; empty where To is 0
}

// newBarView makes the view of an instrument's bars.
func newBarView(h Handle, id market.InstrumentID, v market.View) view {
	return &barView{handle: h, id: id, interval: v.Interval}
}

func (v *barView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	first := !v.started
	v.started = true
	s := r.Bars(v.id, v.interval)
	if s == nil || s.Revision() == v.cur.Revision {
		return arena, change{}
	}
	v.prev, v.cur = v.cur, s.Freeze()
	if first {
		v.now = s.End()
		return arena, change{happened: true}
	}
	v.before = v.now
	ch := change{happened: true}
	v.lost, ch.lost = lostBars(s, &v.now, nil)
	v.changed = v.changed[:0]
	for b := s.Read(&v.now, nil); b != nil; b = s.Read(&v.now, nil) {
		v.changed = append(v.changed, *b)
	}
	ch.conflated = beyond(v.cur.Revision-v.prev.Revision, len(v.changed))
	return arena, ch
}

// beyond is how many changes were merged into rows.
func beyond(changes uint64, rows int) uint64 { return changes - min(changes, uint64(rows)) }

// lostBars returns what the ring dropped before a reader at c got it, and about how many bars that were: which of the
// range were without trades is not known any more.
func lostBars(s *bars.Series, c *bars.Cursor, f *bars.Frozen) (wire.Range, uint64) {
	from, to, lost := s.Lost(c, f)
	if !lost {
		return wire.Range{}, 0
	}
	r := wire.Range{From: market.Sequence(from), To: market.Sequence(to)}
	return r, min(r.Len(), s.First())
}

// continues reports whether the last freeze changed nothing but the bar that readers in step hold as the newest.
func (v *barView) continues() bool {
	return len(v.changed) == 1 && v.lost.To == 0 && v.prev.Revision != 0 && v.changed[0].Start == v.prev.Newest.Start &&
		v.changed[0].Trades != 0 && v.prev.Newest.Trades != 0
}

func (v *barView) delta(dst []byte, cut int64) []byte {
	if v.continues() {
		return wire.AppendBarDelta(dst, v.handle, &v.prev.Newest.Bar, &v.cur.Newest.Bar, cut)
	}
	if v.lost.To != 0 {
		dst = wire.AppendLost(dst, v.handle, v.lost)
	}
	for i := range v.changed {
		dst = wire.AppendBarFull(dst, v.handle, &v.changed[i].Bar, cut)
	}
	return dst
}

func (v *barView) text(b *builder, r *snapshot.Reader) {
	in := r.Instrument(v.id)
	if v.lost.To != 0 {
		b.texts.Lost(v.handle, v.lost)
	}
	for i := range v.changed {
		b.texts.Bar(in, v.interval, &v.changed[i].Bar)
	}
}

func (v *barView) join(m *mark, it *Item, r *snapshot.Reader) {
	var c bars.Cursor
	if s := r.Bars(v.id, v.interval); s != nil {
		c = s.Join(it.History)
	}
	setBarMark(m, c)
}

func (v *barView) inStep(m *mark, before bool) {
	if before {
		setBarMark(m, v.before)
		return
	}
	setBarMark(m, v.now)
}

// A mark keeps a cursor of bars in the fields that it has for the cursors of logs, so that marks stay small.
func setBarMark(m *mark, c bars.Cursor) {
	*m = mark{ticks: c.Revision, cursor: snapshot.Cursor{
		Index: c.Index, Last: market.Position{Epoch: market.Epoch(c.Until), Sequence: market.Sequence(c.Known)}, Fresh: c.Owed,
	}}
}

func barCursor(m *mark) bars.Cursor {
	at := &m.cursor
	return bars.Cursor{Revision: m.ticks, Index: at.Index, Until: uint64(at.Last.Epoch), Known: int64(at.Last.Sequence), Owed: at.Fresh}
}

func (v *barView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	s := r.Bars(v.id, v.interval)
	if s == nil {
		return level
	}
	to := &v.cur
	if live {
		to = nil
	}
	c, rows, in := barCursor(m), 0, r.Instrument(v.id)
	if lost, n := lostBars(s, &c, to); n != 0 {
		b.lost += n
		b.appendLost(v.handle, lost)
	}
	stopped := false
	for {
		before := c
		h := s.Read(&c, to)
		if h == nil {
			break
		}
		if stopped = b.len() > b.limit; stopped {
			c = before
			break
		}
		rows++
		if b.encoding == JSON {
			b.texts.Bar(in, v.interval, &h.Bar)
		} else {
			b.payload = wire.AppendBarFull(b.payload, v.handle, &h.Bar, b.cut)
		}
	}
	if m.ticks != 0 {
		b.conflated += beyond(c.Revision-m.ticks, rows)
	}
	setBarMark(m, c)
	switch {
	case stopped:
		return more
	case c.Until != 0 || c.Owed || c.Revision > v.cur.Revision:
		return ahead
	}
	return level
}

func (b *builder) appendLost(h Handle, r wire.Range) {
	if b.encoding == JSON {
		b.texts.Lost(h, r)
		return
	}
	b.payload = wire.AppendLost(b.payload, h, r)
}

func (b *builder) appendGap(h Handle, r wire.Range) {
	if b.encoding == JSON {
		b.texts.Gap(h, r)
		return
	}
	b.payload = wire.AppendGap(b.payload, h, r)
}
