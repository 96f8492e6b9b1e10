package bystand

import (
	"slices"
	"time"
)

// Figures are what clients saw in a time.
type Figures struct {
	// Age is of ticks when they, or what took their place, reached a client, from their publishing on.
	Age Spread
	// Upstream is the part of it until the server has taken in the tick that a row shows, exact to the millisecond.
	Upstream Spread
	// Lateness is of cuts, behind the moment at which they were due, those that were left out included.
	Lateness Spread
	// Ended is how many clients were disconnected.
	Ended int
	// Shared is how many frames were read together with a later one, whose time of arrival they were given.
	Shared int
}

// Spread is how durations are distributed.
type Spread struct {
	Count         int
	P50, P99, Max time.Duration
}

// spread is that of samples in microseconds, which it sorts.
func spread(us []int32) Spread {
	if len(us) == 0 {
		return Spread{}
	}
	slices.Sort(us)
	at := func(part float64) time.Duration {
		return time.Duration(us[min(len(us)-1, int(part*float64(len(us))))]) * time.Microsecond
	}
	return Spread{Count: len(us), P50: at(0.5), P99: at(0.99), Max: at(1)}
}
