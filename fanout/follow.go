package fanout

import "github.com/feedd/feedd/snapshot"

// follow is how an immediate phase learns what changed without looking at every slot.
type follow struct {
	byKey   []uint32 // by key: one of its slots, plus one; 0: not watched here
	next    []uint32 // by slot: another one of the same key, plus one; several views of a book, say
	journal uint64   // position up to which changes are known
	touched []*cohort
	changed []uint32
	held    []held
	due     int64 // when to look at held again, on the worker's monotonic clock; 0: it is empty
	begun   int64 // when the current cut was collected, on the same clock; 0: all of it was sent
}

// held is a slot that time alone will have changed.
type held struct {
	slot uint32
	due  int64 // on the worker's monotonic clock
}

// heldStep gathers times that lie close together, so that thousands of held slots are walked 100 times a second at most.
const heldStep = 10_000

func (f *follow) hold(slot uint32, due int64) {
	due = (due + heldStep - 1) / heldStep * heldStep
	f.held = append(f.held, held{slot, due})
	if f.due == 0 || due < f.due {
		f.due = due
	}
}

// wait is how long the phase can wait for the time of a held slot, in microseconds.
func (f *follow) wait(now int64) int64 {
	if f.due == 0 {
		return longestWait
	}
	return min(longestWait, max(0, f.due-now))
}

// chaseHeld takes in what time has changed since.
func (p *phase) chaseHeld(r *snapshot.Reader) {
	f := p.follow
	if f.due == 0 || p.out.now < f.due {
		return
	}
	all := f.held
	f.held, f.due = all[:0], 0
	for n := range all {
		h := all[n]
		s := &p.slots[h.slot]
		switch {
		case !s.held: // it was freed meanwhile
		case h.due > p.out.now:
			f.held = append(f.held, h)
			if f.due == 0 || h.due < f.due {
				f.due = h.due
			}
		default:
			s.held = false
			if p.changed[h.slot] != p.cut && p.freeze(h.slot, r) {
				f.changed = append(f.changed, h.slot)
			}
		}
	}
}

func (f *follow) add(k snapshot.Key, slot uint32) {
	f.byKey = reach(f.byKey, int(k))
	f.next = reach(f.next, int(slot))
	f.next[slot] = f.byKey[k]
	f.byKey[k] = slot + 1
}

// reach returns list, long enough to be indexed by i.
func reach(list []uint32, i int) []uint32 {
	if i < len(list) {
		return list
	}
	return append(list, make([]uint32, max(64, i+1-len(list)))...)
}

func (f *follow) remove(k snapshot.Key, slot uint32) {
	at := &f.byKey[k]
	for *at != slot+1 {
		at = &f.next[*at-1]
	}
	*at = f.next[slot]
}

// collect makes a cut of what the journal says has changed, and returns at most how many frames deliver will send.
func (p *phase) collect(wall int64) (frames int) {
	f := p.follow
	p.open(wall)
	f.changed, f.touched = f.changed[:0], f.touched[:0]
	r := p.store.Acquire()
	p.chaseHeld(r)
	a, b, next, ok := r.Changes(f.journal)
	if ok {
		p.chaseKeys(a, r)
		p.chaseKeys(b, r)
	} else {
		for i := range p.slots {
			if p.slots[i].view != nil && p.changed[i] != p.cut && p.freeze(uint32(i), r) {
				f.changed = append(f.changed, uint32(i))
			}
		}
	}
	f.journal = next
	r.Release()
	for _, i := range f.changed {
		for _, c := range p.slots[i].cohorts {
			if c.touched != p.cut {
				c.touched = p.cut
				f.touched = append(f.touched, c)
				frames += len(c.inStep)
			}
		}
	}
	return frames + len(p.lagging)
}

// deliver sends the cut to the lanes that it concerns. Nothing may have happened to them since it was collected.
func (p *phase) deliver() {
	for _, c := range p.follow.touched {
		p.flush(c)
	}
	p.flushLagging()
}

func (p *phase) chaseKeys(keys []snapshot.Key, r *snapshot.Reader) {
	f := p.follow
	for _, k := range keys {
		if int(k) >= len(f.byKey) {
			continue
		}
		for n := f.byKey[k]; n != 0; n = f.next[n-1] {
			if i := n - 1; p.changed[i] != p.cut && p.freeze(i, r) {
				f.changed = append(f.changed, i)
			}
		}
	}
}
