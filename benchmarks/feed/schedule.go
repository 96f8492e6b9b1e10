package feed

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"
)

// Burst is a number of ticks of one instrument that fall due together.
type Burst struct {
	At         time.Duration // since the start
	Instrument int
	Ticks      int
}

// Schedule tells when which instrument ticks. Next never ends.
type Schedule struct {
	rng   *rand.Rand
	gap   float64 // mean time between two bursts of an instrument, in nanoseconds
	burst float64 // mean ticks in one
	due   dueHeap
}

// NewSchedule spreads hz ticks a second and instrument over bursts of burst ticks on average (at least
// 1; 1 means none but single ticks).
func NewSchedule(seed uint64, instruments int, hz, burst float64) *Schedule {
	s := &Schedule{
		rng:   rand.New(rand.NewPCG(seed, 0x5eed)),
		gap:   burst / hz * float64(time.Second),
		burst: burst,
	}
	for i := range instruments {
		s.due = append(s.due, due{at: s.next(0), instrument: i})
	}
	heap.Init(&s.due)
	return s
}

// Peek returns when the next burst falls due.
func (s *Schedule) Peek() time.Duration { return s.due[0].at }

// Next returns the next burst; times never go back.
func (s *Schedule) Next() Burst {
	d := &s.due[0]
	b := Burst{At: d.at, Instrument: d.instrument, Ticks: s.ticks()}
	d.at = s.next(d.at)
	heap.Fix(&s.due, 0)
	return b
}

func (s *Schedule) next(after time.Duration) time.Duration {
	return after + time.Duration(s.rng.ExpFloat64()*s.gap)
}

// ticks draws from the geometric distribution on 1, 2, … with mean burst.
func (s *Schedule) ticks() int {
	if s.burst <= 1 {
		return 1
	}
	return 1 + int(math.Log(1-s.rng.Float64())/math.Log(1-1/s.burst))
}

type due struct {
	at         time.Duration
	instrument int
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
