package book

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
	"math"
	"slices"

	"github.com/feedd/feedd/market"
)

// Len returns the number of levels of a side.
func (b *Book) Len(s Side) int { return b.sides[s].len() }

// Best returns the best level of a side, if there is one.
func (b *Book) Best(s Side) (market.Level, bool) {
	n := b.sides[s].len()
	if n == 0 {
		return market.Level{}, false
	}
	return b.at(s, 0), true
}

// at returns the i-th level of a side, the best one being the first.
func (b *Book) at(s Side, i int) market.Level {
	levels := b.sides[s].levels
	l := levels[len(levels)-1-i]
	l.Price = s.key(l.Price)
	return l
}

// All yields the levels of a side, best first.
func (b *Book) All(s Side) iter.Seq[market.Level] {
	return func(yield func(market.Level) bool) {
		for i := range b.sides[s].len() {
			if !yield(b.at(s, i)) {
				return
			}
		}
	}
}

// AppendTop appends the n best levels of a side, or all that there are, best first.
func (b *Book) AppendTop(dst []market.Level, s Side, n int) []market.Level {
	return b.AppendRange(dst, s, 0, n)
}

// AppendRange appends the levels from ≤ i < to of a side, as far as there are any; the best one is 0.
func (b *Book) AppendRange(dst []market.Level, s Side, from, to int) []market.Level {
	to = min(to, b.sides[s].len())
	dst = slices.Grow(dst, max(to-from, 0))
	for i := from; i < to; i++ {
		dst = append(dst, b.at(s, i))
	}
	return dst
}

// AppendGroups appends the n best groups of a side, best first, each as the level to which its sizes add up. A group is
// the prices that round to the same multiple of width: bids toward lower prices, asks toward higher ones, so that no
// group promises more than its levels do. Sums and multiples beyond 64 bits stay at the end of the range. width is 1
// or more.
func (b *Book) AppendGroups(dst []market.Level, s Side, n int, width int64) []market.Level {
	levels := 0
	for i := range b.sides[s].len() {
		l := b.at(s, i)
		l.Price = group(s, l.Price, width)
		if levels > 0 && dst[len(dst)-1].Price == l.Price {
			last := &dst[len(dst)-1]
			if last.Size += l.Size; last.Size < 0 {
				last.Size = math.MaxInt64
			}
			continue
		}
		if levels == n {
			break
		}
		dst = append(dst, l)
		levels++
	}
	return dst
}

// group returns the price of the group that a price belongs to.
func group(s Side, price, width int64) int64 {
	rest := price % width
	switch {
	case rest == 0:
		return price
	case s == Bids:
		if rest < 0 {
			rest += width
		}
		if price < math.MinInt64+rest {
			return math.MinInt64
		}
		return price - rest
	default:
		if rest > 0 {
			rest -= width
		}
		if price > math.MaxInt64+rest {
			return math.MaxInt64
		}
		return price - rest
	}
}

// ChecksumLevels is how many levels a side a checksum covers.
const ChecksumLevels = 100

// Checksum returns the CRC-32 (IEEE) of the best levels of a view, bids and then asks, best first: price and size of
// each as eight bytes, little-endian two's complement. Levels beyond ChecksumLevels a side are left out.
func Checksum(bids, asks []market.Level) uint32 {
	var buf [2 * ChecksumLevels * 16]byte
	n := 0
	for _, levels := range [2][]market.Level{bids, asks} {
		for _, l := range levels[:min(len(levels), ChecksumLevels)] {
			binary.LittleEndian.PutUint64(buf[n:], uint64(l.Price))
			binary.LittleEndian.PutUint64(buf[n+8:], uint64(l.Size))
			n += 16
		}
	}
	return crc32.ChecksumIEEE(buf[:n])
}

// Checksum returns the Checksum of the whole book.
func (b *Book) Checksum() uint32 {
	var bids, asks [ChecksumLevels]market.Level
	return Checksum(b.AppendTop(bids[:0], Bids, ChecksumLevels), b.AppendTop(asks[:0], Asks, ChecksumLevels))
}
