package conns

import (
	"context"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/feedd/feedd/internal/outgoing"
)

// member is a connection whose client is polite, or never goes by itself.
type member struct {
	seat   int
	polite bool
	ending Ending
	gone   chan struct{}
	at     time.Duration // when it was told to go
}

type crowd struct {
	*Set[*member]
	totals Totals
	began  time.Time
}

func newCrowd() *crowd {
	c := &crowd{began: time.Now()}
	c.Set = NewSet(func(m *member, code uint16, _ string) {
		if m.ending.Claim(code) {
			m.at = time.Since(c.began)
			if m.polite {
				close(m.gone)
			}
		}
	}, func(m *member) { close(m.gone) })
	return c
}

// join adds a member, whose goroutine lives until it is gone.
func (c *crowd) join(polite bool) *member {
	m := &member{polite: polite, gone: make(chan struct{})}
	if !c.Add(m, &m.seat, c.totals.Open) {
		return nil
	}
	go func() {
		defer c.Ended()
		<-m.gone
		c.Remove(&m.seat, func() { c.totals.Close(m.ending.Code(), outgoing.Sent{Frames: 1, Bytes: 10}) })
	}()
	return m
}

func (c *crowd) stats() (st Stats) {
	c.Sum(func(there iter.Seq[*member]) {
		st = c.totals.Read()
		for range there {
			st.There(outgoing.Sent{Frames: 1, Bytes: 10}, 5)
		}
	})
	return st
}

func TestEachConnectionSitsWhereItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		members := make([]*member, 10)
		for i := range members {
			members[i] = c.join(true)
		}
		for _, n := range []int{3, 9, 0, 5} { // from the middle, the last, the first
			close(members[n].gone)
			synctest.Wait()
			for _, m := range c.All() {
				if c.seats[m.seat].conn != m {
					t.Fatalf("a connection sits elsewhere than at %d", m.seat)
				}
			}
		}
		if st := c.stats(); len(c.All()) != 6 || st.Open != 6 || st.Opened != 10 || st.FramesOut != 10 || st.BytesOut != 100 || st.Pending != 30 {
			t.Errorf("%d are there, counted as %+v", len(c.All()), st)
		}
		c.Shutdown(t.Context())
		if st := c.stats(); st.Open != 0 || st.FramesOut != 10 || st.Closed[CodeGoingAway] != 6 {
			t.Errorf("after the shutdown: %+v", st)
		}
		if c.join(true) != nil {
			t.Error("somebody came in after the shutdown")
		}
		c.Shutdown(t.Context()) // once more does no harm
	})
}

func TestConnectionsEndInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		members := make([]*member, 1000)
		for i := range members {
			members[i] = c.join(true)
		}
		c.CloseAll(t.Context(), 4000, "draining", time.Second)
		bySlice, inOrder := map[time.Duration]int{}, 0
		for i, m := range members {
			bySlice[m.at]++
			if i > 0 && m.at >= members[i-1].at {
				inOrder++
			}
		}
		if len(bySlice) != int(time.Second/sliceStep) || inOrder > 900 {
			t.Errorf("%d slices, %d in the order in which they came", len(bySlice), inOrder)
		}
		for at, n := range bySlice {
			if n != len(members)/len(bySlice) {
				t.Errorf("%d ended at %v", n, at)
			}
		}
		c.Shutdown(t.Context())
	})
}

func TestAShutdownCutsOffWhoStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		swept := 0
		c.Sweep(time.Second, func(time.Time) { swept++ })
		polite, stays := c.join(true), c.join(false)
		time.Sleep(5*time.Second + time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c.Shutdown(ctx)
		if took := time.Since(c.began); took != time.Minute+5*time.Second+time.Millisecond {
			t.Errorf("the shutdown took %v", took)
		}
		if polite.ending.Code() != CodeGoingAway || stays.ending.Code() != CodeGoingAway || len(c.All()) != 0 || swept != 5 {
			t.Errorf("codes %d and %d, %d there, %d times swept", polite.ending.Code(), stays.ending.Code(), len(c.All()), swept)
		}
	})
}

func TestTheFirstReasonCounts(t *testing.T) {
	var e Ending
	if e.Code() != 0 || !e.Claim(4001) || e.Claim(1000) || e.Code() != 4001 {
		t.Errorf("code %d", e.Code())
	}
}

// slow is a handler whose Wake waits to be let go of.
type slow struct {
	said  []string
	waits chan struct{} // nil: it does not
}

func (s *slow) Receive(b []byte) { s.said = append(s.said, string(b)) }
func (s *slow) Wake()            { <-s.waits; s.said = append(s.said, "awake") }
func (s *slow) End() []slog.Attr {
	s.said = append(s.said, "end")
	return []slog.Attr{slog.Int("n", 1)}
}

func TestTheEndComesBehindTheLastWake(t *testing.T) {
	var h Handling
	h.Receive([]byte("too early"))
	h.Wake()
	s := &slow{waits: make(chan struct{}, 2)}
	s.waits <- struct{}{}
	h.Begin(s)
	h.Receive([]byte("hello"))
	woken := make(chan struct{})
	go func() { defer close(woken); h.Wake() }()
	for h.mu.TryLock() { // until it is awake
		h.mu.Unlock()
		runtime.Gosched()
	}
	go func() { s.waits <- struct{}{} }()
	if attrs := h.End(); len(attrs) != 1 || h.Current() != nil {
		t.Errorf("attributes %v, handler %v", attrs, h.Current())
	}
	<-woken
	h.Wake()
	h.Receive([]byte("too late"))
	if h.End() != nil {
		t.Error("it ended twice")
	}
	if want := []string{"awake", "hello", "awake", "end"}; !slices.Equal(s.said, want) {
		t.Errorf("%q, want %q", s.said, want)
	}
}
