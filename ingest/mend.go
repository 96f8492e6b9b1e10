package ingest

import (
	"math"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// judgeBook finds out whether a book is crossed that should not be, which is a sign that changes are missing though
// all numbers came. While there is no continuous trading it is as it should be.
func (c *core) judgeBook(s *series) {
	b := s.book
	was := b.flagged
	switch s.inst.trading {
	case market.TradingAuction, market.TradingPreOpen, market.TradingClosed:
		b.flagged = false
	default:
		b.flagged = b.crossed
	}
	if b.flagged && !was {
		c.counters.Add(drop.CrossedBook, 1)
	}
}

// settleBook looks after a Book series once what it lacks has changed.
func (c *core) settleBook(s *series) {
	b := s.book
	_, open := s.hole()
	if open || b.flagged || len(s.missing) > 0 {
		c.watch(s)
	}
	switch {
	case open:
		// What is under way on a slower line gets a moment: overdueBook will say so.
	case b.flagged:
		c.lacks(s, market.QualitySuspect, reasonBookCrossed)
		c.mend(s)
	default:
		b.torn, b.gaveUp = false, false
		s.fetch.reset()
		c.lacksNothing(s)
	}
}

// hole reports whether a book is known to be behind, or is wrong, and since when.
func (s *series) hole() (since int64, open bool) {
	b := s.book
	switch {
	case len(b.held) > 0 || s.begun && !b.sound:
		return s.gapSince, true
	case s.last.Before(s.tail):
		return s.tailSince, true
	}
	return 0, false
}

// bookGap returns the first range of numbers that a book misses and that would mend it.
func (s *series) bookGap() (epoch market.Epoch, from, to market.Sequence, open bool) {
	b := s.book
	switch {
	case b == nil || !b.sound || s.last.Epoch == 0:
	case len(b.held) > 0:
		from, to = s.last.Sequence+1, b.held[0].sequence-1
	case s.tail.Epoch == s.last.Epoch && s.last.Before(s.tail):
		from, to = s.last.Sequence+1, s.tail.Sequence
	}
	return s.last.Epoch, from, to, from != 0 && from <= to
}

// overdueBook asks for what a book misses, and reports whether to look at it again.
func (c *core) overdueBook(s *series) bool {
	if !s.inst.defined {
		s.tail = market.Position{} // as for a State series
	}
	if s.book == nil {
		s.book = &bookSeries{}
	}
	b := s.book
	since, open := s.hole()
	if !open {
		c.settleBook(s)
		return b.flagged || len(s.missing) > 0
	}
	grace := c.limits.reorderGrace
	if len(b.held) == 0 && !b.torn {
		grace = c.limits.tailGrace
	}
	if c.now-since < grace {
		return true
	}
	switch {
	case !s.begun:
		c.beginBook(s, s.tail.Epoch, s.tail.Sequence) // as for trades: what was before is nobody's loss
	case s.last.Epoch < s.tail.Epoch:
		c.beginBook(s, s.tail.Epoch, 0)
	}
	reason := reasonBookGap
	switch {
	case b.sound || b.torn && b.floor == 0:
	case b.torn:
		reason = reasonBookRefused
	default:
		reason = reasonBookAbsent
	}
	c.lacks(s, market.QualitySyncing, reason)
	if _, from, to, gap := s.bookGap(); gap && !b.gaveUp {
		if s.fetch.hopeless == 0 && c.now-since < c.limits.gapTimeout+grace {
			c.askTicks(s, s.last.Epoch, from, to, s.known(to))
			return true
		}
		b.gaveUp, b.torn = true, true
		s.fetch.reset()
	}
	c.accountHeld(s)
	c.mend(s)
	return true
}

// known returns the last number of a Book series that is known to exist, from at least to.
func (s *series) known(to market.Sequence) market.Sequence {
	if n := len(s.book.held); n > 0 {
		return s.book.held[n-1].sequence
	}
	return to
}

// mend asks for an image, less and less often: the publisher first, and where a book is not sound by turns the
// stream, which may hold one and all changes behind it.
func (c *core) mend(s *series) {
	f := &s.fetch
	if f.asking || s.inst.asking || c.now < f.next {
		return
	}
	switch {
	case f.attempts%2 == 0 && c.snapshots < manySnapshots && c.askSnapshot(s.inst):
	case !s.book.sound && !f.noImage:
		c.askTicks(s, s.last.Epoch, 0, 0, math.MaxUint64)
	case c.askSnapshot(s.inst):
	default:
		return // it was asked a moment ago
	}
	f.next = c.now + min(fetchWait<<min(f.attempts, 10), snapshotWaitMax)
	f.attempts++
}
