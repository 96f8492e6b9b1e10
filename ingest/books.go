package ingest

import (
	"slices"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// A Book series begins with an image, to which every change counts: one that is missing leaves the book wrong for
// good. So what comes behind a gap is held, as trades are, but it is never applied across it: either what is missing
// comes after all, or a newer image does. Until then the instrument is syncing.
//
// An image may come in parts, in ticks of consecutive numbers of which all but the last are partial. So the last part
// looks like a whole image: a snapshot is trusted only where the tick ahead of it is known to be no part.
//
// Ticks without numbers are applied as they come, since nobody could tell what is missing.

// bookSeries is what a Book series has beside other series. series.last is the position of the sink's book; its
// number is 0 where that has none in the epoch.
type bookSeries struct {
	sound  bool // the sink's book is the publisher's as of series.last: the change behind it fits
	torn   bool // a tick of this epoch is lost to the book, or was refused
	gaveUp bool // what is missing does not come any more: only an image helps
	// Where the book is not sound, ticks up to floor mend nothing; counted is the number up to which all that is
	// missing is accounted for.
	floor, counted market.Sequence

	held   []heldBook // ascending
	levels int        // of held
	images int        // how many of held are snapshots or parts of one

	crossed bool // as the sink said last
	flagged bool // crossed while it should not be
}

// heldBook is an event that came ahead of its turn, or a part of an image.
type heldBook struct {
	tick.Book
	sequence market.Sequence
	arrival  int64
}

func (h *heldBook) size() int { return len(h.Bids) + len(h.Asks) }

// books takes a run of a Book series.
func (c *core) books(s *series, r run) {
	if s.book == nil {
		s.book = &bookSeries{}
	}
	switch {
	case !s.begun || s.last.Epoch == 0 && r.epoch != 0:
		// Nobody was promised what was before, unless the epoch began under this node's eyes.
		counted := r.first - 1
		if s.inst.start == r.epoch {
			counted = 0
		}
		c.beginBook(s, r.epoch, counted)
	case r.epoch > s.last.Epoch:
		c.beginBook(s, r.epoch, 0)
	}
	duplicates := 0
	for i := range r.n {
		if !c.book(s, &c.batch.Books[i], r.first+market.Sequence(i), &r) {
			duplicates++
		}
	}
	if r.from == live {
		c.counters.Add(drop.Duplicate, uint64(duplicates))
	}
	c.settleBook(s)
}

// beginBook starts an epoch of a book, which waits for its image. Numbers up to counted are nobody's loss.
func (c *core) beginBook(s *series, epoch market.Epoch, counted market.Sequence) {
	if s.book == nil {
		s.book = &bookSeries{}
	}
	b := s.book
	if s.begun {
		c.accountHeld(s)
		c.giveUpMissing(s, len(s.missing))
	}
	c.dropHeld(s, len(b.held))
	*b = bookSeries{counted: counted}
	s.begun = true
	s.last = market.Position{Epoch: epoch}
	s.gapSince = c.now
	s.fetch.reset()
}

// book takes one event, and reports false where it is known already.
func (c *core) book(s *series, e *tick.Book, seq market.Sequence, r *run) bool {
	b := s.book
	if r.from == answered && e.Snapshot && !e.Partial {
		return c.answeredBook(s, e, seq, r)
	}
	s.fill(seq, seq)
	at, waits := b.find(seq)
	if waits || seq <= s.last.Sequence || !b.sound && seq <= b.floor {
		return false
	}
	switch next := seq == s.last.Sequence+1; {
	case !c.fits(r.fit.book(e)):
		c.tear(s, seq)
	case next && len(b.held) == 0 && e.Snapshot && !e.Partial:
		c.setBook(s, e, seq, seq, r.arrival)
	case next && len(b.held) == 0 && b.sound && !e.Partial:
		c.applyBook(s, e, seq, r.arrival)
	case r.epoch == 0 && !e.Snapshot && !b.sound:
		c.refuse(drop.Undefined, 1, "change of a book without numbers ahead of its image: send the image first")
		s.last.Sequence = seq // the numbers of such ticks are feedd's own
	default:
		c.holdBook(s, at, heldBook{Book: *e, sequence: seq, arrival: r.arrival})
		c.advanceBook(s)
	}
	return true
}

// answeredBook takes the image of an answer, where it is of use: it runs ahead of the ticks that are under way.
func (c *core) answeredBook(s *series, e *tick.Book, seq market.Sequence, r *run) bool {
	b := s.book
	switch {
	case b.sound && len(b.held) == 0 && !b.flagged && !s.last.Before(s.tail):
		return false // nothing is to be mended
	case seq < s.last.Sequence || seq < b.floor && !b.sound:
		return false // older than what is known
	case seq == s.last.Sequence && b.sound && !b.flagged:
		return false // the gap is behind it
	}
	if at, waits := b.find(seq); waits && b.held[at].Partial {
		return false // made in the midst of an image, whose last part would pass for a whole one
	}
	if c.fits(r.fit.book(e)) {
		c.setBook(s, e, seq, seq+1, r.arrival)
		c.advanceBook(s)
	}
	return true
}

// setBook hands an image of number seq to the sink, whatever was missing ahead of the number first, where its ticks
// begin.
func (c *core) setBook(s *series, e *tick.Book, seq, first market.Sequence, arrival int64) {
	b := s.book
	missing := c.account(s, first)
	if b.torn || b.flagged || missing && b.sound {
		c.counters.Add(drop.BookResync, 1)
	}
	n := 0
	for n < len(b.held) && b.held[n].sequence <= seq {
		n++
	}
	c.dropHeld(s, n)
	b.sound, b.torn, b.gaveUp, b.floor, b.counted = true, false, false, 0, max(b.counted, seq)
	c.applyBook(s, e, seq, arrival)
}

// applyBook hands the next event to the sink.
func (c *core) applyBook(s *series, e *tick.Book, seq market.Sequence, arrival int64) {
	b := s.book
	s.last.Sequence, s.arrived = seq, arrival
	if len(b.held) > 0 {
		// If another gap lies behind the one that closed, it has its own time.
		s.gapSince, b.gaveUp = c.now, false
		s.fetch.reset()
	}
	c.step = market.BookEvent{
		Snapshot: e.Snapshot, Bids: e.Bids, Asks: e.Asks, ExchangeTime: e.ExchangeTime, IngestTime: arrival, Position: s.last,
	}
	b.crossed = c.sink.Book(s.inst.id, &c.step)
	c.judgeBook(s)
}

// tear says that the tick of a number cannot be used: the book is wrong until an image of this number or a later one
// comes.
func (c *core) tear(s *series, seq market.Sequence) {
	b := s.book
	c.account(s, seq)
	n := 0
	for n < len(b.held) && b.held[n].sequence <= seq {
		n++
	}
	c.dropHeld(s, n)
	if b.sound {
		s.gapSince = c.now
		s.fetch.reset()
	}
	b.sound, b.torn, b.floor, b.counted = false, true, seq, max(b.counted, seq)
	if s.last.Epoch == 0 {
		s.last.Sequence = seq
	}
	c.advanceBook(s)
}

// account notes the numbers ahead of first that are neither the sink's nor held, unless that was done before. It reports
// whether there are any.
func (c *core) account(s *series, first market.Sequence) bool {
	b := s.book
	from, some := max(s.last.Sequence, b.counted)+1, false
	for i := 0; i <= len(b.held) && from < first; i++ {
		upTo, next := first-1, first
		if i < len(b.held) && b.held[i].sequence < first {
			upTo, next = b.held[i].sequence-1, b.held[i].sequence+1
		}
		if from <= upTo {
			c.expectLate(s, from, upTo)
			some = true
		}
		from = max(from, next)
	}
	b.counted = max(b.counted, first-1)
	return some
}

// accountHeld does so for all that is missing ahead of what is known to exist.
func (c *core) accountHeld(s *series) {
	last := s.last.Sequence
	if n := len(s.book.held); n > 0 {
		last = s.book.held[n-1].sequence
	}
	if s.tail.Epoch == s.last.Epoch {
		last = max(last, s.tail.Sequence)
	}
	c.account(s, last+1)
}

// find returns where an event of that number is held, or belongs.
func (b *bookSeries) find(seq market.Sequence) (at int, held bool) {
	at = len(b.held)
	for at > 0 && b.held[at-1].sequence >= seq {
		at--
	}
	return at, at < len(b.held) && b.held[at].sequence == seq
}

// holdBook keeps an event. Beyond what may be held everything is let go: the numbers tell what to fetch, and an
// image mends the rest.
func (c *core) holdBook(s *series, at int, h heldBook) {
	b := s.book
	h.Bids, h.Asks = slices.Clone(h.Bids), slices.Clone(h.Asks)
	if len(b.held) == 0 && b.sound {
		s.gapSince = c.now
		s.fetch.reset()
	}
	if h.sequence != s.last.Sequence+1 && len(b.held) == 0 {
		c.tally.gaps++
	}
	b.held = slices.Insert(b.held, at, h)
	b.levels += h.size()
	c.levelsInAll += h.size()
	c.booksInAll++
	if h.Snapshot {
		b.images++
	}
	if len(b.held) > c.limits.held || b.levels > c.limits.levels || c.booksInAll > c.limits.heldInAll || c.levelsInAll > c.limits.levelsInAll {
		b.torn = true
		c.accountHeld(s)
		c.dropHeld(s, len(b.held))
		s.fetch.reset()
	}
}

// dropHeld forgets the first n held events.
func (c *core) dropHeld(s *series, n int) {
	if n == 0 {
		return
	}
	b := s.book
	for i := range b.held[:n] {
		h := &b.held[i]
		b.levels -= h.size()
		c.levelsInAll -= h.size()
		if h.Snapshot {
			b.images--
		}
	}
	c.booksInAll -= n
	if b.held = slices.Delete(b.held, 0, n); len(b.held) == 0 {
		b.held = nil // a burst's worth of memory is not kept for a rare event
	}
}

// advanceBook takes what is held as far as it goes.
func (c *core) advanceBook(s *series) {
	b := s.book
	if from, to, ok := s.newestImage(); ok {
		image := b.held[to].Book
		if from != to {
			image = assemble(b.held[from : to+1])
		}
		c.setBook(s, &image, b.held[to].sequence, b.held[from].sequence, b.held[to].arrival)
	}
	n := 0
	for b.sound && n < len(b.held) && b.held[n].sequence == s.last.Sequence+1 && !b.held[n].Snapshot {
		c.applyBook(s, &b.held[n].Book, b.held[n].sequence, b.held[n].arrival)
		n++
	}
	c.dropHeld(s, n)
	if last, misfit := s.misfit(); misfit {
		c.refuse(drop.BadValue, 1, "image of a book in parts that do not follow one another: want consecutive ticks, all but the last partial")
		c.tear(s, last)
	}
}

// newestImage finds the last whole image among what is held, from its first part to its last one.
func (s *series) newestImage() (from, to int, ok bool) {
	held := s.book.held
	if s.book.images == 0 {
		return 0, 0, false
	}
	for to = len(held) - 1; to >= 0; to-- {
		if !held[to].Snapshot || held[to].Partial {
			continue
		}
		for from = to; from > 0 && held[from-1].sequence == held[from].sequence-1; from-- {
			if !held[from-1].Partial {
				return from, to, true
			}
		}
		if held[from].sequence == s.last.Sequence+1 {
			return from, to, true
		}
	}
	return 0, 0, false
}

// misfit finds parts of an image, next in turn, behind which comes something else than a part. The number is that of
// the last of them.
func (s *series) misfit() (last market.Sequence, found bool) {
	b := s.book
	if len(b.held) == 0 || !b.sound || b.held[0].sequence != s.last.Sequence+1 || !b.held[0].Partial {
		return 0, false
	}
	for i := 1; i < len(b.held) && b.held[i].sequence == b.held[i-1].sequence+1; i++ {
		if !b.held[i].Snapshot {
			return b.held[i-1].sequence, true
		}
	}
	return 0, false
}

// assemble puts the parts of an image together.
func assemble(parts []heldBook) tick.Book {
	whole := tick.Book{Snapshot: true, ExchangeTime: parts[len(parts)-1].ExchangeTime}
	for i := range parts {
		whole.Bids = append(whole.Bids, parts[i].Bids...)
		whole.Asks = append(whole.Asks, parts[i].Asks...)
	}
	return whole
}
