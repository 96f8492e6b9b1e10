package fanout

import "github.com/feedd/feedd/snapshot"

// follow is how an immediate phase learns what changed without looking at every slot.
type follow struct {
	byKey   []uint32 // slot plus one, by key; 0: not watched here
	journal uint64   // position up to which changes are known
	touched []*cohort
	changed []uint32
}

func (f *follow) add(k snapshot.Key, slot uint32) {
	for int(k) >= len(f.byKey) {
		f.byKey = append(f.byKey, make([]uint32, max(64, int(k)+1-len(f.byKey)))...)
	}
	f.byKey[k] = slot + 1
}

func (f *follow) remove(k snapshot.Key) { f.byKey[k] = 0 }

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
		if int(k) >= len(f.byKey) || f.byKey[k] == 0 {
			continue
		}
		i := f.byKey[k] - 1
		if p.changed[i] != p.cut && p.freeze(i, r) {
			f.changed = append(f.changed, i)
		}
	}
}
