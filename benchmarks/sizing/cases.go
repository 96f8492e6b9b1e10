package sizing

import (
	"math"

	"github.com/feedd/feedd/internal/overload"
)

// begin is when the trouble of a case starts, so that pictures show what was before.
const begin = 3.0

// KillNode ends one process. Its kernel tells clients at once.
func KillNode(u Setup, c *Costs) (*Outcome, error) {
	s := newSim("a node is killed", u, c)
	s.out.start = begin
	s.do(begin, func() {
		s.found(s.nodes[0], false)
		s.nodes[0].die(s, false, func() float64 { return s.now + s.Network/2 })
	})
	return s.run()
}

// LoseZone has the machines of a zone fall silent: nobody is told, and clients find out by themselves.
func LoseZone(u Setup, c *Costs) (*Outcome, error) {
	s := newSim("a zone falls silent", u, c)
	s.out.start = begin
	s.do(begin, func() {
		for _, n := range s.nodes {
			if n.zone == 0 {
				s.found(n, false)
				n.die(s, true, func() float64 { return s.now + silence + s.rng.Float64()*betweenLooks })
			}
		}
	})
	return s.run()
}

// CutAll ends every connection, as a balancer that starts anew does. Nodes stay.
func CutAll(u Setup, c *Costs) (*Outcome, error) {
	s := newSim("every connection is cut at once", u, c)
	s.out.start = begin
	s.do(begin, func() {
		for _, n := range s.nodes {
			for len(n.live) > 0 {
				s.lose(n.live[len(n.live)-1], s.now+s.Network/2)
			}
		}
	})
	return s.run()
}

// Rolling is how nodes are replaced.
type Rolling struct {
	Within float64 `json:"drain_within_s"`
	Peers  int     `json:"drain_peers"`
	Start  float64 `json:"start_s"` // from the end of the old process to readiness of the new one
	Pause  float64 `json:"pause_s"` // from there to the next
}

// The server's, in cmd/feedd and transport/ws.
const (
	closeShare   = 0.7  // part of the time to drain over which connections are closed
	reconnectMin = 0.5  // seconds, the least that clients are asked to wait
	closeStep    = 0.05 // seconds, the least between two slices
)

// Restart replaces all nodes, one at a time.
func Restart(u Setup, r Rolling, c *Costs) (*Outcome, error) {
	s := newSim("a rolling restart", u, c)
	s.out.start = begin
	s.do(begin, func() { s.replace(r, 0) })
	return s.run()
}

func (s *sim) replace(r Rolling, i int) {
	n := s.nodes[i]
	s.drain(n, r)
	s.do(s.now+r.Within, func() {
		n.die(s, false, func() float64 { return s.now + s.Network/2 })
		s.do(s.now+r.Start, func() {
			n.reset(s)
			s.found(n, true)
			if i+1 < len(s.nodes) {
				s.do(s.now+r.Pause, func() { s.replace(r, i+1) })
			}
		})
	})
}

// drain tells everybody when to come back, and closes in slices, as the server does.
func (s *sim) drain(n *node, r Rolling) {
	n.state = draining
	s.found(n, false)
	if len(n.live) == 0 {
		return
	}
	asked := overload.Window(len(n.live), float64(r.Peers)*overload.Able(n.accepts, int(s.Cores), float64(s.Rate))).Seconds()
	over := math.Min(asked, closeShare*r.Within)
	all := append([]int32(nil), n.live...)
	s.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, c := range all {
		s.tell(c, window{reconnectMin, reconnectMin + asked})
	}
	steps := max(1, min(len(all), int(over/closeStep)))
	step := max(closeStep, over/float64(steps))
	for i := range steps {
		slice := all[i*len(all)/steps : (i+1)*len(all)/steps]
		s.do(s.now+float64(i)*step, func() {
			for _, c := range slice {
				if x := &s.clients[c]; x.phase == live && x.node == n.id { // not shed meanwhile
					s.lose(c, s.now+s.Network/2)
				}
			}
		})
	}
}

// Storm has everybody come at once, as in the scenario of that name.
func Storm(u Setup, c *Costs) (*Outcome, error) {
	u.Empty = true
	s := newSim("a storm", u, c)
	s.do(0, func() {
		for i := range s.clients {
			s.plan(0, arrives, int32(i), s.clients[i].turn)
		}
	})
	return s.run()
}

// Back is how fresh clients are when NATS is back. Nobody lost a connection.
type Back struct {
	Name  string  `json:"name"`
	Away  float64 `json:"nats_away_s"`
	P50   float64 `json:"fresh_p50_s"`
	P95   float64 `json:"fresh_p95_s"`
	All   float64 `json:"fresh_max_s"`
	Read  float64 `json:"messages_per_node"`
	Bits  float64 `json:"nats_bits_per_s"` // out of NATS meanwhile
	Bytes float64 `json:"full_rows_bytes_per_node"`
}

// The connection to NATS, as ingest makes it, and what it reads beyond the time that it was away.
const (
	reconnectWait   = 0.25 // seconds
	reconnectJitter = 0.25
	readMore        = 10.0
)

// NATSBack has NATS return after it was away for so many seconds while publishers went on into the stream: each node reads
// what it missed, and every session then gets whole rows. bound is what NATS can send in all, in bits a second.
func NATSBack(u Setup, away, bound float64, c *Costs) Back {
	s := newSim("NATS is back", u, c)
	messages := (away + readMore) * u.Market.Ticks / u.Market.Burst
	size := u.Market.Burst * c.TickBytes * 8
	each := math.Min(c.ReadPerSecond, bound/size/float64(u.Nodes))
	each = math.Min(each, (u.Cores-float64(len(s.nodes[0].live))*s.need.CPU-s.ingest)/(u.Market.Burst*c.Tick))
	b := Back{Name: s.out.Name, Away: away, Read: messages, Bits: each * size * float64(u.Nodes)}
	caughtUp := make([]float64, u.Nodes)
	for i := range caughtUp {
		caughtUp[i] = reconnectWait + s.rng.Float64()*reconnectJitter + messages/each
	}
	for i := range s.clients {
		n := s.nodes[s.clients[i].node]
		full := s.need.FullRows * float64(len(n.live)) / (u.Cores - s.ingest) // until the node has sent all of them
		wait := math.Max(s.Classes[s.clients[i].class].Cadence, full) * s.rng.Float64()
		s.out.away = append(s.out.away, caughtUp[n.id]+wait+s.Network/2)
	}
	s.out.finish(s)
	b.P50, b.P95, b.All = s.out.P50, s.out.P95, s.out.All
	b.Bytes = float64(len(s.nodes[0].live)) * (c.FrameBytes + s.need.Symbols*c.FullRowBytes)
	return b
}
