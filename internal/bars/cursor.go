package bars

import "sort"

// Cursor is how far a reader of a Series is informed. The zero Cursor is that of one that has read nothing and wants
// all bars.
//
// It moves in passes: a pass goes along the bars that changed since Revision, and brings the reader to revision Until.
// Bars that change meanwhile are met by the next pass.
type Cursor struct {
	Revision uint64 // every change up to this one is known
	Until    uint64 // of the pass under way; 0: none is
	Index    uint64 // where the pass goes on
	Known    int64  // the bars below this number are known for good, or were named as lost
}

// Frozen is an earlier state of a Series that a reader is to be brought to. Bars ahead of its newest are told as they
// are now: they come again with the step behind the frozen state.
type Frozen struct {
	Newest   Held
	Revision uint64
}

// Freeze returns the state of s.
func (s *Series) Freeze() Frozen { return Frozen{Newest: s.newest, Revision: s.revision} }

// End is the cursor of a reader that has read everything.
func (s *Series) End() Cursor {
	return Cursor{Revision: s.revision, Known: s.known(&s.newest)}
}

// Join is the cursor of a new reader that wants the last n closed bars, and the newest one in any case.
func (s *Series) Join(n int) Cursor {
	return Cursor{Until: s.revision, Index: s.Back(n), Known: 1}
}

// known is the number below which all bars are known for good once h is.
func (s *Series) known(h *Held) int64 {
	n := s.Number(h.Start)
	if h.Closed {
		n++
	}
	return n
}

// Lost returns the range of bars, by number, that were dropped before the reader at c got them in their last form, and
// brings c past them. f is as in Read.
func (s *Series) Lost(c *Cursor, f *Frozen) (from, to int64, lost bool) {
	d := &s.dropped
	to = d.last
	if f != nil {
		to = min(to, s.Number(f.Newest.Start)-1)
	}
	fresh := c.Revision == 0 && c.Until != 0 && c.Known == 1
	if !fresh && d.last != 0 && to >= c.Known {
		from, lost = max(c.Known, d.first), true
		c.Known = to + 1
	}
	if d.amended > c.Revision && c.Revision != 0 && c.Until == 0 && d.amendedFrom < c.Known {
		if !lost {
			from, to = d.amendedFrom, d.amendedFrom
		}
		from, to, lost = min(from, d.amendedFrom), max(to, min(d.amendedTo, c.Known-1)), true
	}
	return from, to, lost
}

// Read returns the next bar that the reader at c is to get on its way to the state of s or, unless nil, to the earlier
// one f; nil when it is there. The bar is valid until the next change. The newest bar of that state comes last.
func (s *Series) Read(c *Cursor, f *Frozen) *Held {
	newest, revision := &s.newest, s.revision
	if f != nil {
		newest, revision = &f.Newest, f.Revision
	}
	for revision != 0 {
		if c.Until == 0 {
			if c.Revision >= revision {
				return nil
			}
			c.Until, c.Index = revision, s.changedSince(c.Revision)
		}
		for i := max(c.Index, s.First()); i < s.next; i++ {
			h := s.At(i)
			if h.Start >= newest.Start {
				break
			}
			c.Index = i + 1
			if h.Revision > c.Revision && (c.Revision > 0 || h.Trades > 0) {
				c.Known = max(c.Known, s.known(h))
				return h
			}
		}
		if h := s.arrive(c, newest, revision); h != nil {
			return h
		}
	}
	return nil
}

// arrive ends the pass of c. It returns the newest bar where that is still to be told.
func (s *Series) arrive(c *Cursor, newest *Held, revision uint64) *Held {
	since := c.Revision
	until := min(c.Until, revision)
	c.Until = 0
	switch {
	case newest.Revision <= since:
		c.Revision = max(since, until)
		return nil
	case until < revision:
		// Differences follow the newest bar, so a reader must never hold a later form of it than its revision says:
		// it gets the bar only with the step that ends at the very state that is wanted.
		c.Revision = max(since, min(until, newest.Revision-1))
		return nil
	}
	c.Revision = revision
	c.Known = max(c.Known, s.known(newest))
	return newest
}

// changedSince returns the index of the first bar that changed later than at a revision.
func (s *Series) changedSince(revision uint64) uint64 {
	first := s.First()
	if s.amended > revision {
		return first
	}
	n := sort.Search(int(s.next-first), func(n int) bool { return s.At(first+uint64(n)).Revision > revision })
	return first + uint64(n)
}
