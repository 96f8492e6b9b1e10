package fanout

import "slices"

// cohort is the lanes of a phase that hold the same slots and have the same framing: those of them that are
// in step get the same bytes.
type cohort struct {
	framing Framing
	hash    uint64   // its place in phase.cohorts
	next    *cohort  // another one there
	order   int      // its place in phase.order
	slots   []uint32 // ascending
	inStep  []*lane
	members int    // lanes in step or lagging
	touched uint64 // immediate phases: last cut that concerns it
	urgent  bool   // all slots are of statuses, which wait for no ceiling
}

// cohortOf finds or makes the cohort with these slots, of which it takes a copy.
func (p *phase) cohortOf(f Framing, slots []uint32) *cohort {
	hash := uint64(14695981039346656037) // FNV-1a
	for _, s := range slots {
		hash = (hash ^ uint64(s)) * 1099511628211
	}
	for c := p.cohorts[hash]; c != nil; c = c.next {
		if c.framing == f && slices.Equal(c.slots, slots) {
			return c
		}
	}
	c := &cohort{framing: f, hash: hash, next: p.cohorts[hash], order: len(p.order), slots: slices.Clone(slots)}
	c.urgent = len(slots) > 0 && !slices.ContainsFunc(slots, func(i uint32) bool { return !p.slots[i].urgent })
	p.cohorts[hash] = c
	p.order = append(p.order, c)
	if p.follow != nil {
		for _, s := range slots {
			p.slots[s].cohorts = append(p.slots[s].cohorts, c)
		}
	}
	return c
}

// leave takes one member from c and removes c with the last.
func (p *phase) leave(c *cohort) {
	if c.members--; c.members > 0 {
		return
	}
	last := len(p.order) - 1
	p.order[c.order] = p.order[last]
	p.order[c.order].order = c.order
	p.order[last] = nil
	p.order = p.order[:last]
	if p.follow != nil {
		for _, s := range c.slots {
			held := p.slots[s].cohorts
			i := slices.Index(held, c)
			held[i] = held[len(held)-1]
			held[len(held)-1] = nil
			p.slots[s].cohorts = held[:len(held)-1]
		}
	}
	if head := p.cohorts[c.hash]; head == c && c.next == nil {
		delete(p.cohorts, c.hash)
	} else if head == c {
		p.cohorts[c.hash] = c.next
	} else {
		for head.next != c {
			head = head.next
		}
		head.next = c.next
	}
}

// flush sends the current cut to the lanes of c that are in step.
func (p *phase) flush(c *cohort) {
	if len(c.inStep) == 0 {
		return
	}
	b := &p.out.builder
	b.reset(c.framing.Encoding(), p.cutTime)
	if b.encoding == JSON {
		p.collectTexts(b, c)
	} else {
		for _, i := range c.slots {
			if p.changed[i] == p.cut {
				b.payload = p.appendDelta(b.payload, i)
				b.conflated += p.slots[i].conflated
				b.lost += p.slots[i].lost
			}
		}
	}
	if b.len() == 0 {
		return
	}
	if b.len() > p.out.maxFrame {
		// Too much for one frame: each lane catches up in parts, at its own pace.
		for len(c.inStep) > 0 {
			p.fallBehind(c.inStep[len(c.inStep)-1], true)
		}
		return
	}
	conflated, lost := b.conflated, b.lost
	p.out.urgent = c.urgent
	frame := p.out.wrap(c.framing, b.finish(false))
	for n := len(c.inStep) - 1; n >= 0; n-- {
		l := c.inStep[n]
		if p.out.send(l.sub, frame) {
			l.sub.told(p.out, conflated, lost)
			continue
		}
		l.sub.miss(p.out)
		p.fallBehind(l, true) // the last lane takes its place, which was served already
	}
}

func (p *phase) collectTexts(b *builder, c *cohort) {
	r := p.store.Acquire()
	defer r.Release()
	for _, i := range c.slots {
		if p.changed[i] == p.cut {
			p.slots[i].view.text(b, r)
			b.conflated += p.slots[i].conflated
			b.lost += p.slots[i].lost
		}
	}
}
