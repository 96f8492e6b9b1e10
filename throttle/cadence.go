package throttle

import "time"

// Cadence is a rung of the ladder: how often a subscription may be sent. The zero value is Immediate.
type Cadence uint8

// The ladder, fastest first.
const (
	Immediate Cadence = iota
	Every20ms
	Every50ms
	Every100ms
	Every250ms
	Every500ms
	Every1s
	Every2s
	Every5s
	// Cadences is how many rungs there are.
	Cadences
	// Paused is no rung: nothing is sent until the subscription moves back to one.
	Paused Cadence = 255
)

var intervals = [Cadences]time.Duration{
	Immediate: 0, Every20ms: 20 * time.Millisecond, Every50ms: 50 * time.Millisecond, Every100ms: 100 * time.Millisecond,
	Every250ms: 250 * time.Millisecond, Every500ms: 500 * time.Millisecond, Every1s: time.Second, Every2s: 2 * time.Second,
	Every5s: 5 * time.Second,
}

// Interval is the time between two cuts; 0 for Immediate and for Paused.
func (c Cadence) Interval() time.Duration {
	if c < Cadences {
		return intervals[c]
	}
	return 0
}

// String returns "immediate", "paused" or the interval.
func (c Cadence) String() string {
	switch {
	case c == Immediate:
		return "immediate"
	case c < Cadences:
		return intervals[c].String()
	case c == Paused:
		return "paused"
	}
	return "invalid"
}

// Ladder returns every rung's interval, fastest first.
func Ladder() []time.Duration { return append([]time.Duration(nil), intervals[:]...) }

// Round returns the fastest rung that is not faster than the wish, and the slowest rung for a wish
// beyond the ladder's end: a client is never sent more often than it asked for unless it asked for less
// than the ladder has. exact tells whether the wish was a rung.
func Round(wish time.Duration) (c Cadence, exact bool) {
	for c := range Cadences {
		if intervals[c] >= wish {
			return c, intervals[c] == wish
		}
	}
	return Cadences - 1, false
}
