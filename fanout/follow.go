package fanout

import "github.com/feedd/feedd/snapshot"

// follow is how an immediate phase learns what changed without looking at every slot.
type follow struct {
	byKey   []uint32 // by key: one of its slots, plus one; 0: not watched here
	next    []uint32 // by slot: another one of the same key, plus one; several views of a book, say
	journal uint64   // position up to which changes are known
	touched []*cohort
	changed []uint32
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

// chase makes a cut of what the journal says has changed, and sends it to the lanes that it concerns.
func (p *phase) chase(wall int64) {
	f := p.follow
	p.open(wall)
	f.changed, f.touched = f.changed[:0], f.touched[:0]
	r := p.store.Acquire()
	a, b, next, ok := r.Changes(f.journal)
	if ok {
		p.chaseKeys(a, r)
		p.chaseKeys(b, r)
	} else {
		for i := range p.slots {
			if p.slots[i].view != nil && p.freeze(uint32(i), r) {
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
			}
		}
	}
	for _, c := range f.touched {
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
