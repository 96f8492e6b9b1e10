package ingest

import (
	"log/slog"

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
		c.ahead(s, r)
	}
	return false
}

// ahead refuses a run that came ahead of its epoch's definition, and asks for that where it can. So a node meets a publisher that
// runs already, where no stream tells it the past: nobody has made a mistake as long as somebody answers.
func (c *core) ahead(s *series, r *run) {
	level, why := slog.LevelWarn, "tick ahead of its epoch's definition: publish the definition first"
	if r.from == live && r.epoch != 0 {
		c.askSnapshot(s.inst)
		if s.undefined.Epoch < r.epoch {
			s.undefined = market.Position{Epoch: r.epoch, Sequence: r.first}
		}
		if s.inst.asking && s.inst.askWait == 0 {
			level, why = slog.LevelInfo, "tick ahead of its epoch's definition: the publisher is asked for it, and ticks are taken from its answer on; "+
				"trades before it are looked for in the stream, or told as missing"
		} else {
			why += ", or answer snapshot requests: the last one brought none"
		}
	}
	c.refuseAt(level, drop.Undefined, r.n, why)
}
