package ingest

import (
	"math"
	"slices"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// heldTrade is a trade that came ahead of its turn.
type heldTrade struct {
	trade   market.Trade
	refused bool // it cannot be used, and has been said so; its number is known all the same
	noticed int64
}

// events takes a run of an Event series.
func (c *core) events(s *series, r run) {
	switch {
	case !s.begun || s.last.Epoch == 0 && r.epoch != 0:
		// Nobody was promised the trades before this one, but for those behind what a heartbeat named, and those that came ahead of
		// the definition.
		s.begun = true
		s.last = market.Position{Epoch: r.epoch, Sequence: r.first - 1}
		if s.tail.Epoch == r.epoch {
			s.last.Sequence = min(s.last.Sequence, s.tail.Sequence)
		}
		if s.undefined.Epoch == r.epoch {
			s.last.Sequence = min(s.last.Sequence, s.undefined.Sequence-1)
		}
	case r.epoch > s.last.Epoch:
		c.endEpoch(s, r.epoch)
	}
	duplicates := 0
	for i := range r.n {
		seq := r.first + market.Sequence(i)
		if seq <= s.last.Sequence {
			duplicates++
			continue
		}
		t := &c.batch.Trades[i]
		t.IngestTime = r.arrival
		t.Position = market.Position{Epoch: r.epoch, Sequence: seq}
		if seq != s.last.Sequence+1 {
			if !c.hold(s, t, &r) {
				duplicates++
			}
			continue
		}
		c.deliver(s, t, !c.fits(r.fit.trade(t)))
		c.release(s)
	}
	if r.from == live {
		c.counters.Add(drop.Duplicate, uint64(duplicates))
	}
	c.settle(s)
}

// fromTheStart says that this node saw an epoch of inst begin: its first trade will be number 1, and if it is
// not, trades are missing.
func (c *core) fromTheStart(inst *instrument, epoch market.Epoch) {
	if inst.carriage != carried {
		return
	}
	s := c.seriesOf(inst, market.ChannelTrade)
	inst.start = epoch
	if inst.defined && !s.begun && s.tail.Epoch != epoch { // where a heartbeat named trades, it began before
		s.begun = true
		s.last = market.Position{Epoch: epoch}
	}
}

// deliver hands the next trade to the sink, or its number where the trade was refused.
func (c *core) deliver(s *series, t *market.Trade, refused bool) {
	if refused {
		c.sink.TradeGap(s.inst.id, t.Position.Epoch, t.Position.Sequence, t.Position.Sequence)
	} else {
		c.sink.Trade(s.inst.id, t)
		s.arrived = t.IngestTime
	}
	s.last = t.Position
}

// hold keeps a trade that came ahead of its turn. It reports false for one that is held already.
func (c *core) hold(s *series, t *market.Trade, r *run) bool {
	at := len(s.held)
	for at > 0 && s.held[at-1].trade.Position.Sequence >= t.Position.Sequence {
		at--
	}
	if at < len(s.held) && s.held[at].trade.Position.Sequence == t.Position.Sequence {
		return false
	}
	if len(s.held) == 0 {
		s.gapSince = c.now
		s.fetch.reset()
		c.tally.gaps++
	}
	refused := !c.fits(r.fit.trade(t))
	s.held = slices.Insert(s.held, at, heldTrade{*t, refused, c.now})
	c.heldInAll++
	for len(s.held) > c.limits.held || c.heldInAll > c.limits.heldInAll && len(s.held) > 0 {
		c.giveUp(s, math.MaxUint64)
	}
	return true
}

// release delivers what was held and whose turn has come.
func (c *core) release(s *series) {
	n := 0
	for n < len(s.held) && s.held[n].trade.Position.Sequence == s.last.Sequence+1 {
		c.deliver(s, &s.held[n].trade, s.held[n].refused)
		n++
	}
	if n == 0 {
		return
	}
	c.heldInAll -= n
	s.held = slices.Delete(s.held, 0, n)
	if len(s.held) == 0 {
		s.held = nil // a burst's worth of memory is not kept for a rare event
		return
	}
	// Another gap lies behind the one that closed, known since the first of what was held behind it.
	s.gapSince = s.held[0].noticed
	for i := range s.held {
		s.gapSince = min(s.gapSince, s.held[i].noticed)
	}
	s.fetch.reset()
}

// gap returns the first range of numbers that an Event series misses and since when that is known.
func (s *series) gap() (epoch market.Epoch, from, to market.Sequence, since int64, open bool) {
	switch {
	case len(s.held) > 0:
		return s.last.Epoch, s.last.Sequence + 1, s.held[0].trade.Position.Sequence - 1, s.gapSince, true
	case !s.last.Before(s.tail):
		return 0, 0, 0, 0, false
	case s.tail.Epoch == s.last.Epoch:
		return s.tail.Epoch, s.last.Sequence + 1, s.tail.Sequence, s.tailSince, true
	default:
		return s.tail.Epoch, 1, s.tail.Sequence, s.tailSince, true
	}
}

// settle looks after an Event series once what it misses has changed.
func (c *core) settle(s *series) {
	if _, _, _, _, open := s.gap(); open {
		c.watch(s)
		return
	}
	c.lacksNothing(s)
}

// giveUp reports the first gap as lost, up to a number at most, and goes on behind it.
func (c *core) giveUp(s *series, upTo market.Sequence) {
	epoch, from, to, _, open := s.gap()
	if !open {
		return
	}
	to = min(to, upTo)
	c.counters.Add(drop.MissedTicks, uint64(to-from)+1)
	c.tally.lost += uint64(to-from) + 1
	c.sink.TradeGap(s.inst.id, epoch, from, to)
	s.last = market.Position{Epoch: epoch, Sequence: to}
	s.fetch.reset()
	c.release(s)
}

// endEpoch gives up what the old epoch misses, since its publisher is gone, and begins the new one. A
// publisher numbers from 1, so whatever is missing from there on is a gap too.
func (c *core) endEpoch(s *series, next market.Epoch) {
	for {
		epoch, _, _, _, open := s.gap()
		if !open || epoch >= next {
			break
		}
		c.giveUp(s, math.MaxUint64)
	}
	s.last = market.Position{Epoch: next}
	s.fetch.reset()
}

// overdueEvents asks for what an Event series misses, or gives it up.
func (c *core) overdueEvents(s *series) bool {
	for {
		epoch, from, to, since, open := s.gap()
		if !open {
			c.lacksNothing(s)
			return false
		}
		if !s.inst.defined {
			s.tail = market.Position{} // as for a State series
			continue
		}
		grace := c.limits.reorderGrace
		if len(s.held) == 0 {
			grace = c.limits.tailGrace
		}
		timeout := c.limits.gapTimeout + grace
		if s.fetch.asking || s.fetch.away {
			timeout = c.limits.awayTimeout + grace
		}
		switch {
		case c.now-since < grace:
			return true
		case !s.begun && s.inst.toldAt < since && c.now-since < timeout:
			c.askSnapshot(s.inst) // the answer has the newest of what was before
			return true
		case !s.begun:
			// A heartbeat tells where the numbers stand. What was before is nobody's loss.
			s.begun = true
			s.last = s.tail
			continue
		case s.fetch.hopeless != 0 || c.now-since >= timeout:
			upTo := s.fetch.hopeless
			if c.now-since >= timeout {
				upTo = math.MaxUint64
			}
			if epoch > s.last.Epoch {
				c.endEpoch(s, epoch)
			}
			c.giveUp(s, upTo)
			continue
		}
		c.lacks(s, market.QualitySuspect, reasonGap)
		known := to
		if n := len(s.held); n > 0 {
			known = s.held[n-1].trade.Position.Sequence
		}
		c.askTicks(s, epoch, from, to, known)
		return true
	}
}
