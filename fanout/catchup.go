package fanout

import (
	"slices"

	"github.com/feedd/feedd/throttle"
)

// catchUp sends s what its lanes are behind on, up to their last cuts or, with live, up to this moment. Lanes take turns as the slots
// of each do: what stops one leaves nothing for others, and it would else be the same one that goes first each time.
func (w *worker) catchUp(s *Subscriber, live bool) {
	stopped, first := false, int(s.turn)
	for n := range s.lanes {
		i := (first + n) % len(s.lanes)
		l := s.lanes[i]
		if l.marks == nil {
			continue
		}
		before := s.sent.frames.Load()
		if l.phase.catchUp(l, live, w.wall()) || stopped {
			continue
		}
		stopped = true
		if s.turn = uint8(i); s.sent.frames.Load() > before {
			s.turn++ // it had its turn
		}
	}
}

// catchUp sends l what it is behind on: up to the last cut or, with live, up to this moment. Slots are served in turn, each with its
// newest row, from the one that the last frame had no room for. Where nothing is missing afterwards l is in step again. It reports
// false where the connection, a ceiling or the turn's budget stopped it; each of them has it go on.
func (p *phase) catchUp(l *lane, live bool, wall int64) bool {
	if p.cadence == throttle.Paused {
		return true
	}
	cut := p.cutTime
	if live {
		cut = max(cut, wall)
	}
	m := l.sub.meter.Load()
	r := round{left: len(l.cohort.slots), live: live}
	if m != nil || l.torn {
		r.share = fairShare
	}
	for {
		if !p.mayServe(l, m) {
			return false
		}
		b := &p.out.builder
		b.reset(l.sub.framing.Encoding(), cut)
		b.limit = p.out.maxFrame
		if m != nil {
			b.limit = min(b.limit, m.room())
		}
		served := p.fill(b, l, &r)
		if b.len() > 0 {
			// Under a ceiling, and once it was refused, it may be long until the rest comes, and it will be of another cut.
			partial := r.left > 0 && m == nil && !l.torn
			if !p.sendBehind(l, b, partial) {
				l.torn = true
				return false
			}
		}
		if r.left == 0 {
			break
		}
		l.turn = uint32((int(l.turn) + served) % len(l.cohort.slots))
		if m != nil {
			m.pace(l, served, p.out.now)
		}
	}
	l.turn, l.turnAt, l.torn = 0, 0, false
	if !r.waiting {
		p.unplace(l)
		p.enterStep(l)
	}
	return true
}

// mayServe reports whether l may be sent a frame that it is behind on, and has it go on later if not.
func (p *phase) mayServe(l *lane, m *meter) bool {
	switch {
	case l.sub.blocked:
		return false
	case p.out.spent():
		p.out.later(l.sub)
		return false
	case m != nil && !l.cohort.urgent && !m.ready(p.out.now):
		p.out.wait(l.sub, m)
		return false
	}
	return true
}

// fairShare is about three rows. Where not all can be told, a log of trades with hundreds to tell would else take ten times what each
// quote does, at every turn.
const fairShare = 64

// round is how far a lane has come in serving its slots.
type round struct {
	live    bool
	share   int  // bytes at which a slot with more to say lets the others go ahead; 0: when the frame is full
	left    int  // how many slots have not had their turn
	waiting bool // some are ahead of the last cut, and must wait for the next one to come level
}

// fill adds rows of l's slots from its turn on, until the frame is full or all slots had theirs, and returns how many had some. Their
// marks, as they were, are in undo.
func (p *phase) fill(b *builder, l *lane, r *round) (served int) {
	state := p.store.Acquire()
	defer state.Release()
	p.out.undo = p.out.undo[:0]
	frame := b.limit
	for i := int(l.turn); r.left > 0; i++ {
		i %= len(l.marks) // which may have become fewer since
		before, m := b.point(), l.marks[i]
		if r.share > 0 {
			b.limit = min(frame, before.len+r.share)
		}
		progress := p.slots[l.cohort.slots[i]].catchUp(b, &l.marks[i], state, r.live)
		if b.len() > frame && before.len > 0 {
			b.back(before) // one row too many: it opens the next frame
			l.marks[i] = m
			return served
		}
		p.out.undo = append(p.out.undo, m)
		served++
		r.left--
		switch progress {
		case more:
			r.left = len(l.marks) // the others first, then the rest of it
			if b.len() >= frame || b.len() == before.len {
				return served
			}
		case ahead:
			r.waiting = true
		}
	}
	return served
}

// sendBehind sends l the frame in b. Where it is refused l's marks are again as they were.
func (p *phase) sendBehind(l *lane, b *builder, partial bool) bool {
	conflated, lost := b.conflated, b.lost
	frame := p.out.wrap(l.sub.framing, b.finish(partial), UseCatchUp, 1)
	p.out.budget -= len(frame)
	p.out.urgent = l.cohort.urgent
	if !p.out.send(l.sub, frame) {
		for n, m := range slices.Backward(p.out.undo) { // a slot may have had several turns
			l.marks[(int(l.turn)+n)%len(l.marks)] = m
		}
		l.sub.miss(p.out)
		return false
	}
	l.sub.told(p.out, conflated, lost)
	return true
}

// flushLagging lets every lagging lane catch up with the current cut.
func (p *phase) flushLagging() {
	for n := len(p.lagging) - 1; n >= 0; n-- {
		p.catchUp(p.lagging[n], false, 0)
	}
}
