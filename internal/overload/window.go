package overload

import "time"

// Bounds of a window.
const (
	minWindow = time.Second
	maxWindow = 5 * time.Minute
)

// LeastAccepts is what each core of a node that never saw a crowd is taken to accept a second. A core that did nothing else would let in
// some 3,250 clients of eighty instruments; four tenths of it are kept free of serving (docs/sizing.md), and a window takes half of
// this. Less would be no safer, and makes clients wait that nobody has to wait for.
const LeastAccepts = 600

// Able is how many connections a second a node can begin: seen is the most that it was seen to, admits what it lets in at most (0: any
// number).
func Able(seen float64, cores int, admits float64) float64 {
	able := max(seen, LeastAccepts*float64(max(cores, 1)))
	if admits > 0 {
		able = min(able, admits)
	}
	return able
}

// Window is the time over which clients that are sent away should come back, so that the nodes that are left can take them
// at half of what they are able to, in connections a second, all together.
func Window(clients int, able float64) time.Duration {
	return min(max(time.Duration(float64(clients)/(0.5*able)*float64(time.Second)), minWindow), maxWindow)
}
