package ingest

import (
	"unicode/utf8"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// series is the ticks of one instrument and channel, in the order of their numbers. There are three kinds. In a State
// series (quotes, statuses, definitions, statistics) a tick holds the whole state, so a newer one is taken at once and
// what is missing before it is only counted. In an Event series (trades) every tick counts, so what comes behind a
// gap is held until the gap is filled or given up. In a Book series every tick counts as well, but a gap is never
// passed over: an image mends it (books.go).
type series struct {
	inst    *instrument
	channel market.Channel
	subject string
	last    market.Position // of the last tick taken; in an Event series handed to the sink or given up, in a Book series the sink's
	begun   bool            // a tick was taken, or the numbering is known from a heartbeat
	arrived int64           // ingest time of the last tick taken
	open    bool            // the core's tick looks after it
	spelled uint8           // subjects that lead here

	// What the instrument's quality has to say of this series; zero: nothing is missing.
	lack    market.Quality
	lacking string // the reason

	// A heartbeat's word of ticks that did not arrive.
	tail      market.Position // zero: none
	tailSince int64

	// State: numbers that were passed over, and may still come late.
	missing []missing

	// Event: what waits behind a gap.
	held     []heldTrade // ascending, without the gap's numbers
	gapSince int64       // when the gap ahead of held (of a book, also the lack of an image) was noticed
	fetch    fetchState
	// The first live tick of an epoch that had no definition yet. A series that begins afterwards misses it.
	undefined market.Position

	book *bookSeries // Book
}

// missing is a range of numbers that were passed over.
type missing struct {
	from, to market.Sequence
	until    int64 // then it counts as missed
}

// states takes a run of a State series.
func (c *core) states(s *series, r run) {
	skip := 0
	if s.begun && r.epoch == s.last.Epoch {
		switch {
		case r.first <= s.last.Sequence:
			skip = int(min(market.Sequence(r.n), s.last.Sequence-r.first+1))
			s.fill(r.first, r.first+market.Sequence(skip)-1)
			if r.from == live {
				c.counters.Add(drop.Duplicate, uint64(skip))
			}
			if skip == r.n {
				return
			}
		case r.first > s.last.Sequence+1 && r.from != stored: // of the stream only the last state is read
			c.passOver(s, s.last.Sequence+1, r.first-1)
		}
	} else {
		c.giveUpMissing(s, len(s.missing))
	}
	s.begun = true
	for i := skip; i < r.n; i++ {
		c.state(s, i, &r)
	}
	s.last = market.Position{Epoch: r.epoch, Sequence: r.first + market.Sequence(r.n-1)}
	s.arrived = r.arrival
	if !s.last.Before(s.tail) {
		c.lacksNothing(s)
	}
}

// state applies tick i of c.batch, which is of s's channel.
func (c *core) state(s *series, i int, r *run) {
	switch s.channel {
	case market.ChannelQuote:
		q := &c.batch.Quotes[i]
		if !c.fits(r.fit.quote(q)) {
			return
		}
		q.IngestTime = r.arrival
		q.Position = market.Position{Epoch: r.epoch, Sequence: r.first + market.Sequence(i)}
		c.sink.Quote(s.inst.id, q)
	case market.ChannelStatus:
		st := &c.batch.Statuses[i]
		s.inst.trading = st.Trading
		c.sink.Trading(s.inst.id, st.Trading, cut(st.Reason))
		if book := s.inst.series[market.ChannelBook]; book != nil && book.book != nil {
			c.judgeBook(book)
			c.settleBook(book)
		}
	case market.ChannelDefinition:
		c.definition(s, &c.batch.Definitions[i], r.epoch)
		if r.from == live && r.epoch != 0 && r.first == 1 && i == 0 {
			c.fromTheStart(s.inst, r.epoch)
		}
	case market.ChannelStats:
		st := &c.batch.Statistics[i]
		if !c.fits(r.fit.statistics(st)) {
			return
		}
		st.IngestTime = r.arrival
		st.Position = market.Position{Epoch: r.epoch, Sequence: r.first + market.Sequence(i)}
		c.sink.Statistics(s.inst.id, st)
	}
}

// cut shortens a status reason to what may be said: a halt is too important to be refused over its words.
func cut(reason string) string {
	if len(reason) <= market.MaxReasonLen {
		return reason
	}
	n := market.MaxReasonLen
	for n > 0 && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}

// passOver notes numbers of a State series that did not come.
func (c *core) passOver(s *series, from, to market.Sequence) {
	c.tally.gaps++
	c.expectLate(s, from, to)
}

// expectLate gives numbers that were passed over the time to come late, before they count as missed.
func (c *core) expectLate(s *series, from, to market.Sequence) {
	if len(s.missing) == maxMissing {
		c.giveUpMissing(s, 1)
	}
	s.missing = append(s.missing, missing{from, to, c.now + c.limits.gapTimeout})
	c.watch(s)
}

// giveUpMissing counts the first n ranges as missed for good.
func (c *core) giveUpMissing(s *series, n int) {
	for _, m := range s.missing[:n] {
		c.counters.Add(drop.MissedTicks, uint64(m.to-m.from)+1)
	}
	s.missing = append(s.missing[:0], s.missing[n:]...)
}

// fill takes numbers that came late out of the missing ones.
func (s *series) fill(from, to market.Sequence) {
	if len(s.missing) == 0 {
		return
	}
	var rest []missing
	for _, m := range s.missing {
		if to < m.from || from > m.to {
			rest = append(rest, m)
			continue
		}
		if m.from < from {
			rest = append(rest, missing{m.from, from - 1, m.until})
		}
		if to < m.to {
			rest = append(rest, missing{to + 1, m.to, m.until})
		}
	}
	s.missing = rest
}

// expect takes a heartbeat's word that ticks up to p were published.
func (c *core) expect(s *series, p market.Position) {
	if !s.last.Before(p) || !s.tail.Before(p) {
		return
	}
	// A grace that runs is not prolonged: the older word may be of a tick that is lost, too.
	if !s.last.Before(s.tail) {
		s.tailSince = c.now
	}
	s.tail = p
	c.watch(s)
}

// overdue does what is due for a series with something missing, and reports whether to look at it again.
func (c *core) overdue(s *series) bool {
	if s.channel == market.ChannelTrade {
		return c.overdueEvents(s)
	}
	n := 0
	for n < len(s.missing) && c.now >= s.missing[n].until {
		n++
	}
	if n > 0 {
		c.giveUpMissing(s, n)
	}
	if s.channel == market.ChannelBook {
		return c.overdueBook(s)
	}
	if !s.inst.defined {
		s.tail = market.Position{} // the snapshot that was asked for comes first; a heartbeat will tell again
	}
	waits := s.last.Before(s.tail)
	if waits && c.now-s.tailSince >= c.limits.tailGrace {
		c.lacks(s, market.QualitySuspect, reasonGap)
		c.askSnapshot(s.inst)
	}
	return waits || len(s.missing) > 0
}
