package book

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/feedd/feedd/market"
)

// The ring grows on demand to between half as many entries as the book has levels and as many, since whoever is further
// behind is as well served with the whole of it, but stays within these bounds.
const (
	ringLeast = 64
	ringMost  = 4096
)

// ring is the last changes of a book, oldest first.
type ring struct {
	entries     []entry // length is a power of two
	first, next uint64  // entries first ≤ i < next are held, at i modulo len(entries)
	floor       uint64  // every change of a tick behind this one is held
	tick        uint64  // that changes belong to now
	most        int     // how long entries may get
	off         bool    // nothing is held, ever
}

// entry is one change: of a level's size, from old to size, where 0 is no level.
type entry struct {
	at             uint64 // tick, and the side in the lowest bit
	key, old, size int64
}

func (e *entry) tick() uint64 { return e.at >> 1 }
func (e *entry) side() Side   { return Side(e.at & 1) }

// open begins a tick of a book with so many levels.
func (r *ring) open(tick uint64, levels int) {
	r.tick = tick
	r.most = max(ringLeast, min(ringMost, 1<<bits.Len(uint(levels/2))))
	if r.off || tick == 1 {
		r.floor = tick // at tick 1, because nobody holds what was before the first event
	}
}

func (r *ring) add(s Side, key, old, size int64) {
	if r.tick <= r.floor {
		return
	}
	if r.next-r.first == uint64(len(r.entries)) && !r.grow() {
		r.floor = r.at(r.first).tick()
		r.first++
		if r.floor == r.tick {
			return
		}
	}
	*r.at(r.next) = entry{at: r.tick<<1 | uint64(s), key: key, old: old, size: size}
	r.next++
}

func (r *ring) at(i uint64) *entry { return &r.entries[i&uint64(len(r.entries)-1)] }

// grow doubles the entries, if they may be longer.
func (r *ring) grow() bool {
	size := max(ringLeast, 2*len(r.entries))
	if size > r.most {
		return false
	}
	entries := make([]entry, size)
	for i := r.first; i < r.next; i++ {
		entries[i&uint64(size-1)] = *r.at(i)
	}
	r.entries = entries
	return true
}

// since returns the index of the first change behind a tick.
func (r *ring) since(tick uint64) uint64 {
	lo, hi := r.first, r.next
	for lo < hi {
		if mid := (lo + hi) / 2; r.at(mid).tick() <= tick {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Pending returns how many changes lead from a tick to now, and whether the ring still reaches back to it.
func (b *Book) Pending(from uint64) (n int, ok bool) {
	if from < b.ring.floor {
		return 0, false
	}
	return int(b.ring.next - b.ring.since(from)), true
}

// KeepNoChanges is for a book of which nobody ever asks Changes: it saves the memory.
func (b *Book) KeepNoChanges() { b.ring = ring{off: true, floor: b.ticks} }

// Changes are the levels of a book that differ between two ticks, best first, with their sizes at the later one; 0:
// the level is gone. The zero value is ready for use, and keeps its memory for the next.
type Changes struct {
	Bids, Asks []market.Level

	order []pick
}

// pick is a change in the ring as Changes sorts it.
type pick struct {
	key   int64
	index uint64
	side  Side
}

// Len returns the number of levels that differ.
func (c *Changes) Len() int { return len(c.Bids) + len(c.Asks) }

// Changes sets c to what differs between the book as of two ticks, neither later than now. It reports false, with c
// empty, where the ring no longer reaches back to from.
func (b *Book) Changes(c *Changes, from, to uint64) bool {
	c.Bids, c.Asks, c.order = c.Bids[:0], c.Asks[:0], c.order[:0]
	if from < b.ring.floor {
		return false
	}
	for i := b.ring.since(from); i < b.ring.next && b.ring.at(i).tick() <= to; i++ {
		e := b.ring.at(i)
		c.order = append(c.order, pick{key: e.key, index: i, side: e.side()})
	}
	slices.SortFunc(c.order, func(x, y pick) int {
		return cmp.Or(cmp.Compare(x.side, y.side), cmp.Compare(y.key, x.key), cmp.Compare(x.index, y.index))
	})
	for i := 0; i < len(c.order); {
		p := c.order[i]
		old := b.ring.at(p.index).old
		for i++; i < len(c.order) && c.order[i].key == p.key && c.order[i].side == p.side; i++ {
			p.index = c.order[i].index
		}
		size := b.ring.at(p.index).size
		if size == old {
			continue
		}
		l := market.Level{Price: p.side.key(p.key), Size: size}
		if p.side == Bids {
			c.Bids = append(c.Bids, l)
		} else {
			c.Asks = append(c.Asks, l)
		}
	}
	return true
}
