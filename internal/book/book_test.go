package book

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
)

// plain is a book as simple as can be: sizes by price.
type plain [2]map[int64]int64

func newPlain() plain { return plain{{}, {}} }

func (p plain) apply(e *market.BookEvent) {
	for s, levels := range [2][]market.Level{e.Bids, e.Asks} {
		if e.Snapshot {
			clear(p[s])
		}
		for _, l := range levels {
			if l.Size > 0 {
				p[s][l.Price] = l.Size
			} else {
				delete(p[s], l.Price)
			}
		}
		if len(p[s]) > market.MaxLevels {
			for _, l := range p.levels(Side(s))[market.MaxLevels:] {
				delete(p[s], l.Price)
			}
		}
	}
}

func (p plain) levels(s Side) []market.Level {
	levels := []market.Level{}
	for price, size := range p[s] {
		levels = append(levels, market.Level{Price: price, Size: size})
	}
	slices.SortFunc(levels, func(a, b market.Level) int {
		if s == Bids {
			a, b = b, a
		}
		return cmp.Compare(a.Price, b.Price)
	})
	return levels
}

func all(b *Book, s Side) []market.Level { return b.AppendTop([]market.Level{}, s, market.MaxLevels) }

// prices draws from a small range, so that levels meet, and now and then from the ends of what there is.
func prices() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(-30, 30), rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64}))
}

func levels(most int) *rapid.Generator[[]market.Level] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) market.Level {
		return market.Level{Price: prices().Draw(t, "price"), Size: rapid.Int64Range(-1, 3).Draw(t, "size")}
	}), 0, most)
}

// events draws a market's next step: small changes, changes that go through a whole side, images in any order.
func events() *rapid.Generator[market.BookEvent] {
	return rapid.Custom(func(t *rapid.T) market.BookEvent {
		most := rapid.SampledFrom([]int{4, 4, 120}).Draw(t, "most")
		e := market.BookEvent{
			Snapshot: rapid.IntRange(0, 5).Draw(t, "snapshot") == 0,
			Bids:     levels(most).Draw(t, "bids"), Asks: levels(most).Draw(t, "asks"),
		}
		if order := rapid.IntRange(0, 2).Draw(t, "order"); order > 0 {
			for _, side := range [][]market.Level{e.Bids, e.Asks} {
				slices.SortFunc(side, func(a, b market.Level) int { return cmp.Compare(a.Price, b.Price) * (2*order - 3) })
			}
		}
		return e
	})
}

func TestABookIsWhatItsEventsMakeIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Book
		p := newPlain()
		for n := range rapid.IntRange(1, 30).Draw(t, "events") {
			e := events().Draw(t, "event")
			e.Position = market.Position{Epoch: 1, Sequence: market.Sequence(n + 1)}
			before := [2][]market.Level{all(&b, Bids), all(&b, Asks)}
			in := [2][]market.Level{slices.Clone(e.Bids), slices.Clone(e.Asks)}
			o := b.Apply(&e)
			if !slices.Equal(e.Bids, in[0]) || !slices.Equal(e.Asks, in[1]) {
				t.Fatal("Apply changed the event")
			}
			p.apply(&e)
			bids, asks := p.levels(Bids), p.levels(Asks)
			if got := all(&b, Bids); !slices.Equal(got, bids) {
				t.Fatalf("bids %v, want %v", got, bids)
			}
			if got := slices.Collect(b.All(Asks)); !slices.Equal(got, asks) {
				t.Fatalf("asks %v, want %v", got, asks)
			}
			if b.Position() != e.Position || b.Ticks() != uint64(n+1) {
				t.Fatalf("at %v after %d ticks", b.Position(), b.Ticks())
			}
			if want := len(bids) > 0 && len(asks) > 0 && bids[0].Price >= asks[0].Price; o.Crossed != want {
				t.Fatalf("crossed %v: bids %v asks %v", o.Crossed, bids, asks)
			}
			if same := slices.Equal(before[0], bids) && slices.Equal(before[1], asks); n > 0 && !same && o.Changed == 0 {
				t.Fatal("a changed book says that nothing changed")
			}
		}
	})
}

