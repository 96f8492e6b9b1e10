package soak

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Fault is a kind of trouble.
type Fault string

// Kinds of faults.
const (
	Cut       Fault = "cut"       // connections of some clients break
	Wave      Fault = "wave"      // those of all at once
	Hang      Fault = "hang"      // some clients read nothing for a moment
	Stick     Fault = "stick"     // some read nothing until the server gives them up
	Publisher Fault = "publisher" // is killed and begins anew
	Server    Fault = "nats"      // is killed and comes back with what it has on disk
	Freeze    Fault = "freeze"    // NATS stands still for a moment
	Policy    Fault = "policy"    // everybody is slowed down for a while
	Garbage   Fault = "garbage"   // of clients and of publishers
)

// Faults are all kinds.
var Faults = []Fault{Cut, Wave, Hang, Stick, Publisher, Server, Freeze, Policy, Garbage}

// Step is one thing to do: a fault begins, or ends.
type Step struct {
	At    time.Duration // since the start
	Fault Fault
	Ends  bool
	// Share of the clients that it concerns.
	Share float64
	// Lasts is how long a fault that begins goes on.
	Lasts time.Duration
}

func (s Step) String() string {
	switch {
	case s.Ends:
		return fmt.Sprintf("%s ends", s.Fault)
	case s.Share > 0 && s.Lasts > 0:
		return fmt.Sprintf("%s of %.0f %% for %v", s.Fault, 100*s.Share, s.Lasts.Round(time.Millisecond))
	case s.Share > 0:
		return fmt.Sprintf("%s of %.0f %%", s.Fault, 100*s.Share)
	case s.Lasts > 0:
		return fmt.Sprintf("%s for %v", s.Fault, s.Lasts.Round(time.Millisecond))
	}
	return string(s.Fault)
}

// Between the end of a fault and the next one lies a time in which things calm down.
const (
	leastPause = 10 * time.Second
	mostPause  = 20 * time.Second
)

// Schedule returns the faults of a soak between two times since its start, in order, the same for the same seed. They do not
// overlap, and all kinds come once before any comes again.
func Schedule(seed uint64, from, until time.Duration) []Step {
	random := rand.New(rand.NewPCG(seed, 0x50a4))
	var (
		steps []Step
		deck  []Fault
	)
	pause := func() time.Duration { return leastPause + time.Duration(random.Int64N(int64(mostPause-leastPause))) }
	for at := from + pause(); ; at += pause() {
		if len(deck) == 0 {
			deck = append(deck, Faults...)
			random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		begin := draw(deck[0], random)
		begin.At = at
		if at += begin.Lasts; at >= until {
			return steps
		}
		deck = deck[1:]
		steps = append(steps, begin)
		if begin.Lasts > 0 {
			steps = append(steps, Step{At: at, Fault: begin.Fault, Ends: true})
		}
	}
}

func draw(f Fault, random *rand.Rand) Step {
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(random.Int64N(int64(most-least)))
	}
	s := Step{Fault: f}
	switch f {
	case Cut:
		s.Share = 0.1 + 0.4*random.Float64()
	case Wave:
		s.Share = 1
	case Hang:
		s.Share, s.Lasts = 0.1+0.2*random.Float64(), between(2*time.Second, 8*time.Second)
	case Stick:
		// Longer than the server waits for an answer to its pings, 45 s, and for a full buffer to move, 20 s.
		s.Share, s.Lasts = 0.05, 50*time.Second
	case Publisher:
		s.Lasts = between(500*time.Millisecond, 4*time.Second)
	case Server:
		s.Lasts = between(500*time.Millisecond, 3*time.Second)
	case Freeze:
		s.Lasts = between(time.Second, 5*time.Second)
	case Policy:
		s.Lasts = between(4*time.Second, 8*time.Second)
	}
	return s
}
