package ingest

import (
	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// fit tells how values of some scales become the instrument's own.
func (inst *instrument) fit(from tick.Scales) fit {
	to := tick.Scales{Price: inst.in.PriceScale, Size: inst.in.SizeScale}
	return fit{from, to, from != to}
}

// scale finds the scales of a run's epoch, or refuses the run.
func (c *core) scale(s *series, r *run) bool {
	inst := s.inst
	switch s.channel {
	case market.ChannelDefinition:
		return true
	case market.ChannelStatus:
		if inst.defined {
			return true
		}
	default:
		for i := len(inst.epochs) - 1; i >= 0; i-- {
			if e := &inst.epochs[i]; e.epoch == r.epoch {
				r.fit = inst.fit(e.scales)
				return true
			}
		}
	}
	switch {
	case inst.full:
		c.refuse(drop.TooManyInstruments, r.n, "tick of an instrument beyond the limit")
	case r.epoch != 0 && r.epoch < inst.newest():
		c.refuse(drop.StaleEpoch, r.n, "tick of an epoch that has ended: the instrument was defined in a larger one")
	default:
		c.refuse(drop.Undefined, r.n, "tick ahead of its epoch's definition: publish the definition first")
		if r.from == live && r.epoch != 0 {
			c.askSnapshot(inst)
			if s.undefined.Epoch < r.epoch {
				s.undefined = market.Position{Epoch: r.epoch, Sequence: r.first}
			}
		}
	}
	return false
}
