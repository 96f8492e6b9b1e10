package sizing

// Balancer is what lies in front of the nodes. Connections go to the node that has the fewest: of all, or of two at random.
type Balancer struct {
	// OfTwo says that it is the one with fewer of two at random, as nginx does with "random two least_conn".
	OfTwo bool
	// SlowStart is over how many seconds a node that is back is taken in, as by HAProxy: its weight grows with the time.
	SlowStart float64
	// Retry says that an attempt which a node does not take goes to another one at once, as nginx does
	// (proxy_next_upstream error timeout http_503, tries 2). Else the client is told, as by HAProxy without redispatch.
	Retry bool
	// Notices is when the checks of the balancer find out that a node is gone or back, in seconds at most; at least half of it.
	Notices float64
}

const (
	connectTimeout = 2.0 // seconds that a balancer waits for a machine that is silent
	refusedRetries = 3.0 // seconds that HAProxy spends on a node that refuses, one a try
	silentRetries  = 4 * connectTimeout
	takenOut       = 5.0 // seconds for which nginx leaves a node out that failed
)

// balance chooses a node for an attempt: which, how many seconds that took, or why nobody takes it.
func (s *sim) balance() (id int32, took float64, refused string) {
	tries := 1
	if s.Balancer.Retry {
		tries = 2
	}
	avoid := int32(-1)
	for range tries {
		n := s.choose(avoid)
		if n == nil {
			return 0, took, "no node is up"
		}
		avoid = n.id
		if n.state == dead {
			refused = "its node is gone"
			switch {
			case s.Balancer.Retry && n.silent:
				took += connectTimeout
			case n.silent:
				took += silentRetries
			case !s.Balancer.Retry:
				took += refusedRetries
			}
			if s.Balancer.Retry {
				n.hiddenTo = max(n.hiddenTo, s.now+takenOut)
			}
			continue
		}
		if refused = n.refusal(s); refused == "" {
			return n.id, took, ""
		}
		n.owes += s.costs.Refuse
	}
	return 0, took, refused
}

func (s *sim) choose(avoid int32) *node {
	if !s.Balancer.OfTwo {
		return s.fewest(avoid)
	}
	var best *node
	seen := 0
	for _, i := range s.rng.Perm(len(s.nodes)) {
		n := s.nodes[i]
		if n.id == avoid || s.now < n.hiddenTo {
			continue
		}
		if best == nil || n.conns < best.conns {
			best = n
		}
		if seen++; seen == 2 {
			break
		}
	}
	return best
}

// leastWeight is that of a node in the first moment of a slow start: HAProxy's in its first twentieth.
const leastWeight = 0.05

// crowd is the connections of a node as the balancer weighs them.
func (s *sim) crowd(n *node) float64 {
	weight := 1.0
	if up := s.now - n.backAt; up < s.Balancer.SlowStart {
		weight = max(up/s.Balancer.SlowStart, leastWeight)
	}
	return float64(n.conns+1) / weight // the one that would come counts
}

// fewest is the node with the fewest connections of those that are not taken out; among equals the first after a random one.
func (s *sim) fewest(avoid int32) *node {
	var best *node
	from := s.rng.IntN(len(s.nodes))
	for i := range s.nodes {
		n := s.nodes[(from+i)%len(s.nodes)]
		if n.id != avoid && s.now >= n.hiddenTo && (best == nil || s.crowd(n) < s.crowd(best)) {
			best = n
		}
	}
	return best
}

// found plans when the checks take a node out, or back in.
func (s *sim) found(n *node, back bool) {
	delay := s.Balancer.Notices * (0.5 + s.rng.Float64()/2)
	if back {
		n.hiddenTo, n.backAt = s.now+delay, s.now+delay
		return
	}
	s.steps = append(s.steps, func() {
		if n.state != up {
			n.hiddenTo = forever
		}
	})
	s.plan(s.now+delay, script, int32(len(s.steps)-1), 0)
}

const forever = 1e12