// At every moment, and for every pair of moments that the ring reaches, the changes between them are exactly the levels
// that differ, best first.
func TestChangesLeadFromAnyTickToAnyLaterOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Book
		history := [][2][]market.Level{{{}, {}}}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			e := events().Draw(t, "event")
			b.Apply(&e)
			history = append(history, [2][]market.Level{all(&b, Bids), all(&b, Asks)})
		}
		var c Changes
		for range 10 {
			from := rapid.IntRange(0, len(history)-1).Draw(t, "from")
			to := rapid.IntRange(from, len(history)-1).Draw(t, "to")
			ok := b.Changes(&c, uint64(from), uint64(to))
			n, reaches := b.Pending(uint64(from))
			if ok != reaches || ok && c.Len() > n {
				t.Fatalf("Changes reaches: %v, Pending: %v with %d of %d", ok, reaches, n, c.Len())
			}
			if !ok {
				if c.Len() != 0 || from > 0 && b.ring.next <= ringLeast {
					t.Fatalf("the ring does not reach back to %d after %d changes", from, b.ring.next)
				}
				continue
			}
			for s, got := range [2][]market.Level{c.Bids, c.Asks} {
				want := difference(Side(s), history[from][s], history[to][s])
				if !slices.Equal(got, want) {
					t.Fatalf("from %d to %d, side %d: %v, want %v", from, to, s, got, want)
				}
			}
		}
		if len(b.ring.entries) > ringMost {
			t.Fatalf("a ring of %d", len(b.ring.entries))
		}
	})
}

func difference(s Side, from, to []market.Level) []market.Level {
	p := newPlain()
	p.apply(&market.BookEvent{Bids: from, Asks: from})
	diff := newPlain()
	for _, l := range to {
		if p[s][l.Price] != l.Size {
			diff[s][l.Price] = l.Size
		}
		delete(p[s], l.Price)
	}
	for price := range p[s] {
		diff[s][price] = 0
	}
	return diff.levels(s)
}

func TestTheRingKeepsWhatItPromises(t *testing.T) {
	var b Book
	var image market.BookEvent
	image.Snapshot = true
	for i := range int64(1000) {
		image.Bids = append(image.Bids, market.Level{Price: -i, Size: 1})
		image.Asks = append(image.Asks, market.Level{Price: 1 + i, Size: 1})
	}
	b.Apply(&image)
	if len(b.ring.entries) != 0 {
		t.Fatalf("the first image takes %d entries that nobody can use", len(b.ring.entries))
	}
	image.Bids[500].Size = 7
	if o := b.Apply(&image); o.Changed != 1 {
		t.Fatalf("an image that differs in one level changed %d", o.Changed)
	}
	var c Changes
	for i := range int64(5000) {
		b.Apply(&market.BookEvent{Bids: []market.Level{{Price: -(i % 1000), Size: i + 2}}})
	}
	if len(b.ring.entries) != 1024 {
		t.Fatalf("%d entries for 2,000 levels", len(b.ring.entries))
	}
	for _, from := range []uint64{0, 1, b.Ticks() - 1025} {
		if b.Changes(&c, from, b.Ticks()) {
			t.Fatalf("from tick %d: 1,024 changes cannot reach as far", from)
		}
	}
	if from := b.Ticks() - 1024; !b.Changes(&c, from, b.Ticks()) || c.Len() != 1000 {
		t.Fatalf("%d levels, want each of the 1,000 once", c.Len())
	}
	// One event that is larger than the ring leaves nothing behind it, and nothing wrong.
	for i := range image.Bids {
		image.Bids[i].Size, image.Asks[i].Size = 100_000+int64(i), 100_000
	}
	for i := range int64(3000) {
		image.Asks = append(image.Asks, market.Level{Price: 5000 + i, Size: 1})
	}
	b.Apply(&image)
	if b.Changes(&c, b.Ticks()-1, b.Ticks()) {
		t.Fatal("5,000 changes cannot fit a ring of 1,024")
	}
	b.Apply(&market.BookEvent{Asks: []market.Level{{Price: 1, Size: 0}}})
	if !b.Changes(&c, b.Ticks()-1, b.Ticks()) || c.Len() != 1 || c.Asks[0] != (market.Level{Price: 1}) {
		t.Fatalf("changes: %+v", c)
	}
}

