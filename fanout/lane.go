package fanout

import "slices"

// lane is a subscriber's subscriptions in one phase.
type lane struct {
	sub    *Subscriber
	phase  *phase
	cohort *cohort
	place  int    // in cohort.inStep, or in phase.lagging where marks is set
	marks  []mark // nil: in step; else how far it is informed of each slot of the cohort

	// Of a lane that lags.
	turn   uint32 // the slot that comes next, by its place in the cohort
	torn   bool   // the connection refused a frame of it: until it is level each stands for itself
	turnAt int64  // under a ceiling: when the first slot was served last, on the worker's monotonic clock; 0: it has not waited since
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
