package fanout

import (
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

// view is one handle's state as a phase last froze it. A phase owns its views.
type view interface {
	// freeze takes over what is new in the store. conflated is the number of ticks that the change stands
	// for beyond one; lost the number of events that even this phase came too late for. What freeze appends
	// to arena is its delta; other views encode theirs when it is first asked for.
	freeze(r *snapshot.Reader, arena []byte) (_ []byte, change change)
	// delta appends what leads from the state before the last freeze to the state now. Only in the cut of
	// a freeze that changed something, and only for views whose freeze appends nothing.
	delta(dst []byte, cut int64) []byte
	// text appends the same as text.
	text(b *builder, r *snapshot.Reader)
	// join sets the mark of a new reader.
	join(m *mark, it *Item, r *snapshot.Reader)
	// inStep sets the mark of a reader that has got everything up to this state or, with before, up to the
	// state ahead of the last freeze.
	inStep(m *mark, before bool)
	// catchUp appends what a reader at m is behind on, up to the frozen state or, where live is set, up to
	// the state in the store. It brings m forward.
	catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress
}

// change is what a freeze found.
type change struct {
	happened  bool
	encoded   bool // the delta stands in the arena already
	conflated uint64
	lost      uint64
	due       int64 // nothing happened, but will have by then, on the worker's monotonic clock; 0: not by time alone
	ingested  int64 // quotes: when the newest one came in, in microseconds since the Unix epoch
}

// mark is how far a lagging reader is informed of one handle.
type mark struct {
	ticks   uint64              // State and Book: its row, or its levels, stand at this count of ticks
	cursor  snapshot.Cursor     // Event: its place in the log
	image   *snapshot.BookImage // whole Book: what it is being given in parts; nil: nothing
	transit int32               // whole Book: what it was told last
	part    uint16              // the part of image that comes next
	fresh   bool                // State and Book: it holds nothing
	waits   bool                // for its instrument's state: it joins then, as cursor says; see slot.join
}

// progress is how a reader stands after catchUp.
type progress uint8

const (
	level progress = iota // at the frozen state: the next delta fits
	ahead                 // beyond it: must wait for the next cut
	more                  // the frame is full
)

// builder collects the rows of one frame.
type builder struct {
	encoding  Encoding
	payload   []byte   // Proto
	which     []uint32 // slots of a cut's frame, while it is put together
	texts     wire.TextFrame
	cut       int64 // time of the cut in microseconds
	conflated uint64
	lost      uint64
	limit     int    // bytes at which an Event view stops
	delay     uint32 // of the engine, in milliseconds
}

func (b *builder) reset(e Encoding, cut int64) {
	b.encoding, b.cut, b.conflated, b.lost = e, cut, 0, 0
	b.payload = b.payload[:0]
	b.texts.Reset()
}

func (b *builder) len() int {
	if b.encoding == JSON {
		return b.texts.Len()
	}
	return len(b.payload)
}

// point is a state of the builder to come back to.
type point struct {
	len, payload    int
	texts           wire.TextMark
	conflated, lost uint64
}

func (b *builder) point() point {
	return point{b.len(), len(b.payload), b.texts.Mark(), b.conflated, b.lost}
}

func (b *builder) back(to point) {
	b.payload = b.payload[:to.payload]
	b.texts.Undo(to.texts)
	b.conflated, b.lost = to.conflated, to.lost
}

// finish returns the whole payload.
func (b *builder) finish(partial bool) []byte {
	h := wire.Header{CutTime: b.cut, Conflated: b.conflated, Partial: partial, Delay: b.delay}
	if b.encoding == JSON {
		b.payload = b.texts.Append(b.payload[:0], h)
	} else {
		b.payload = wire.AppendHeader(b.payload, h)
	}
	return b.payload
}

// newView makes the view of a handle. t must be of a channel that is subscribable, and clock the worker's monotonic one, in microseconds.
func newView(h Handle, t snapshot.Topic, clock *int64) view {
	id := t.Key.Instrument()
	switch t.Key.Channel() {
	case market.ChannelQuote:
		if t.View.Sizes > 0 {
			return &priceView{quoteView: quoteView{handle: h, id: id}, hold: int64(t.View.Sizes) * 1000, clock: clock}
		}
		return &quoteView{handle: h, id: id}
	case market.ChannelTrade:
		if t.View.Summary {
			return newSummaryView(h, id)
		}
		return &tradeView{handle: h, id: id}
	case market.ChannelStatus:
		return &statusView{handle: h, id: id}
	case market.ChannelBook:
		return newBookView(h, id, t.View)
	case market.ChannelBar:
		return newBarView(h, id, t.View)
	case market.ChannelStats:
		return newStatsView(h, id)
	default:
		return &sourceView{key: t.Key}
	}
}

// state is what views of State channels share: the counts of ticks now and before the last freeze.
type state struct {
	ticks, before uint64
}

// advance notes that the state is that after ticks.
func (s *state) advance(ticks uint64) change {
	s.before, s.ticks = s.ticks, ticks
	return change{happened: true, conflated: ticks - s.before - 1}
}

func (s *state) join(m *mark, _ *Item, _ *snapshot.Reader) { *m = mark{fresh: true} }

func (s *state) inStep(m *mark, before bool) {
	m.ticks = s.ticks
	if before {
		m.ticks = s.before
	}
	// A reader in step with a state that never had a value holds no row; the first value is sent in full
	// to everybody.
	m.fresh = m.ticks == 0
}

// behind reports whether a reader at m needs a row of the state after ticks, and moves m there.
func (s *state) behind(b *builder, m *mark, ticks uint64) bool {
	if ticks == 0 || ticks < m.ticks || (ticks == m.ticks && !m.fresh) {
		return false
	}
	if !m.fresh {
		b.conflated += ticks - m.ticks - 1
	}
	m.ticks, m.fresh = ticks, false
	return true
}

func (s *state) progress(m *mark) progress {
	if m.ticks > s.ticks {
		return ahead
	}
	return level
}