func TestACloneSharesNothing(t *testing.T) {
	var b Book
	b.Apply(&market.BookEvent{Bids: []market.Level{{Price: 1, Size: 1}}, Position: market.Position{Epoch: 1, Sequence: 9}})
	c := b.Clone()
	c.Apply(&market.BookEvent{Bids: []market.Level{{Price: 1, Size: 5}, {Price: 2, Size: 5}}})
	if got := all(&b, Bids); !slices.Equal(got, []market.Level{{Price: 1, Size: 1}}) || b.Position().Sequence != 9 {
		t.Fatalf("%v at %v", got, b.Position())
	}
	var changes Changes
	if c.Changes(&changes, 0, 2) || !c.Changes(&changes, 1, 2) || changes.Len() != 2 {
		t.Fatalf("%+v", changes)
	}
}

func TestABookWithoutChanges(t *testing.T) {
	var b Book
	b.KeepNoChanges()
	for n := range int64(10) {
		b.Apply(&market.BookEvent{Bids: []market.Level{{Price: n, Size: 1}}})
	}
	var c Changes
	if b.ring.entries != nil || b.Changes(&c, 9, 10) || !b.Changes(&c, 10, 10) || b.Len(Bids) != 10 {
		t.Fatalf("%d entries of a ring that nobody reads", len(b.ring.entries))
	}
}

// A level that came and went between two ticks, or changed and changed back, is of no interest to anybody.
func TestChangesThatCameToNothingAreLeftOut(t *testing.T) {
	var b Book
	step := func(price, size int64) { b.Apply(&market.BookEvent{Bids: []market.Level{{Price: price, Size: size}}}) }
	step(10, 5)
	from := b.Ticks()
	step(11, 3)
	step(10, 6)
	step(11, 0)
	step(10, 5)
	var c Changes
	if !b.Changes(&c, from, b.Ticks()) || c.Len() != 0 {
		t.Fatalf("%+v", c)
	}
	if !b.Changes(&c, from, b.Ticks()-1) || !slices.Equal(c.Bids, []market.Level{{Price: 10, Size: 6}}) {
		t.Fatalf("one tick ago: %+v", c)
	}
}

func TestABookIsBounded(t *testing.T) {
	const given = 100_000
	var image market.BookEvent
	image.Snapshot = true
	for i := range int64(given) {
		image.Bids = append(image.Bids, market.Level{Price: -i, Size: 1})
		image.Asks = append(image.Asks, market.Level{Price: 1 + i, Size: 2})
	}
	var b Book
	check := func(o Outcome, bids, asks int) {
		t.Helper()
		if o.Trimmed != [2]int{bids, asks} || b.Len(Bids) > market.MaxLevels || b.Len(Asks) > market.MaxLevels || cap(b.sides[0].levels) > 2*market.MaxLevels {
			t.Fatalf("%+v with %d bids and %d asks, room for %d", o, b.Len(Bids), b.Len(Asks), cap(b.sides[0].levels))
		}
		if bid, _ := b.Best(Bids); bid.Price != 0 {
			t.Fatalf("the best bid is %+v: the wrong end was trimmed", bid)
		}
	}
	check(b.Apply(&image), given-market.MaxLevels, given-market.MaxLevels)
	image.Snapshot = false
	check(b.Apply(&image), given-market.MaxLevels, given-market.MaxLevels)
	check(b.Apply(&market.BookEvent{Bids: []market.Level{{Price: -given, Size: 1}}}), 1, 0)
	o := b.Apply(&market.BookEvent{Bids: []market.Level{{Price: -given, Size: 1}, {Price: -1, Size: 0}}})
	check(o, 0, 0) // what an event takes away makes room for what it brings, in whatever order
	if levels := all(&b, Bids); levels[len(levels)-1].Price != -given {
		t.Fatalf("the last bid is %+v", levels[len(levels)-1])
	}
}

