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
	burst float64 // mean ticks in one
	gaps  []gap   // by instrument
	due   dueHeap
}

// gap makes the times between the bursts of an instrument.
type gap struct {
	mean float64   // in nanoseconds
	tape []float32 // of recorded gaps, in units of their mean; nil: gaps are random
	at   int       // the next one on the tape
}

// Tempo is how instruments tick.
type Tempo struct {
	Instruments int
	// Hz is how many times a second an instrument ticks, on average over all instruments.
	Hz float64
	// Burst is how many ticks come together, on average; at least 1, which means none but single ticks. Recorded ticks
	// come in bursts of their own.
	Burst float64
	// Zipf: the n-th instrument ticks 1/n as often as the first; else all tick alike.
	Zipf bool
	// Tapes are recorded gaps between ticks, in any unit. Each instrument plays one of them from a place of its own, as
	// fast or slow as its rate asks for. None: gaps are exponential, which is what independent events have.
	Tapes [][]float32
}

// NewSchedule makes the schedule that follows from a seed.
func NewSchedule(seed uint64, t Tempo) *Schedule {
	s := &Schedule{rng: rand.New(rand.NewPCG(seed, 0x5eed)), burst: t.Burst}
	if len(t.Tapes) > 0 {
		s.burst = 1
	}
	harmonic := 0.0
	for i := range t.Instruments {
		harmonic += 1 / float64(i+1)
	}
	for i := range t.Instruments {
		hz := t.Hz
		if t.Zipf {
			hz *= float64(t.Instruments) / harmonic / float64(i+1)
		}
		g := gap{mean: s.burst / hz * float64(time.Second)}
		if len(t.Tapes) > 0 {
			g.tape = t.Tapes[s.rng.IntN(len(t.Tapes))]
			g.at = s.rng.IntN(len(g.tape))
		}
		s.gaps = append(s.gaps, g)
		s.due = append(s.due, due{at: s.next(i, 0), instrument: i})
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
	d.at = s.next(d.instrument, d.at)
	heap.Fix(&s.due, 0)
	return b
}

func (s *Schedule) next(i int, after time.Duration) time.Duration {
	g := &s.gaps[i]
	if g.tape == nil {
		return after + time.Duration(s.rng.ExpFloat64()*g.mean)
	}
	length := float64(g.tape[g.at]) * g.mean
	g.at = (g.at + 1) % len(g.tape)
	return after + time.Duration(length)
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
