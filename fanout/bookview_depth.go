package fanout

import (
	"slices"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

var _ view = (*depthView)(nil)

// depthView is the best levels or groups of a book, copied at each cut. In its state, ticks are those of the cut that
// found the levels as they are: most events of a book are further from the market than the view goes, and change
// nothing here.
type depthView struct {
	bookView
	state
	look uint64 // ticks of the book when it was last looked at; the levels are those as of then, too

	// The levels before and after the last cut that changed them. Outside that cut prev is free to be read into.
	prev, cur window
}

// window is what a depthView shows.
type window struct {
	bids, asks []market.Level
	stamp      stamp
}

func (w *window) read(b *book.Book, form market.View) {
	w.stamp = stampOf(b)
	if form.Group == 0 {
		w.bids = b.AppendTop(w.bids[:0], book.Bids, int(form.Depth))
		w.asks = b.AppendTop(w.asks[:0], book.Asks, int(form.Depth))
		return
	}
	w.bids = b.AppendGroups(w.bids[:0], book.Bids, int(form.Depth), form.Group)
	w.asks = b.AppendGroups(w.asks[:0], book.Asks, int(form.Depth), form.Group)
}

// same reports whether two windows show the same.
func (w *window) same(x *window) bool {
	return slices.Equal(w.bids, x.bids) && slices.Equal(w.asks, x.asks)
}

func (w *window) len() int { return len(w.bids) + len(w.asks) }

func (v *depthView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	b := r.Book(v.id)
	ticks := b.Ticks()
	if ticks == v.look {
		return arena, change{}
	}
	v.look = ticks
	v.prev.read(b, v.form)
	if v.ticks != 0 && v.prev.same(&v.cur) {
		// The times stay those of the last change, as readers were told them.
		v.cur.stamp.position = v.prev.stamp.position
		return arena, change{}
	}
	v.prev, v.cur = v.cur, v.prev
	if v.cuts++; v.hasChecksum() {
		v.checksum = book.Checksum(v.cur.bids, v.cur.asks)
	}
	return arena, v.advance(ticks)
}

// changes sets c to what leads from prev to cur. It reports false where the whole is better told.
func (v *depthView) changes(c *book.Changes) bool {
	if v.before == 0 {
		return false
	}
	c.Bids = difference(c.Bids[:0], book.Bids, v.prev.bids, v.cur.bids)
	c.Asks = difference(c.Asks[:0], book.Asks, v.prev.asks, v.cur.asks)
	return c.Len() <= v.cur.len()
}

// difference appends the levels of a side, best first, whose sizes in next differ from those in prev; 0: gone.
func difference(dst []market.Level, s book.Side, prev, next []market.Level) []market.Level {
	for len(prev) > 0 || len(next) > 0 {
		switch {
		case len(next) == 0 || len(prev) > 0 && s.Better(prev[0].Price, next[0].Price):
			dst = append(dst, market.Level{Price: prev[0].Price})
			prev = prev[1:]
		case len(prev) == 0 || s.Better(next[0].Price, prev[0].Price):
			dst = append(dst, next[0])
			next = next[1:]
		default:
			if prev[0].Size != next[0].Size {
				dst = append(dst, next[0])
			}
			prev, next = prev[1:], next[1:]
		}
	}
	return dst
}

func (v *depthView) delta(dst []byte, cut int64) []byte {
	c := scratch.take()
	defer scratch.give(c)
	row := v.row(&v.cur.stamp)
	row.Checksum, row.HasChecksum = v.checksum, v.hasChecksum()
	if !v.changes(c) {
		row.Full = true
		return wire.AppendBook(dst, &row, v.cur.bids, v.cur.asks, cut)
	}
	row.TransitBefore = v.prev.stamp.transit()
	return wire.AppendBook(dst, &row, c.Bids, c.Asks, cut)
}

func (v *depthView) text(b *builder, r *snapshot.Reader) {
	c := scratch.take()
	defer scratch.give(c)
	row := v.row(&v.cur.stamp)
	if !v.changes(c) {
		row.Full = true
		b.texts.Book(r.Instrument(v.id), &row, v.cur.bids, v.cur.asks)
		return
	}
	b.texts.Book(r.Instrument(v.id), &row, c.Bids, c.Asks)
}

func (v *depthView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	ticks, until, w := v.ticks, v.look, &v.cur
	if now := r.BookTicks(v.id); live && now != v.look {
		until = now
		if v.prev.read(r.Book(v.id), v.form); v.ticks == 0 || !v.prev.same(&v.cur) {
			ticks, w = now, &v.prev
		} else {
			// The book moves on, but not here: this is still the frozen state, and the reader level with it.
			v.cur.stamp.position = v.prev.stamp.position
		}
	}
	// A reader that stands at an event between two cuts counts as behind although it may hold the same levels.
	if ticks != 0 && (m.fresh || m.ticks != ticks && m.ticks <= until) {
		v.whole(b, r, w)
		if !m.fresh && until > m.ticks {
			b.conflated += until - m.ticks - 1
		}
		m.ticks, m.fresh = ticks, false
	}
	if m.ticks > v.look {
		return ahead
	}
	return level
}

// whole appends all that w shows.
func (v *depthView) whole(b *builder, r *snapshot.Reader, w *window) {
	row := v.row(&w.stamp)
	row.Full = true
	if b.encoding == JSON {
		b.texts.Book(r.Instrument(v.id), &row, w.bids, w.asks)
	} else {
		b.payload = wire.AppendBook(b.payload, &row, w.bids, w.asks, b.cut)
	}
}
