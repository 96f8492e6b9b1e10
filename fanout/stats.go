package fanout

import (
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/histogram"
	"github.com/feedd/feedd/throttle"
)

// Stats is what an engine did since it started.
type Stats struct {
	Frames    uint64 // sent, heartbeats included
	Bytes     uint64 // of those frames
	Conflated uint64 // ticks merged into later rows, over all subscribers
	LatestCut time.Duration
	Cadences  []CadenceStats
}

// CadenceStats is how the cuts of one cadence fare.
type CadenceStats struct {
	Cadence throttle.Cadence
	// Age is how long the oldest quote of a cut had been known, once for each cut with quotes. It is no more than the
	// cadence while all is well.
	Age histogram.Reading
	// Late is how far a cut came behind its beat, once for each; immediate cuts have no beat.
	Late histogram.Reading
	// Flush is the time from a cut to the last of its frames, once for each frame: so it is the most that a frame waited.
	Flush histogram.Reading
	// Lanes and Subscriptions are those of about now, paused ones included.
	Lanes, Subscriptions int64
}

// times are the histograms of a cadence.
type times struct {
	age, late, flush histogram.Durations
}

// kept is what the lanes of a cadence come to, over all workers.
type kept struct {
	lanes, subscriptions atomic.Int64
}

// Stats returns what the engine did since it started. LatestCut is the most that a cut came after its beat.
func (e *Engine) Stats() Stats {
	st := Stats{
		Frames: e.frames.Load(), Bytes: e.bytes.Load(), Conflated: e.conflated.Load(),
		LatestCut: time.Duration(e.lateMax.Load()) * time.Microsecond,
	}
	for rung := range rungs {
		c := throttle.Cadence(rung)
		if rung == rungOfPaused {
			c = throttle.Paused
		}
		t, k := &e.times[rung], &e.kept[rung]
		st.Cadences = append(st.Cadences, CadenceStats{
			Cadence: c, Age: t.age.Read(), Late: t.late.Read(), Flush: t.flush.Read(),
			Lanes: k.lanes.Load(), Subscriptions: k.subscriptions.Load(),
		})
	}
	return st
}

// late notes how far a cut comes behind its beat, in microseconds.
func (e *Engine) late(c throttle.Cadence, us int64) {
	e.times[rungOf(c)].late.Observe(us, 1)
	raise(&e.lateMax, us)
	raise(&e.lateSince, us)
}

// raise sets m to us where that is more.
func raise(m *atomic.Uint64, us int64) {
	for {
		was := m.Load()
		if us <= int64(was) || m.CompareAndSwap(was, uint64(us)) {
			return
		}
	}
}

// TakeLateness returns the most that a cut came behind its beat since the last call.
func (e *Engine) TakeLateness() time.Duration {
	return time.Duration(e.lateSince.Swap(0)) * time.Microsecond
}

// sent notes that a cut took some microseconds, in which it gave so many frames to the kernel.
func (e *Engine) sent(p *phase, us int64, frames uint64) {
	t := &e.times[rungOf(p.cadence)]
	t.flush.Observe(us, frames)
	if p.oldest != 0 {
		t.age.Observe(p.cutTime-p.oldest, 1)
	}
}

// countLanes brings the engine's figures up to what this worker has now.
func (w *worker) countLanes() {
	var now [rungs][2]int64
	for _, p := range w.active {
		n := &now[rungOf(p.cadence)]
		n[0] += int64(p.lanes)
		for i := range p.slots {
			n[1] += int64(p.slots[i].lanes)
		}
	}
	for rung := range now {
		k, was := &w.engine.kept[rung], &w.counted[rung]
		k.lanes.Add(now[rung][0] - was[0])
		k.subscriptions.Add(now[rung][1] - was[1])
	}
	w.counted = now
}
