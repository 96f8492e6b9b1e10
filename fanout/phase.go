package fanout

import (
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
)

// phase is one beat of a cadence in one worker: the slots that its lanes watch, their state as of its last
// cut, and the lanes themselves.
type phase struct {
	cadence throttle.Cadence
	out     *output
	store   *snapshot.Store

	// The beat, in microseconds of the worker's monotonic clock. Immediate phases have none.
	interval, offset, due int64

	cut     uint64 // number of the last cut; 0: none yet
	cutTime int64  // microseconds since the Unix epoch
	oldest  int64  // when the oldest quote of the last cut came in, on the same clock; 0: it has none

	slots []slot
	free  []uint32 // slots without a view
	index map[Handle]uint32

	// By slot, and apart from slots, since every frame walks them and finds nothing of them in the nearest cache: the kernel was there.
	changed []uint64     // number of the last cut that changed it
	counts  []counts     // of that cut
	pieces  []wire.Piece // where in the arena its delta stands, if that cut is the current one; end 0: it was not encoded yet
	arena   []byte       // fragments of the current cut

	cohorts map[uint64]*cohort // by hash of what they hold
	order   []*cohort          // the same, for walking
	lagging []*lane
	lanes   int

	follow *follow // immediate phases only
}

// slot is a handle that some lanes of the phase watch.
type slot struct {
	view    view // nil: free
	handle  Handle
	key     snapshot.Key
	lanes   int32
	cohorts []*cohort // immediate phases only: who holds it
	urgent  bool      // it is the status of an instrument or a source
	held    bool      // immediate phases only: it is to be looked at again when a time has come
}

// counts are of what a cut's delta of a slot leaves out.
type counts struct{ conflated, lost uint64 }

func newPhase(c throttle.Cadence, offset int64, store *snapshot.Store, out *output) *phase {
	p := &phase{
		cadence: c, out: out, store: store, interval: c.Interval().Microseconds(), offset: offset,
		index: make(map[Handle]uint32), cohorts: make(map[uint64]*cohort),
	}
	if c == throttle.Immediate {
		p.follow = &follow{}
	}
	return p
}

// schedule sets due to the next beat behind now. Beats that went by meanwhile are left out: a late cut holds
// what they would have held.
func (p *phase) schedule(now int64) {
	p.due = ((now-p.offset)/p.interval+1)*p.interval + p.offset
}

// run makes a cut at the given wall time and sends it to all lanes.
func (p *phase) run(wall int64) {
	p.open(wall)
	p.freezeAll()
	for n, c := range p.order {
		if n%lookedAt == 0 {
			p.out.look(p.order[n:min(n+lookedAt, len(p.order))])
		}
		p.flush(c)
	}
	p.flushLagging()
}

// freezeAll takes every slot that changed into the current cut.
func (p *phase) freezeAll() {
	r := p.store.Acquire()
	defer r.Release()
	for i := range p.slots {
		if i%lookedAt == 0 {
			p.look(i, r)
		}
		if p.slots[i].view != nil {
			p.freeze(uint32(i), r)
		}
	}
}

// look does for quotes, the most of all slots, what that of the output does for cohorts.
func (p *phase) look(from int, r *snapshot.Reader) {
	for i := from; i < min(from+lookedAt, len(p.slots)); i++ {
		if v, ok := p.slots[i].view.(*quoteView); ok {
			p.out.looked += v.look(r)
		}
	}
}

// open begins a cut. Its time never lies before that of the last one, whatever the wall clock does.
func (p *phase) open(wall int64) {
	p.cut++
	p.cutTime, p.oldest = max(p.cutTime, wall), 0
	p.arena = p.arena[:0]
}

// freeze takes slot i into the current cut if it changed.
func (p *phase) freeze(i uint32, r *snapshot.Reader) bool {
	s := &p.slots[i]
	start := len(p.arena)
	arena, ch := s.view.freeze(r, p.arena)
	p.arena = arena
	if ch.due != 0 && p.follow != nil && !s.held {
		s.held = true
		p.follow.hold(i, ch.due)
	}
	if !ch.happened {
		return false
	}
	p.changed[i] = p.cut
	p.counts[i] = counts{ch.conflated, ch.lost}
	p.pieces[i] = wire.Piece{}
	if ch.ingested != 0 && (p.oldest == 0 || ch.ingested < p.oldest) {
		p.oldest = ch.ingested
	}
	if ch.encoded {
		p.pieces[i] = wire.Piece{Start: uint32(start), End: uint32(len(arena))}
	}
	return true
}

// encode puts the delta of slot i, which the current cut changed, into the arena.
func (p *phase) encode(i uint32) {
	start := len(p.arena)
	p.arena = p.slots[i].view.delta(p.arena, p.cutTime)
	p.pieces[i] = wire.Piece{Start: uint32(start), End: uint32(len(p.arena))}
}

// slotOf finds or makes the slot of a handle. A new one is frozen at once, outside any cut.
func (p *phase) slotOf(h Handle) uint32 {
	if i, ok := p.index[h]; ok {
		return i
	}
	t := p.store.Topic(h)
	s := slot{view: newView(h, t, &p.out.now), handle: h, key: t.Key}
	switch s.view.(type) {
	case *statusView, *sourceView:
		s.urgent = true
	}
	r := p.store.Acquire()
	if p.follow != nil {
		r.Follow(t.Key)
	}
	s.view.freeze(r, nil)
	r.Release()
	var i uint32
	if n := len(p.free); n > 0 {
		i = p.free[n-1]
		p.free = p.free[:n-1]
		p.slots[i], p.changed[i] = s, 0
	} else {
		i = uint32(len(p.slots))
		p.slots = append(p.slots, s)
		p.changed, p.counts, p.pieces = append(p.changed, 0), append(p.counts, counts{}), append(p.pieces, wire.Piece{})
	}
	p.index[h] = i
	if p.follow != nil {
		p.follow.add(t.Key, i)
	}
	return i
}

// join sets the mark of a new reader. Where the state of the instrument is still on its way, it joins when that is there: what is
// read of the past meanwhile would reach it as if it happened now.
func (s *slot) join(m *mark, it *Item, r *snapshot.Reader) {
	if s.urgent || r.Settled(s.key.Instrument()) {
		s.view.join(m, it, r)
		return
	}
	*m = mark{waits: true, cursor: snapshot.Cursor{Index: uint64(max(it.History, 0)), Last: it.After}}
}

// catchUp is that of the view, for marks that may wait.
func (s *slot) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	if m.waits {
		if !r.Settled(s.key.Instrument()) {
			return ahead
		}
		s.view.join(m, &Item{Handle: s.handle, History: int(m.cursor.Index), After: m.cursor.Last}, r)
	}
	return s.view.catchUp(b, m, r, live)
}

// hold and release count the lanes of a slot; the last one frees it.
func (p *phase) hold(i uint32) { p.slots[i].lanes++ }

func (p *phase) release(i uint32) {
	s := &p.slots[i]
	if s.lanes--; s.lanes > 0 {
		return
	}
	delete(p.index, s.handle)
	if p.follow != nil {
		k := p.store.Topic(s.handle).Key
		p.follow.remove(k, i)
		r := p.store.Acquire()
		r.Unfollow(k)
		r.Release()
	}
	*s = slot{}
	p.free = append(p.free, i)
}
