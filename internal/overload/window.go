package overload

import "time"

// Bounds of a window, and what a node that never saw a crowd is taken to accept a second.
const (
	minWindow = time.Second
	maxWindow = 5 * time.Minute
	// LeastAccepts is what a node that never saw a crowd is taken to accept a second.
	LeastAccepts = 200
)

// Window is the time over which clients that are sent away should come back, so that the nodes that are left can take them
// at half of what they are able to: accepts is the most connections that one node was seen to begin in a second, peers how
// many nodes there are.
func Window(clients int, accepts float64, peers int) time.Duration {
	return WindowOf(clients, max(accepts, LeastAccepts)*float64(max(peers, 1)))
}

// WindowOf is the same where it is known how many connections a second the nodes that are left can begin in all.
func WindowOf(clients int, able float64) time.Duration {
	return min(max(time.Duration(float64(clients)/(0.5*able)*float64(time.Second)), minWindow), maxWindow)
}
