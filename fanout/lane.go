package fanout

import (
	"slices"

	"github.com/feedd/feedd/throttle"
)

// lane is a subscriber's subscriptions in one phase.
type lane struct {
	sub    *Subscriber
	phase  *phase
	cohort *cohort
	place  int    // in cohort.inStep, or in phase.lagging where marks is set
	marks  []mark // nil: in step; else how far it is informed of each slot of the cohort

	// Of a lane that is served in turn.
	turn   uint32 // the slot that comes next
	turnAt int64  // when the first slot was served last, on the worker's monotonic clock; 0: the lane has not waited since
}

// newLane adds an empty lane, which is in step with nothing.
func (p *phase) newLane(s *Subscriber) *lane {
	l := &lane{sub: s, phase: p, cohort: p.cohortOf(s.framing, nil)}
	l.cohort.members++
	p.enterStep(l)
	p.lanes++
	return l
}

// remove takes l out of its phase.
func (l *lane) remove() {
	p := l.phase
	p.unplace(l)
	p.leave(l.cohort)
	for _, i := range l.cohort.slots {
		p.release(i)
	}
	p.lanes--
}

func (p *phase) enterStep(l *lane) {
	l.marks = nil
	l.place = len(l.cohort.inStep)
	l.cohort.inStep = append(l.cohort.inStep, seat{l.sub, l})
	if len(l.cohort.inStep) > 1 {
		l.cohort.alone[0] = seat{} // not in use any more, and not to keep what has left
	}
}

// unplace takes l off the list that it stands on.
func (p *phase) unplace(l *lane) {
	if l.marks != nil {
		p.lagging = takeFrom(p.lagging, l.place)
		if l.place < len(p.lagging) {
			p.lagging[l.place].place = l.place
		}
		return
	}
	c := l.cohort
	c.inStep = takeFrom(c.inStep, l.place)
	if l.place < len(c.inStep) {
		c.inStep[l.place].lane.place = l.place
	}
}

// takeFrom returns list without element i, whose place the last one takes.
func takeFrom[T any](list []T, i int) []T {
	last := len(list) - 1
	list[i] = list[last]
	clear(list[last:])
	return list[:last]
}

// fallBehind makes a lane in step a lagging one. With missed it did not get the current cut.
func (p *phase) fallBehind(l *lane, missed bool) {
	p.unplace(l)
	l.marks = make([]mark, len(l.cohort.slots), max(1, len(l.cohort.slots)))
	for n, i := range l.cohort.slots {
		p.slots[i].view.inStep(&l.marks[n], missed && p.changed[i] == p.cut)
	}
	p.enterLag(l)
}

func (p *phase) enterLag(l *lane) {
	l.place = len(p.lagging)
	p.lagging = append(p.lagging, l)
}

// edit changes which slots l holds: change gets both lists, parallel and in the order of slots, and returns
// the new ones, having held what comes in. What goes is released by the caller, afterwards. The lane lags.
func (l *lane) edit(change func(slots []uint32, marks []mark) ([]uint32, []mark)) {
	p := l.phase
	if l.marks == nil {
		p.fallBehind(l, false)
	}
	old := l.cohort
	slots, marks := change(slices.Clone(old.slots), l.marks)
	l.cohort, l.marks = p.cohortOf(old.framing, slots), marks
	l.cohort.members++
	p.leave(old)
}

// catchUp sends l what it is behind on: up to the last cut or, with live, up to this moment. Where nothing
// is missing afterwards l is in step again. Where the turn's budget is spent, the rest comes in a later turn.
func (p *phase) catchUp(l *lane, live bool, wall int64) {
	if l.sub.blocked || p.cadence == throttle.Paused {
		return
	}
	if p.out.spent() {
		p.out.later(l.sub)
		return
	}
	cut := p.cutTime
	if live {
		cut = max(cut, wall)
	}
	if m := l.sub.meter.Load(); m != nil {
		p.serveInTurn(l, m, live, cut)
		return
	}
	p.out.urgent = false
	waiting := false
	for next, slots := 0, l.cohort.slots; ; {
		b := &p.out.builder
		b.reset(l.sub.framing.Encoding(), cut)
		first := next
		p.out.undo = append(p.out.undo[:0], l.marks[first:]...)
		next, waiting = p.fill(b, l, next, live, waiting)
		if b.len() == 0 {
			break
		}
		conflated, lost := b.conflated, b.lost
		frame := p.out.wrap(l.sub.framing, b.finish(next < len(slots)), UseCatchUp, 1)
		p.out.budget -= len(frame)
		if !p.out.send(l.sub, frame) {
			copy(l.marks[first:], p.out.undo)
			l.sub.miss(p.out)
			return
		}
		l.sub.told(p.out, conflated, lost)
		if next == len(slots) {
			break
		}
		if p.out.spent() {
			p.out.later(l.sub)
			return
		}
	}
	if !waiting {
		p.unplace(l)
		p.enterStep(l)
	}
}

// fill adds rows for the slots from next on until the frame is full. It returns the slot to go on with and
// whether any must wait for a cut to come level.
func (p *phase) fill(b *builder, l *lane, next int, live, waiting bool) (int, bool) {
	r := p.store.Acquire()
	defer r.Release()
	b.limit = p.out.maxFrame
	for ; next < len(l.cohort.slots); next++ {
		before, m := b.point(), l.marks[next]
		state := p.slots[l.cohort.slots[next]].catchUp(b, &l.marks[next], r, live)
		if b.len() > p.out.maxFrame && before.len > 0 {
			// One row too many: it opens the next frame.
			b.back(before)
			l.marks[next] = m
			return next, waiting
		}
		switch state {
		case more:
			return next, waiting
		case ahead:
			waiting = true
		}
	}
	return next, waiting
}

// flushLagging lets every lagging lane catch up with the current cut.
func (p *phase) flushLagging() {
	for n := len(p.lagging) - 1; n >= 0; n-- {
		p.catchUp(p.lagging[n], false, 0)
	}
}
