package fanout

import (
	"slices"

	"github.com/feedd/feedd/internal/wire"
)

// cohort is the lanes of a phase that hold the same slots and have the same framing: those of them that are
// in step get the same bytes.
type cohort struct {
	// What each cut reads stands together, in two cache lines with alone and urgent. With thousands of cohorts none of it
	// is in the cache, so a frame costs as many trips to memory as it touches lines.
	inStep  []seat
	slots   []uint32 // ascending
	framing Framing

	hash    uint64  // its place in phase.cohorts
	next    *cohort // another one there
	order   int     // its place in phase.order
	members int     // lanes in step or lagging
	touched uint64  // immediate phases: last cut that concerns it
	alone   [1]seat // where inStep begins: most sessions look at what nobody else does
	urgent  bool    // all slots are of statuses, which wait for no ceiling
}

// seat is a lane in step, with what a frame for it goes to.
type seat struct {
	sub  *Subscriber
	lane *lane
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
	c.inStep = c.alone[:0]
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

// lookedAt is how many cohorts are looked at before their turn.
const lookedAt = 16

// look brings what the next frames need into the cache. Each piece leads to the next, so a frame by itself would wait
// for memory once for each; of several frames the processor fetches the same piece at once. ARCHITECTURE.md has figures.
func (o *output) look(cohorts []*cohort) {
	var subs [lookedAt]*Subscriber
	n := 0
	for _, c := range cohorts {
		if len(c.inStep) > 0 && len(c.slots) > 0 {
			subs[n] = c.inStep[0].sub
			for i := 0; i < len(c.slots); i += 16 {
				o.looked += uint64(c.slots[i])
			}
			o.looked += uint64(c.slots[len(c.slots)-1])
			n++
		}
	}
	for _, s := range subs[:n] {
		o.looked += s.conflated
	}
	for _, s := range subs[:n] {
		if s.conn.Ready() {
			o.looked++
		}
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
		p.collectRows(b, c)
	}
	if b.len() == 0 {
		return
	}
	if b.len() > p.out.maxFrame {
		// Too much for one frame: each lane catches up in parts, at its own pace.
		for len(c.inStep) > 0 {
			p.fallBehind(c.inStep[len(c.inStep)-1].lane, true)
		}
		return
	}
	conflated, lost := b.conflated, b.lost
	p.out.urgent = c.urgent
	frame := p.out.wrap(c.framing, b.finish(false), UseCut, len(c.inStep))
	for n := len(c.inStep) - 1; n >= 0; n-- {
		s := c.inStep[n].sub
		if p.out.send(s, frame) {
			s.told(p.out, conflated, lost)
			continue
		}
		s.miss(p.out)
		p.fallBehind(c.inStep[n].lane, true) // the last lane takes its place, which was served already
	}
}

// collectRows is where a frame's time goes that is not the kernel's: what it looks at lies together, and it writes to nothing but the
// frame and the list of what is in it.
func (p *phase) collectRows(b *builder, c *cohort) {
	which, conflated, lost := b.which[:0], b.conflated, b.lost
	for _, i := range c.slots {
		if p.changed[i] != p.cut {
			continue
		}
		if p.pieces[i].End == 0 {
			p.encode(i)
		}
		which = append(which, i)
		conflated += p.counts[i].conflated
		lost += p.counts[i].lost
	}
	b.payload = wire.AppendJoined(b.payload, p.arena, p.pieces, which)
	b.which, b.conflated, b.lost = which, conflated, lost
}

func (p *phase) collectTexts(b *builder, c *cohort) {
	r := p.store.Acquire()
	defer r.Release()
	for _, i := range c.slots {
		if p.changed[i] == p.cut {
			p.slots[i].view.text(b, r)
			b.conflated += p.counts[i].conflated
			b.lost += p.counts[i].lost
		}
	}
}
