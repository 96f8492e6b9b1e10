package fanout

import (
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/snapshot"
)

var _ view = (*wholeView)(nil)

// wholeView is a book in full. It copies no levels: its state is a count of ticks, and the store's ring of changes
// leads any reader from the count that it stands at to exactly this one. Those for whom the ring does not reach far
// enough back begin with the store's image of the book, in parts, and go on from there.
type wholeView struct {
	bookView
	state
	started bool   // the first freeze only finds the place: nobody is in step yet
	silent  uint64 // events since the last cut that changed the view, all of which came to nothing

	// What leads from the state before the last cut to that after it: changes, behind the image where there is one.
	full       *snapshot.BookImage
	bids, asks []byte // packed

	stamp   stamp // of the last cut that changed the view
	told    int32 // transit that readers in step were told, and
	toldOld int32 // what they were told before the last cut
}

// A row must fit a frame. Where more levels changed than these, which take at most 30 KB, the reader gets the image.
var mostChanges = [encodings]int{Proto: 1500, JSON: 480}

func (v *wholeView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	b := r.Book(v.id)
	ticks := b.Ticks()
	if !v.started {
		v.started, v.ticks, v.stamp = true, ticks, stampOf(b)
		v.told = v.stamp.transit()
		return arena, change{happened: ticks != 0}
	}
	if ticks == v.ticks {
		return arena, change{}
	}
	c := scratch.take()
	defer scratch.give(c)
	v.full = nil
	if !b.Changes(c, v.ticks, ticks) || c.Len() > mostChanges[Proto] {
		v.full = r.BookImage(v.id)
		b.Changes(c, v.full.Tick, ticks)
	}
	ch := v.advance(ticks)
	ch.conflated, v.silent = ch.conflated+v.silent, 0
	v.toldOld = v.told
	if v.full == nil && c.Len() == 0 {
		v.silent = ch.conflated + 1
		v.stamp.position = b.Position() // the times stay those that readers were told
		return arena, change{}
	}
	v.bids, v.asks = wire.PackLevels(v.bids[:0], c.Bids), wire.PackLevels(v.asks[:0], c.Asks)
	v.stamp = stampOf(b)
	v.told = v.stamp.transit()
	if v.cuts++; v.hasChecksum() {
		v.checksum = b.Checksum()
	}
	return arena, ch
}

func (v *wholeView) delta(dst []byte, cut int64) []byte {
	row := v.row(&v.stamp)
	row.TransitBefore = v.toldOld
	if v.full != nil {
		for n := range v.full.Parts() {
			dst = v.appendPart(dst, v.full, n, cut)
		}
		row.TransitBefore = wire.BookTransit(v.full.ExchangeTime, v.full.IngestTime)
		if len(v.bids)+len(v.asks) == 0 && row.TransitBefore == v.told && !v.hasChecksum() {
			return dst
		}
	}
	row.Checksum, row.HasChecksum = v.checksum, v.hasChecksum()
	return wire.AppendPackedBook(dst, &row, v.bids, v.asks, cut)
}

func (v *wholeView) text(b *builder, r *snapshot.Reader) {
	c := scratch.take()
	defer scratch.give(c)
	if v.full != nil {
		for n := range v.full.Parts() {
			v.textPart(b, r, v.full, n)
		}
	}
	c.Bids, c.Asks = wire.UnpackLevels(c.Bids[:0], v.bids), wire.UnpackLevels(c.Asks[:0], v.asks)
	if c.Len() > 0 {
		row := v.row(&v.stamp)
		b.texts.Book(r.Instrument(v.id), &row, c.Bids, c.Asks)
	}
}

func (v *wholeView) inStep(m *mark, before bool) {
	v.state.inStep(m, before)
	m.transit = v.told
	if before {
		m.transit = v.toldOld
	}
}

func (v *wholeView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	to, st := v.ticks, v.stamp
	if now := r.BookTicks(v.id); live && now != v.ticks {
		to, st = now, stampOf(r.Book(v.id))
	}
	if to == 0 {
		return level
	}
	for {
		if m.image != nil && !v.parts(b, m, r) {
			return more
		}
		if !m.fresh && (m.ticks >= to || v.changes(b, m, r, to, &st)) {
			break
		}
		m.image = r.BookImage(v.id)
	}
	if m.ticks == v.ticks && m.transit != v.told && b.encoding == Proto {
		// An image has the times of its own event, readers in step those of the last cut. The next cut's row adds to these.
		row := v.row(&v.stamp)
		row.TransitBefore = m.transit
		b.payload = wire.AppendPackedBook(b.payload, &row, nil, nil, b.cut)
		m.transit = v.told
	}
	return v.progress(m)
}

// parts appends what a reader still lacks of its image. It reports false where the frame is full before the end.
func (v *wholeView) parts(b *builder, m *mark, r *snapshot.Reader) bool {
	for ; int(m.part) < m.image.Parts(); m.part++ {
		if b.len() > b.limit {
			return false
		}
		if b.encoding == JSON {
			v.textPart(b, r, m.image, int(m.part))
		} else {
			b.payload = v.appendPart(b.payload, m.image, int(m.part), b.cut)
		}
	}
	m.ticks, m.fresh, m.transit = m.image.Tick, false, wire.BookTransit(m.image.ExchangeTime, m.image.IngestTime)
	m.image, m.part = nil, 0
	return true
}

// changes appends what leads a reader from where it stands to a later count of ticks. It reports false where it must
// begin anew.
func (v *wholeView) changes(b *builder, m *mark, r *snapshot.Reader, to uint64, st *stamp) bool {
	c := scratch.take()
	defer scratch.give(c)
	if !r.Book(v.id).Changes(c, m.ticks, to) || c.Len() > mostChanges[b.encoding] {
		return false
	}
	if c.Len() > 0 {
		row := v.row(st)
		row.TransitBefore = m.transit
		if b.encoding == JSON {
			b.texts.Book(r.Instrument(v.id), &row, c.Bids, c.Asks)
		} else {
			b.payload = wire.AppendBook(b.payload, &row, c.Bids, c.Asks, b.cut)
		}
		b.conflated += to - m.ticks - 1
		m.transit = st.transit()
	}
	m.ticks = to
	return true
}

// partRow begins the row of a part of an image.
func (v *wholeView) partRow(i *snapshot.BookImage, n int) wire.BookRow {
	row := v.row(&stamp{position: i.Position, exchange: i.ExchangeTime, ingest: i.IngestTime})
	row.Full, row.Partial = true, n+1 < i.Parts()
	return row
}

func (v *wholeView) appendPart(dst []byte, i *snapshot.BookImage, n int, cut int64) []byte {
	row := v.partRow(i, n)
	bids, asks := i.Part(n)
	return wire.AppendPackedBook(dst, &row, bids, asks, cut)
}

func (v *wholeView) textPart(b *builder, r *snapshot.Reader, i *snapshot.BookImage, n int) {
	c := scratch.take()
	defer scratch.give(c)
	row := v.partRow(i, n)
	bids, asks := i.Part(n)
	c.Bids, c.Asks = wire.UnpackLevels(c.Bids[:0], bids), wire.UnpackLevels(c.Asks[:0], asks)
	b.texts.Book(r.Instrument(v.id), &row, c.Bids, c.Asks)
}
