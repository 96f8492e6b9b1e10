package sizing

// phase is what a client is doing.
type phase uint8

const (
	waits  phase = iota // to try again
	queued              // let in, on its way to be live
	live                // and fresh
	gone                // its node is, and it has not noticed
	phases
)

// client is a dashboard with the SDK.
type client struct {
	phase    phase
	class    uint8
	failures uint8
	told     bool // goaway holds
	node     int32
	place    int32 // among the live of its node
	turn     uint32
	since    float64 // live or away from then on
	goaway   window
}

// lose takes a client off its node; at notices tells when it will know.
func (s *sim) lose(c int32, notices float64) {
	x := &s.clients[c]
	s.nodes[x.node].remove(s, c)
	s.become(x, gone)
	if x.failures > 0 && s.now-x.since >= stableAfter {
		x.failures = 0
	}
	x.since = s.now
	s.plan(notices, drops, c, x.turn)
}

// tryLater plans the next attempt as the SDK does, behind an end or an attempt that failed.
func (s *sim) tryLater(c int32) {
	x := &s.clients[c]
	x.turn++
	s.become(x, waits)
	var asked *window
	if x.told {
		asked = &x.goaway
	}
	wait := retryDelay(int(x.failures), asked, s.rng.Float64)
	x.failures = min(x.failures+1, 200)
	s.plan(s.now+wait+s.Network/2, arrives, c, x.turn)
}

// arrive is an attempt at the balancer.
func (s *sim) arrive(c int32) {
	x := &s.clients[c]
	x.told = false // a window holds for one attempt
	s.out.Attempts++
	n, late, why := s.balance()
	if why != "" {
		s.out.refused(why)
		s.plan(s.now+late+s.Network/2, drops, c, x.turn)
		return
	}
	x.node = n
	s.become(x, queued)
	s.plan(s.now+late+patience, impatient, c, x.turn)
	s.nodes[n].enqueue(s, c)
}

// giveUp is a client that had no welcome for as long as it bears.
func (s *sim) giveUp(c int32) {
	s.out.refused("no welcome within 10 s")
	s.nodes[s.clients[c].node].conns--
	s.tryLater(c)
}

func (s *sim) become(x *client, p phase) {
	s.count[x.phase]--
	x.phase = p
	s.count[p]++
}
