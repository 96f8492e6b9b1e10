package bars

import "sort"

// Cursor is how far a reader of a Series is informed. The zero Cursor is that of one that was there before the first bar.
//
// It moves in passes: a pass goes along the bars that changed since Revision, and brings the reader to revision Until.
// Bars that change meanwhile are met by the next pass.
type Cursor struct {
	Revision uint64 // every change up to this one is known
	Until    uint64 // of the pass under way; 0: none is
	Index    uint64 // where the pass goes on
	Known    int64  // the bars below this number are known for good, or were named as lost
	Owed     bool   // what was the newest bar at Revision is yet to be told; it is not below Known
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
	c := Cursor{Until: s.revision, Index: s.Back(n)}
	if s.end != 0 {
		c.Known = s.Number(s.At(c.Index).Start)
	}
	return c
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
	if from = max(c.Known, d.first); d.last != 0 && from <= to {
		c.Known, lost = to+1, true
	}
	knows := c.Revision
	if knows == 0 {
		knows = c.Until // of a new reader, which asked for nothing that was gone by then
	}
	if d.amended > knows && d.amendedFrom < c.Known {
		if !lost {
			from, to, lost = d.amendedFrom, d.amendedFrom, true
		}
		from, to = min(from, d.amendedFrom), max(to, min(d.amendedTo, c.Known-1))
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
			if c.Revision > revision || c.Revision == revision && !c.Owed {
				return nil
			}
			c.Until, c.Index = revision, s.begin(c)
		}
		for i := max(c.Index, s.First()); i < s.next; i++ {
			h := s.At(i)
			if h.Start >= newest.Start {
				break
			}
			c.Index = i + 1
			if s.concerns(h, c) {
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
//
// Differences follow the newest bar, so a reader must never hold a later form of it than its revision says: it gets the
// bar only with the step that ends at the very state that is wanted.
func (s *Series) arrive(c *Cursor, newest *Held, revision uint64) *Held {
	until := min(c.Until, revision)
	c.Until = 0
	owed := s.concerns(newest, c)
	if until < revision || c.Revision > revision {
		c.Revision, c.Owed = max(c.Revision, until), c.Owed || owed
		return nil
	}
	c.Revision, c.Owed = revision, false
	if !owed {
		return nil
	}
	c.Known = s.known(newest) // which is a step back where the reader had begun to be told of later bars
	return newest
}

// concerns reports whether the reader at c is to be told of h in its pass. A new one need not hear of void bars.
func (s *Series) concerns(h *Held, c *Cursor) bool {
	if c.Revision == 0 && h.Trades == 0 {
		return false
	}
	return h.Revision > c.Revision || c.Owed && s.Number(h.Start) >= c.Known
}

// begin returns the index of the first bar that may concern the reader at c.
func (s *Series) begin(c *Cursor) uint64 {
	first := s.First()
	if s.amended > c.Revision || c.Revision == 0 {
		return first
	}
	n := sort.Search(int(s.next-first), func(n int) bool { return s.concerns(s.At(first+uint64(n)), c) })
	return first + uint64(n)
}
