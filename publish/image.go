package publish

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// MaxLevels is how many levels a side of a book may have: an image of both sides stays below half of
// what a NATS message may hold.
const MaxLevels = 10_000

var errNoImage = errors.New("publish: a change of a book ahead of its first image: publish a Book with Snapshot first")

// image is the book as it stands after the last event, for snapshot answers. Both sides ascend by price.
type image struct {
	present    bool
	bids, asks []Level
	time       int64 // exchange time of the last event
}

// apply takes b in, or leaves the image as it was and says why.
func (m *image) apply(b Book) error {
	if !b.Snapshot && !m.present {
		return errNoImage
	}
	for _, side := range [2][]Level{b.Bids, b.Asks} {
		for _, l := range side {
			if l.Size < 0 {
				return fmt.Errorf("publish: book level %d of size %d: want 0 or more", l.Price, l.Size)
			}
		}
	}
	bids, asks := m.bids, m.asks
	if b.Snapshot {
		bids, asks = nil, nil
		// In ascending order each level goes to the end; the last one of a price counts.
		b.Bids, b.Asks = sorted(b.Bids), sorted(b.Asks)
	}
	if len(bids)+len(b.Bids) > MaxLevels || len(asks)+len(b.Asks) > MaxLevels {
		// Near the limit the outcome is counted on a copy, so that a refusal changes nothing.
		bids, asks = slices.Clone(bids), slices.Clone(asks)
	}
	bids, asks = merge(bids, b.Bids), merge(asks, b.Asks)
	if len(bids) > MaxLevels || len(asks) > MaxLevels {
		return fmt.Errorf("publish: book of %d bids and %d asks: at most %d levels a side", len(bids), len(asks), MaxLevels)
	}
	*m = image{present: true, bids: bids, asks: asks, time: b.ExchangeTime}
	return nil
}

// merge returns side with changes applied.
func merge(side, changes []Level) []Level {
	for _, l := range changes {
		at, found := slices.BinarySearchFunc(side, l.Price, func(have Level, price int64) int { return cmp.Compare(have.Price, price) })
		switch {
		case found && l.Size == 0:
			side = slices.Delete(side, at, at+1)
		case found:
			side[at].Size = l.Size
		case l.Size != 0:
			side = slices.Insert(side, at, l)
		}
	}
	return side
}

func sorted(levels []Level) []Level {
	levels = slices.Clone(levels)
	slices.SortStableFunc(levels, func(a, b Level) int { return cmp.Compare(a.Price, b.Price) })
	return levels
}
