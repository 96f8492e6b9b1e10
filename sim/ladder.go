package sim

import "github.com/feedd/feedd/publish"

// The two sides of a market. Prices of a ladder are keys: the price in steps for asks, its negative for
// bids, so that on either side the best level has the smallest key.
const (
	bid = iota
	ask
	sides
)

func key(side int, price int64) int64 {
	if side == bid {
		return -price
	}
	return price
}

type rung struct{ key, size int64 }

// ladder is one side of a book. There is always a best level; levels ascend by key and no size is 0.
type ladder struct {
	rungs []rung
	sent  []rung // as the last book event left it
}

func (l *ladder) best() *rung { return &l.rungs[0] }

// moveBest makes k the best level: better ones go, and if there is none at k it begins with size.
func (l *ladder) moveBest(k, size int64) {
	gone := 0
	for gone < len(l.rungs) && l.rungs[gone].key < k {
		gone++
	}
	l.rungs = append(l.rungs[:0], l.rungs[gone:]...)
	if len(l.rungs) == 0 || l.rungs[0].key != k {
		l.rungs = append(l.rungs, rung{})
		copy(l.rungs[1:], l.rungs)
		l.rungs[0] = rung{k, size}
	}
}

// trim drops the worst levels beyond depth.
func (l *ladder) trim(depth int) {
	if len(l.rungs) > depth {
		l.rungs = l.rungs[:depth]
	}
}

// appendChanges appends what turns the book that was sent last into the present one, and notes that the
// present one is sent.
func (l *ladder) appendChanges(dst []publish.Level, side int, step int64) []publish.Level {
	level := func(k, size int64) publish.Level { return publish.Level{Price: key(side, k) * step, Size: size} }
	i, j := 0, 0
	for i < len(l.sent) || j < len(l.rungs) {
		switch {
		case j == len(l.rungs) || i < len(l.sent) && l.sent[i].key < l.rungs[j].key:
			dst = append(dst, level(l.sent[i].key, 0))
			i++
		case i == len(l.sent) || l.rungs[j].key < l.sent[i].key:
			dst = append(dst, level(l.rungs[j].key, l.rungs[j].size))
			j++
		default:
			if l.sent[i].size != l.rungs[j].size {
				dst = append(dst, level(l.rungs[j].key, l.rungs[j].size))
			}
			i, j = i+1, j+1
		}
	}
	l.sent = append(l.sent[:0], l.rungs...)
	return dst
}
