package ingest

import (
	"unicode/utf8"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// series is the ticks of one instrument and channel, in the order of their numbers. There are two kinds. In a State
// series (all but trades) a tick holds the whole state, so a newer one is taken at once and what is missing before
// it is only counted. In an Event series (trades) every tick counts, so what comes behind a gap is held until
// the gap is filled or given up.
type series struct {
	inst    *instrument
	channel market.Channel
	subject string
	last    market.Position // of the last tick taken; in an Event series handed to the sink or given up
	begun   bool            // a tick was taken, or the numbering is known from a heartbeat
	arrived int64           // ingest time of the last tick taken
	open    bool            // the core's tick looks after it
	suspect bool            // counted in inst.suspect

	// A heartbeat's word of ticks that did not arrive.
	tail      market.Position // zero: none
	tailSince int64

	// State: numbers that were passed over, and may still come late.
	missing []missing

	// Event: what waits behind a gap.
	held     []heldTrade // ascending, without the gap's numbers
	gapSince int64       // when the gap ahead of held was noticed
	fetch    fetchState
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
		case r.first > s.last.Sequence+1:
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
	if s.suspect && !s.last.Before(s.tail) {
		c.lacks(s, false)
	}
}

// state applies tick i of c.batch, which is of s's channel.
func (c *core) state(s *series, i int, r *run) {
	switch s.channel {
	case market.ChannelQuote:
		q := &c.batch.Quotes[i]
		if !c.convertQuote(q, s.inst, r) {
			return
		}
		q.IngestTime = r.arrival
		q.Position = market.Position{Epoch: r.epoch, Sequence: r.first + market.Sequence(i)}
		c.sink.Quote(s.inst.id, q)
	case market.ChannelStatus:
		st := &c.batch.Statuses[i]
		c.sink.Trading(s.inst.id, st.Trading, cut(st.Reason))
	case market.ChannelDefinition:
		c.definition(s, &c.batch.Definitions[i], r.epoch)
		if r.from == live && r.epoch != 0 && r.first == 1 && i == 0 {
			c.fromTheStart(s.inst, r.epoch)
		}
	}
	// Books and statistics have no taker yet; their numbers are followed all the same.
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

// convertQuote checks a quote and brings it to the instrument's own scales, or refuses it.
func (c *core) convertQuote(q *market.Quote, inst *instrument, r *run) bool {
	switch {
	case q.BidSize < 0 || q.AskSize < 0:
		c.refuse(drop.BadValue, 1, "quote with a size below 0")
		return false
	case q.ExchangeTime < 0:
		c.refuse(drop.BadValue, 1, "quote with an exchange time before 1970: want microseconds since the Unix epoch")
		return false
	case q.Has&market.HasBid == 0 && q.BidSize != 0 || q.Has&market.HasAsk == 0 && q.AskSize != 0:
		c.refuse(drop.BadValue, 1, "quote with a size on a side without a price")
		return false
	}
	if !r.convert {
		return true
	}
	from, to := r.scales, tick.Scales{Price: inst.in.PriceScale, Size: inst.in.SizeScale}
	var ok [4]bool
	q.Bid, ok[0] = market.Rescale(q.Bid, from.Price, to.Price)
	q.BidSize, ok[1] = market.Rescale(q.BidSize, from.Size, to.Size)
	q.Ask, ok[2] = market.Rescale(q.Ask, from.Price, to.Price)
	q.AskSize, ok[3] = market.Rescale(q.AskSize, from.Size, to.Size)
	if ok != [4]bool{true, true, true, true} {
		c.refuse(drop.ScaleLoss, 1, scaleLoss)
		return false
	}
	return true
}

const scaleLoss = "value does not fit the scales that this node first saw of the instrument: restart feedd to take over new ones"

// passOver notes numbers of a State series that did not come.
func (c *core) passOver(s *series, from, to market.Sequence) {
	c.tally.gaps++
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
	if !s.inst.defined {
		s.tail = market.Position{} // the snapshot that was asked for comes first; a heartbeat will tell again
	}
	waits := s.last.Before(s.tail)
	if waits && c.now-s.tailSince >= c.limits.tailGrace {
		c.lacks(s, true)
		c.askSnapshot(s.inst)
	}
	return waits || len(s.missing) > 0
}
