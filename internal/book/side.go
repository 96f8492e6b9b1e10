package book

import (
	"cmp"
	"slices"

	"github.com/feedd/feedd/market"
)

// side is one side's levels, the best one last. The prices in it are keys: the larger one is better.
type side struct{ levels []market.Level }

// key turns a price into a key, and a key into a price. That of an ask is its price's complement, which turns the order
// around and, unlike the negative, exists for every price.
func (s Side) key(price int64) int64 { return price ^ -int64(s) }

// Better reports whether price a is better than b on this side: higher for a bid, lower for an ask.
func (s Side) Better(a, b int64) bool { return s.key(a) > s.key(b) }

func (d *side) len() int { return len(d.levels) }

// find returns where key is, or where it would be. It looks at the best levels first and then ever further away.
func (d *side) find(key int64) (at int, found bool) {
	lo, hi := 0, len(d.levels)
	for step := 4; hi > step; step *= 4 {
		mid := hi - step
		if d.levels[mid].Price <= key {
			lo = mid
			break
		}
		hi = mid
	}
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); d.levels[mid].Price < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(d.levels) && d.levels[lo].Price == key
}

func (d *side) insert(at int, l market.Level) {
	d.levels = append(d.levels, l)
	copy(d.levels[at+1:], d.levels[at:])
	d.levels[at] = l
}

func (d *side) remove(at int) { d.levels = append(d.levels[:at], d.levels[at+1:]...) }

// run reads levels that somebody else owns in ascending order of their keys.
type run struct {
	levels []market.Level
	side   Side
	back   bool // from last to first
}

// ascending returns levels in the order of their keys, each key once: where they come in order, as they mostly do, as
// they are, and else as a sorted copy.
func ascending(s Side, levels []market.Level) run {
	r := run{levels: levels, side: s}
	if r.ordered() {
		return r
	}
	r.back = true
	if r.ordered() {
		return r
	}
	sorted := slices.Clone(levels)
	slices.SortStableFunc(sorted, func(a, b market.Level) int { return cmp.Compare(s.key(a.Price), s.key(b.Price)) })
	n := 0
	for i, l := range sorted {
		if i+1 == len(sorted) || sorted[i+1].Price != l.Price {
			sorted[n] = l
			n++
		}
	}
	return run{levels: sorted[:n], side: s}
}

func (r *run) ordered() bool {
	for i := 1; i < len(r.levels); i++ {
		if r.at(i-1).Price >= r.at(i).Price {
			return false
		}
	}
	return true
}

func (r *run) len() int { return len(r.levels) }

// at returns a level with its key in place of its price, and no size below 0.
func (r *run) at(i int) market.Level {
	if r.back {
		i = len(r.levels) - 1 - i
	}
	l := r.levels[i]
	return market.Level{Price: r.side.key(l.Price), Size: max(l.Size, 0)}
}
