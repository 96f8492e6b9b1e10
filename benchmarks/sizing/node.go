package sizing

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/feedd/feedd/internal/overload"
)

type state uint8

const (
	up state = iota
	draining
	dead
)

// job is a join that a node has in hand.
type job struct {
	client int32
	turn   uint32
}

// node is a feedd.
type node struct {
	id     int32
	zone   int
	state  state
	silent bool // dead, and its machine answers nothing: not even that nobody listens

	live    []int32
	queue   []job // let in and not yet live; the first is at work
	head    int
	working bool
	owes    float64 // CPU seconds of refusals, paid with the next join

	pace    *rate.Limiter // nil: any number a second
	machine *overload.Machine
	shut    bool
	slow    bool
	accepts float64 // the most that it began in a second
	begun   float64 // in this second
	worked  float64 // CPU seconds of joins in this second
	behind  float64 // seconds of serving that did not fit

	// The balancer's view.
	conns    int
	hiddenTo float64 // taken out until then
	backAt   float64 // when it was taken in again
}

func (n *node) reset(s *sim) {
	n.state, n.silent, n.shut, n.slow = up, false, false, false
	n.live, n.queue, n.head, n.working = n.live[:0], n.queue[:0], 0, false
	n.accepts, n.owes, n.behind, n.conns = 0, 0, 0, 0
	n.pace = nil
	if s.Rate > 0 {
		n.pace = rate.NewLimiter(rate.Limit(s.Rate), max(1, s.Rate))
	}
	n.machine = overload.New(overload.DefaultLimits())
}

func at(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)) }

// refusal says why a client is not let in, in the order of the server's gate; "": it is.
func (n *node) refusal(s *sim) string {
	switch {
	case n.state == draining:
		return "draining"
	case n.shut:
		return "overload"
	case n.pace != nil && !n.pace.AllowN(at(s.now), 1):
		return "too many at the moment"
	}
	return ""
}

func (n *node) enqueue(s *sim, c int32) {
	n.conns++
	n.begun++
	n.queue = append(n.queue, job{c, s.clients[c].turn})
	if !n.working {
		n.work(s)
	}
}

// serving is the cores that frames and ticks take.
func (n *node) serving(s *sim) float64 {
	need := s.need.CPU
	if n.slow {
		need = s.need.Slowed
	}
	return s.ingest + float64(len(n.live))*need
}

// Joins are let starve no further than that: the processor is shared with those who have turns of their own.
const joinShare = 0.2

// work begins the next join, with the cores that serving leaves.
func (n *node) work(s *sim) {
	if n.head == len(n.queue) {
		n.queue, n.head, n.working = n.queue[:0], 0, false
		return
	}
	j := n.queue[n.head]
	cost := s.joinCost[s.clients[j.client].class] + n.owes
	if s.clients[j.client].turn != j.turn {
		cost = s.costs.Join + n.owes // whoever has hung up is found out at its first answer
	}
	n.owes = 0
	n.working = true
	n.worked += cost
	left := math.Max(s.Cores-n.serving(s), s.Cores*joinShare)
	s.plan(s.now+cost/left, joined, n.id, uint32(s.epoch(n)))
}

// finish ends the join at work.
func (n *node) finish(s *sim) {
	j := n.queue[n.head]
	n.head++
	if x := &s.clients[j.client]; x.turn == j.turn && x.phase == queued {
		x.turn++
		x.place = int32(len(n.live))
		n.live = append(n.live, j.client)
		s.back(x)
	}
	n.work(s)
}

// remove takes a live client off.
func (n *node) remove(s *sim, c int32) {
	place, last := s.clients[c].place, len(n.live)-1
	moved := n.live[last]
	n.live[place] = moved
	s.clients[moved].place = place
	n.live = n.live[:last]
	n.conns--
}

// turnOfJoins is how long a worker's turn for those who join holds up a cut at most: 3 ms of jobs, and 256 KB to those who
// catch up, at some 50 µs for 4 KB.
const turnOfJoins = 6e-3

// late is how late the latest cut of this moment comes.
func (n *node) late(s *sim) float64 {
	late := s.costs.Late + n.behind
	if n.working {
		late += turnOfJoins
	}
	return late
}

// look is the server's look at its load, once a second.
func (n *node) look(s *sim) {
	if n.state == dead {
		return
	}
	serving := n.serving(s)
	// What does not fit beside joins is late, and no later than a cadence and a bit: what changed meanwhile is merged.
	room := s.Cores
	if n.head < len(n.queue) {
		room *= 1 - joinShare
	}
	n.behind = math.Min(math.Max(0, n.behind+serving/room-1), 0.5)
	n.accepts = max(n.accepts, n.begun)
	cpu := math.Min(1, (serving+n.worked)/s.Cores)
	heap := 0.0
	if s.Memory > 0 {
		heap = (s.state + float64(len(n.live))*s.need.Memory + float64(len(n.queue)-n.head)*s.need.Memory*s.costs.Peak) / s.Memory
	}
	late := n.late(s)
	n.machine.Step(int64(s.now*1e6)+1, overload.Figures{Heap: heap, CPU: cpu, Late: time.Duration(late * float64(time.Second))})
	level := n.machine.Level()
	n.shut, n.slow = n.machine.Refuses(), n.machine.Slows()
	s.out.look(n.begun, late, level)
	if level == overload.Shedding {
		n.shed(s)
	}
	n.begun, n.worked = 0, 0
}

// What the server ends of its sessions at each look while it sheds, and how long it asks them to stay away.
const (
	shedShare = 0.05
	shedMost  = 30.0
)

func (n *node) shed(s *sim) {
	for range max(1, int(shedShare*float64(len(n.live)))) {
		if len(n.live) == 0 {
			return
		}
		c := n.live[s.rng.IntN(len(n.live))]
		s.tell(c, window{shedMost / 4, shedMost})
		s.lose(c, s.now+s.Network/2)
		s.out.Shed++
	}
}

// tell is a goaway.
func (s *sim) tell(c int32, w window) { s.clients[c].told, s.clients[c].goaway = true, w }

// die ends a node. Clients notice when notices says so.
func (n *node) die(s *sim, silent bool, notices func() float64) {
	n.state, n.silent, n.working = dead, silent, false
	s.epochs[n.id]++
	for len(n.live) > 0 {
		s.lose(n.live[len(n.live)-1], notices())
	}
	for _, j := range n.queue[n.head:] {
		if x := &s.clients[j.client]; x.turn == j.turn {
			s.become(x, gone)
			x.turn++
			s.plan(notices(), drops, j.client, x.turn)
		}
	}
	n.queue, n.head, n.conns = n.queue[:0], 0, 0
}
