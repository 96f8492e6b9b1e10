package book

import (
	"slices"

	"github.com/feedd/feedd/market"
)

// Side is one of the two sides of a book.
type Side uint8

// The sides: who would buy, and who would sell.
const (
	Bids Side = iota
	Asks
)

// Book is an order book. The zero value is an empty one of which nothing is known.
type Book struct {
	sides [2]side
	ring  ring
	ticks uint64

	// Of the newest event.
	position     market.Position
	exchangeTime int64
	ingestTime   int64

	spare []market.Level // for the next merge; small, so that it costs a book of many levels nothing
}

// Outcome is what an event did.
type Outcome struct {
	Changed int    // levels that came, went or got another size; the trimmed ones included
	Trimmed [2]int // by Side: levels beyond market.MaxLevels, the furthest from the market, which are not kept
	Crossed bool   // the best bid is at or above the best ask now
}

// Apply takes the next event. Its levels may come in any order; of several with one price the last counts. A size
// below 0 is taken for 0: the level goes. Apply keeps nothing of e.
func (b *Book) Apply(e *market.BookEvent) Outcome {
	b.ticks++
	b.position, b.exchangeTime, b.ingestTime = e.Position, e.ExchangeTime, e.IngestTime
	b.ring.open(b.ticks, b.sides[Bids].len()+b.sides[Asks].len())
	var o Outcome
	for s, levels := range [2][]market.Level{e.Bids, e.Asks} {
		side := &b.sides[s]
		if !e.Snapshot && few(len(levels), side.len()) {
			for _, l := range levels {
				o.Changed += b.set(Side(s), l)
			}
		} else {
			o.Changed += b.merge(Side(s), levels, e.Snapshot)
		}
		o.Trimmed[s] = b.trim(Side(s))
		o.Changed += o.Trimmed[s]
	}
	bid, okBid := b.Best(Bids)
	ask, okAsk := b.Best(Asks)
	o.Crossed = okBid && okAsk && bid.Price >= ask.Price
	return o
}

// few reports whether n changes of a side are better made one by one than by going through the whole side.
func few(n, levels int) bool { return n <= 64 || n < levels/8 }

// set makes one change and returns 1 if it changed anything.
func (b *Book) set(s Side, l market.Level) int {
	side := &b.sides[s]
	key, size := s.key(l.Price), max(l.Size, 0)
	at, found := side.find(key)
	var old int64
	if found {
		old = side.levels[at].Size
	}
	if old == size {
		return 0
	}
	b.ring.add(s, key, old, size)
	switch {
	case size == 0:
		side.remove(at)
	case found:
		side.levels[at].Size = size
	default:
		side.insert(at, market.Level{Price: key, Size: size})
	}
	return 1
}

// merge makes many changes, in time proportional to the levels of both. With whole, levels that are not named go.
func (b *Book) merge(s Side, levels []market.Level, whole bool) (changed int) {
	in, old := ascending(s, levels), b.sides[s].levels
	room := in.len()
	if !whole {
		room += len(old)
	}
	next := slices.Grow(b.spare[:0], room)
	for i, j := 0, 0; i < len(old) || j < in.len(); {
		var l market.Level // as it will be; its size 0 where it goes
		var before int64
		switch {
		case j == in.len() || i < len(old) && old[i].Price < in.at(j).Price:
			l, before = old[i], old[i].Size
			if whole {
				l.Size = 0
			}
			i++
		case i < len(old) && old[i].Price == in.at(j).Price:
			l, before = in.at(j), old[i].Size
			i, j = i+1, j+1
		default:
			l = in.at(j)
			j++
		}
		if l.Size != before {
			b.ring.add(s, l.Price, before, l.Size)
			changed++
		}
		if l.Size != 0 {
			next = append(next, l)
		}
	}
	b.sides[s].levels, b.spare = next, nil
	if cap(old) <= maxSpare {
		b.spare = old
	}
	return changed
}

// maxSpare bounds the memory that a book keeps for its next merge, in levels.
const maxSpare = 512

// trim drops what lies beyond market.MaxLevels and returns how many levels that were.
func (b *Book) trim(s Side) int {
	side := &b.sides[s]
	n := side.len() - market.MaxLevels
	if n <= 0 {
		return 0
	}
	for _, l := range side.levels[:n] {
		b.ring.add(s, l.Price, l.Size, 0)
	}
	if cap(side.levels) > 2*market.MaxLevels {
		side.levels = slices.Clone(side.levels[n:])
	} else {
		side.levels = slices.Delete(side.levels, 0, n)
	}
	return n
}

// Clone returns a book that is equal to b and shares nothing with it. What led there it does not know.
func (b *Book) Clone() *Book {
	c := *b
	for s := range c.sides {
		c.sides[s].levels = slices.Clone(c.sides[s].levels)
	}
	c.ring, c.spare = ring{off: b.ring.off, floor: b.ticks}, nil
	return &c
}

// Ticks counts the events so far; 0: nothing is known of the book. Taking in a stored book counts as one.
func (b *Book) Ticks() uint64 { return b.ticks }

// Position returns the place of the newest event in the stream of ticks.
func (b *Book) Position() market.Position { return b.position }

// Times returns when the newest event happened at the venue, 0 where it does not say, and when it was taken in, both in
// microseconds since the Unix epoch.
func (b *Book) Times() (exchange, ingest int64) { return b.exchangeTime, b.ingestTime }
