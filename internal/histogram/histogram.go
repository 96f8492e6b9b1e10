// Package histogram counts durations by size. Recording takes no lock and allocates nothing, so it may be done once for
// each cut or batch; package admin turns what was counted into metrics.
package histogram

import (
	"sync/atomic"
	"time"
)

// bounds are what the buckets reach up to, inclusively, in microseconds: from what a cut takes when all is well to what
// users call broken, with steps of about 2.5.
var bounds = [...]int64{
	50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
}

// Durations is a histogram. The zero value is ready, and its methods may be called from any goroutine.
type Durations struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Uint64 // microseconds
}

// Observe counts n events that took some microseconds each. What is below 0, as when two clocks differ, counts as 0.
func (d *Durations) Observe(us int64, n uint64) {
	if n == 0 {
		return
	}
	us = max(us, 0)
	i := 0
	for i < len(bounds) && us > bounds[i] {
		i++
	}
	d.counts[i].Add(n)
	d.sum.Add(uint64(us) * n)
}

// Reading is what a histogram held at one moment.
type Reading struct {
	Buckets map[float64]uint64 // events of at most so many seconds, smaller ones included
	Count   uint64             // of all events
	Sum     float64            // seconds
}

// Read returns what was counted so far. Events that are counted meanwhile may be in one figure and not in another.
func (d *Durations) Read() Reading {
	r := Reading{Buckets: make(map[float64]uint64, len(bounds)), Sum: float64(d.sum.Load()) / 1e6}
	for i := range bounds {
		r.Count += d.counts[i].Load()
		r.Buckets[(time.Duration(bounds[i]) * time.Microsecond).Seconds()] = r.Count
	}
	r.Count += d.counts[len(bounds)].Load()
	return r
}
