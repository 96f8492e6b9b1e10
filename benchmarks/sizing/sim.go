package sizing

import (
	"fmt"
	"math/rand/v2"
)

// Setup is a fleet in the model.
type Setup struct {
	Clients  int      `json:"clients"`
	Nodes    int      `json:"nodes"`
	Cores    float64  `json:"cores"`
	Memory   float64  `json:"memory_bytes"`   // of a node's limit; 0: none
	Rate     int      `json:"admission_rate"` // 0: any number
	Network  float64  `json:"network_s"`      // all round trips of a connection until it is live
	Balancer Balancer `json:"balancer"`
	Classes  []Class  `json:"-"`
	Market   Market   `json:"market"`
	Seed     uint64   `json:"seed"`
	// Patience is for how many seconds behind its last step a case may go on until it is told as it is then: with clients who
	// are still away.
	Patience float64 `json:"patience_s"`
	// Empty has nobody connected at the beginning.
	Empty bool `json:"empty,omitempty"`
}

type sim struct {
	Setup
	costs    *Costs
	need     Need
	joinCost []float64
	ingest   float64
	state    float64 // bytes of the market, and of a node without sessions

	rng     *rand.Rand
	now     float64
	agenda  agenda
	clients []client
	nodes   []*node
	epochs  []int // of nodes: what was planned for a node that died means nothing
	count   [phases]int
	steps   []func()
	open    int // steps that have yet to come
	out     *Outcome
}

func newSim(name string, u Setup, c *Costs) *sim {
	s := &sim{Setup: u, costs: c, rng: rand.New(rand.NewPCG(u.Seed, 1)), out: newOutcome(name, u)}
	s.need = NeedOf(u.Classes, u.Market, c)
	s.ingest = u.Market.Ticks * c.Tick
	s.state = c.Base + c.state(u.Market.Instruments)
	for _, k := range u.Classes {
		s.joinCost = append(s.joinCost, c.join(k.Symbols))
	}
	s.nodes, s.epochs = make([]*node, u.Nodes), make([]int, u.Nodes)
	for i := range s.nodes {
		s.nodes[i] = &node{id: int32(i), zone: i % zones}
		s.nodes[i].reset(s)
		s.nodes[i].backAt = -forever
	}
	s.clients = make([]client, u.Clients)
	s.count[waits] = u.Clients
	for i := range s.clients {
		x := &s.clients[i]
		x.class, x.since = s.classOf(), -1000
		if !u.Empty {
			n := s.nodes[i%u.Nodes]
			x.node, x.place = n.id, int32(len(n.live))
			n.live = append(n.live, int32(i))
			n.conns++
			s.become(x, live)
		}
	}
	s.plan(1, looks, 0, 0)
	return s
}

func (s *sim) classOf() uint8 {
	chance := s.rng.Float64()
	for i, k := range s.Classes {
		if chance -= k.Share; chance < 0 {
			return uint8(i)
		}
	}
	return 0
}

func (s *sim) plan(at float64, k kind, who int32, turn uint32) {
	s.agenda.add(event{at: at, kind: k, who: who, turn: turn})
}

// do plans a step of the case.
func (s *sim) do(at float64, f func()) {
	s.steps = append(s.steps, f)
	s.open++
	s.plan(at, script, int32(len(s.steps)-1), 1)
}

func (s *sim) epoch(n *node) int { return s.epochs[n.id] }

// run goes on until everybody is live and no step is left, or patience is over.
func (s *sim) run() (*Outcome, error) {
	for last := s.now; ; {
		e, ok := s.agenda.next()
		if s.open > 0 {
			last = e.at
		}
		if !ok || e.at > last+s.Patience {
			return s.out.finish(s), s.check()
		}
		if e.at < s.now {
			return nil, fmt.Errorf("%s: time went back from %v to %v", s.out.Name, s.now, e.at)
		}
		s.now = e.at
		s.happen(e)
		if s.count[live] == s.Clients && s.open == 0 {
			s.lookAll() // the second that is not over yet counts
			return s.out.finish(s), s.check()
		}
	}
}

func (s *sim) happen(e event) {
	switch e.kind {
	case arrives:
		if s.clients[e.who].turn == e.turn {
			s.arrive(e.who)
		}
	case drops:
		if s.clients[e.who].turn == e.turn {
			s.tryLater(e.who)
		}
	case impatient:
		if x := &s.clients[e.who]; x.turn == e.turn && x.phase == queued {
			s.giveUp(e.who)
		}
	case joined:
		if n := s.nodes[e.who]; uint32(s.epoch(n)) == e.turn {
			n.finish(s)
		}
	case looks:
		s.lookAll()
		s.plan(s.now+1, looks, 0, 0)
	case script:
		if e.turn == 1 {
			s.open--
		}
		s.steps[e.who]()
	}
}

func (s *sim) lookAll() {
	for _, n := range s.nodes {
		n.look(s)
	}
	s.out.second(s)
}

// back is a client that is live and fresh again, half a round later.
func (s *sim) back(x *client) {
	s.become(x, live)
	away := s.now + s.Network/2 - x.since
	if x.since < 0 {
		away = s.now
	}
	s.out.away = append(s.out.away, away)
	x.since = s.now
}

// check holds the model's books: every client is in one place, and nodes hold those who say so.
func (s *sim) check() error {
	var count [phases]int
	for i := range s.clients {
		count[s.clients[i].phase]++
	}
	total := 0
	for _, n := range s.nodes {
		for place, c := range n.live {
			if x := &s.clients[c]; x.node != n.id || x.place != int32(place) || x.phase != live {
				return fmt.Errorf("%s: node %d holds client %d, which says otherwise", s.out.Name, n.id, c)
			}
		}
		total += len(n.live)
	}
	if count != s.count || total != count[live] {
		return fmt.Errorf("%s: %v clients by phase, %v counted, %d at nodes", s.out.Name, count, s.count, total)
	}
	return nil
}