func TestGroups(t *testing.T) {
	var b Book
	b.Apply(&market.BookEvent{
		Bids: []market.Level{{Price: 19, Size: 1}, {Price: 10, Size: 2}, {Price: 9, Size: 4}, {Price: -1, Size: 8}, {Price: -10, Size: 16}, {Price: -11, Size: 32}},
		Asks: []market.Level{{Price: -15, Size: 1}, {Price: -10, Size: 2}, {Price: -9, Size: 4}, {Price: 0, Size: 8}, {Price: 1, Size: 16}, {Price: 10, Size: 32}, {Price: 11, Size: 64}},
	})
	bids := []market.Level{{Price: 10, Size: 3}, {Price: 0, Size: 4}, {Price: -10, Size: 24}, {Price: -20, Size: 32}}
	asks := []market.Level{{Price: -10, Size: 3}, {Price: 0, Size: 12}, {Price: 10, Size: 48}, {Price: 20, Size: 64}}
	for n := range 6 {
		if got := b.AppendGroups(nil, Bids, n, 10); !slices.Equal(got, bids[:min(n, 4)]) {
			t.Errorf("%d groups of bids: %v", n, got)
		}
		if got := b.AppendGroups(nil, Asks, n, 10); !slices.Equal(got, asks[:min(n, 4)]) {
			t.Errorf("%d groups of asks: %v", n, got)
		}
	}
	var far Book
	far.Apply(&market.BookEvent{
		Bids: []market.Level{{Price: math.MinInt64 + 1, Size: math.MaxInt64}, {Price: math.MinInt64, Size: 1}},
		Asks: []market.Level{{Price: math.MaxInt64 - 1, Size: math.MaxInt64}, {Price: math.MaxInt64, Size: math.MaxInt64}},
	})
	if got := far.AppendGroups(nil, Bids, 5, 1000); !slices.Equal(got, []market.Level{{Price: math.MinInt64, Size: math.MaxInt64}}) {
		t.Errorf("at the low end: %v", got)
	}
	if got := far.AppendGroups(nil, Asks, 5, 1000); !slices.Equal(got, []market.Level{{Price: math.MaxInt64, Size: math.MaxInt64}}) {
		t.Errorf("at the high end: %v", got)
	}
}

// The checksum is over plain bytes that any language can lay out; the value is what others compute for the same.
func TestChecksum(t *testing.T) {
	var b Book
	if got := b.Checksum(); got != 0 {
		t.Errorf("of an empty book: %08x", got)
	}
	b.Apply(&market.BookEvent{Bids: []market.Level{{Price: 100, Size: 5}, {Price: -1, Size: 1 << 40}}, Asks: []market.Level{{Price: 101, Size: 7}}})
	if got := b.Checksum(); got != 0xcbb4ab24 {
		t.Errorf("%08x", got)
	}
	for i := range int64(200) {
		b.Apply(&market.BookEvent{Bids: []market.Level{{Price: 100 - i, Size: 1}}, Asks: []market.Level{{Price: 101 + i, Size: 1}}})
	}
	if b.Checksum() != Checksum(all(&b, Bids), all(&b, Asks)) {
		t.Error("of a deep book: more than the best levels count")
	}
}
