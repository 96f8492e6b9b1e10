package ingest

import "github.com/feedd/feedd/market"

// carriage is how far a node that carries on demand has an instrument. Definitions and statuses are taken of all of
// them: symbols must be found, and a halt must be known at once.
type carriage uint8

const (
	carried carriage = iota // everything is taken
	cold                    // nothing but definition and status
	warming                 // the past is being read; what is live is kept back by the feed
	asking                  // everything is taken, but nothing is known yet: its publisher was asked
)

// ofDirectory reports whether ticks of a channel are taken whoever holds the instrument.
func ofDirectory(ch market.Channel) bool {
	return ch == market.ChannelDefinition || ch == market.ChannelStatus
}

// takes reports whether ticks of a channel are taken.
func (inst *instrument) takes(ch market.Channel) bool {
	return inst.carriage != cold || ofDirectory(ch)
}

// identify makes an instrument known by its id.
func (c *core) identify(inst *instrument) {
	for len(c.byID) <= int(inst.id) {
		c.byID = append(c.byID, nil)
	}
	c.byID[inst.id] = inst
}

// defined returns the instrument of an id; nil: there is none.
func (c *core) defined(id market.InstrumentID) *instrument {
	if int(id) >= len(c.byID) {
		return nil
	}
	return c.byID[id]
}

// warmed ends the reading of an instrument's past, of which trades are known since a time. Where no quote was found its
// publisher is asked first, and the sink is told when that is over.
func (c *core) warmed(inst *instrument, since, now int64) {
	c.now = now
	inst.since, inst.askNext = since, 0
	for _, s := range inst.series {
		if s != nil {
			s.renew(now)
		}
	}
	if quotes := inst.series[market.ChannelQuote]; (quotes == nil || !quotes.begun) && (inst.asking || c.askSnapshot(inst)) {
		inst.carriage = asking
		return
	}
	c.settled(inst, true)
}

// begun reports whether anything is known of an instrument beside what the directory holds.
func (inst *instrument) begun() bool {
	for ch, s := range inst.series {
		if s != nil && s.begun && !ofDirectory(market.Channel(ch)) {
			return true
		}
	}
	return false
}

// settled has the sink show what is known of an instrument. Told: there may well be nothing to know.
func (c *core) settled(inst *instrument, told bool) {
	inst.carriage = carried
	c.sink.Settle(inst.id, inst.since)
	if !told && !inst.begun() {
		c.lacks(c.seriesOf(inst, market.ChannelQuote), market.QualitySuspect, reasonUntold)
	}
	c.quality(inst)
	if c.onSettled != nil {
		c.onSettled(inst.id)
	}
}

// forget lets go of an instrument's ticks. What is under way for it is ignored when it comes.
func (c *core) forget(inst *instrument, now int64) {
	c.now = now
	for ch, s := range inst.series {
		if s == nil || ofDirectory(market.Channel(ch)) {
			continue
		}
		c.heldInAll -= len(s.held)
		if s.book != nil {
			c.dropHeld(s, len(s.book.held))
		}
		if s.spelled > 1 {
			for subj, other := range c.routes {
				if other == s {
					delete(c.routes, subj)
				}
			}
		}
		delete(c.routes, s.subject)
		inst.series[ch] = nil
	}
	inst.carriage, inst.start = cold, 0
	c.sink.Forget(inst.id)
	c.quality(inst)
}
