package conns

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

// Set is the connections of a server: those whose goroutine is running. Its methods may be called from any goroutine.
type Set[C any] struct {
	// Constant.
	farewell func(c C, code uint16, reason string)
	cut      func(c C)

	mu      sync.Mutex
	seats   []seat[C]
	stopped bool // no connection begins any more

	running sync.WaitGroup // connections, and the sweeper; grows under mu while stopped is false
	stop    chan struct{}  // closed by Shutdown, ends the sweeper
}

// seat is a connection, which knows where it sits.
type seat[C any] struct {
	conn C
	at   *int // under mu
}

// NewSet returns a Set without connections. farewell closes one, which then ends soon, and cut ends one at once; both are called
// without a lock and may not wait.
func NewSet[C any](farewell func(c C, code uint16, reason string), cut func(c C)) *Set[C] {
	return &Set[C]{farewell: farewell, cut: cut, stop: make(chan struct{})}
}

// Add takes in a connection that is about to run; false: the server has stopped. at is the connection's, for the Set to keep. Remove
// and then Ended must be called for it, from its own goroutine. counted is called for one that was taken in, within the moment of
// Sum.
func (s *Set[C]) Add(c C, at *int, counted func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.running.Add(1)
	*at = len(s.seats)
	s.seats = append(s.seats, seat[C]{c, at})
	counted()
	return true
}

// Remove is the counterpart of Add. counted is called within the moment of Sum.
func (s *Set[C]) Remove(at *int, counted func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.seats) - 1
	s.seats[*at] = s.seats[last]
	*s.seats[*at].at = *at
	s.seats[last] = seat[C]{}
	s.seats = s.seats[:last]
	counted()
}

// Ended tells that the goroutine of a connection comes to its end.
func (s *Set[C]) Ended() { s.running.Done() }

// All returns the connections of this moment.
func (s *Set[C]) All() []C {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]C, len(s.seats))
	for i := range s.seats {
		all[i] = s.seats[i].conn
	}
	return all
}

// Sum calls f in one moment, in which no connection comes or goes, so that none is counted twice or missed between those that
// there are and those that there were.
func (s *Set[C]) Sum(f func(there iter.Seq[C])) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(func(yield func(C) bool) {
		for i := range s.seats {
			if !yield(s.seats[i].conn) {
				return
			}
		}
	})
}

// Sweep starts a goroutine that looks after the connections: it calls f at intervals, until Shutdown. It is to be called once, before
// anything else.
func (s *Set[C]) Sweep(every time.Duration, f func(now time.Time)) {
	s.running.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				f(now)
			case <-s.stop:
				return
			}
		}
	})
}

// CloseAll closes the connections of this moment in slices of equal size and random choice, spread over a
// time, so that they do not all come back at once. When ctx ends, the rest is closed at once.
func (s *Set[C]) CloseAll(ctx context.Context, code uint16, reason string, over time.Duration) {
	all := s.All()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	steps := max(1, min(len(all), int(over/sliceStep)))
	tick := time.NewTicker(max(sliceStep, over/time.Duration(steps)))
	defer tick.Stop()
	for i := range steps {
		for _, c := range all[i*len(all)/steps : (i+1)*len(all)/steps] {
			s.farewell(c, code, reason)
		}
		if i+1 < steps && ctx.Err() == nil {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}
}

// sliceStep is the shortest time between two slices of CloseAll.
const sliceStep = 50 * time.Millisecond

// Shutdown takes in nobody any more, closes what there is with CodeGoingAway, and returns when every goroutine has ended. When ctx
// ends first, connections are cut off without waiting for their farewell.
func (s *Set[C]) Shutdown(ctx context.Context) {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.stop)
	}
	s.mu.Unlock()
	s.CloseAll(ctx, CodeGoingAway, "the server stops", 0)
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		for _, c := range s.All() {
			s.cut(c)
		}
		<-ended
	}
}
