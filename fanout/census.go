package fanout

import "github.com/feedd/feedd/throttle"

// Census is who is served at one moment, and how.
type Census struct {
	Subscribers int
	Blocked     int               // of those, with a connection that takes no frame at the moment
	Rungs       [rungs]RungCensus // by cadence, the paused ones last
}

// RungCensus is a cadence's share.
type RungCensus struct {
	Cadence throttle.Cadence
	Lanes   int // subscribers with something at this cadence
	Lagging int // of those, behind the last cut
	Views   int // frozen at each cut, over all phases
	Cohorts int // different frames at each cut, over all phases
}

// Census asks each worker, between two of its turns. It may be called from any goroutine; after Close it is empty.
func (e *Engine) Census() (c Census) {
	for rung := range c.Rungs {
		c.Rungs[rung].Cadence = throttle.Cadence(rung)
	}
	c.Rungs[rungOfPaused].Cadence = throttle.Paused
	for _, w := range e.workers {
		w.do(func(w *worker) { w.census(&c) })
	}
	return c
}

func (w *worker) census(c *Census) {
	c.Subscribers += len(w.subscribers)
	for _, s := range w.subscribers {
		if s.blocked {
			c.Blocked++
		}
	}
	for _, p := range w.active {
		r := &c.Rungs[rungOf(p.cadence)]
		r.Lanes += p.lanes
		r.Lagging += len(p.lagging)
		r.Views += len(p.index)
		r.Cohorts += len(p.order)
	}
}
