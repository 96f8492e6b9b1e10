package ingest

import "github.com/feedd/feedd/market"

// Why an instrument is not believed. What is the book's begins with "book: ", so that those who read only prices can
// tell.
const (
	reasonCold        = "not carried until somebody asks: its state is on the way"
	reasonUntold      = "neither the stream nor its publisher told its state"
	reasonGap         = "gap: ticks are missing"
	reasonBookGap     = "book: changes are missing"
	reasonBookRefused = "book: a tick was refused"
	reasonBookAbsent  = "book: waiting for its image"
	reasonBookCrossed = "book: best bid at or above best ask"
)

// lacks says that s is not as it should be, for a reason.
func (c *core) lacks(s *series, q market.Quality, reason string) {
	if s.lack == q && s.lacking == reason {
		return
	}
	s.lack, s.lacking = q, reason
	c.quality(s.inst)
}

func (c *core) lacksNothing(s *series) { c.lacks(s, market.QualityUnknown, "") }

// quality tells the sink the worst that is to be said of inst, if that has changed.
func (c *core) quality(inst *instrument) {
	if !inst.defined {
		return
	}
	q, reason := market.QualityOK, ""
	for _, s := range inst.series {
		if s != nil && s.lack > q {
			q, reason = s.lack, s.lacking
		}
	}
	if inst.carriage != carried {
		q, reason = market.QualitySyncing, reasonCold
	}
	if inst.quality == q && inst.reason == reason {
		return
	}
	inst.quality, inst.reason = q, reason
	c.sink.Quality(inst.id, q, reason)
}
