package rig

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// Footing is what a feedd holds: what must be as before when a fault is over.
type Footing struct {
	Goroutines, Descriptors int
	Heap                    float64 // bytes that live
}

// Footing reads it, having garbage collected.
func (p *Process) Footing() Footing {
	p.t.Helper()
	if response, err := http.Get(p.Admin() + "/debug/pprof/heap?gc=1"); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	return Footing{
		Goroutines: int(p.Number("go_goroutines")), Descriptors: int(p.Number("process_open_fds")),
		Heap: p.Number("go_memstats_heap_alloc_bytes"),
	}
}

func (f Footing) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %.1f MB", f.Goroutines, f.Descriptors, f.Heap/1e6)
}

// Few goroutines and descriptors come and go by themselves: requests to the admin listener, reconnects, readings of the stream. The
// heap holds what the market has brought meanwhile, which is bounded.
const (
	fewGoroutines  = 8
	fewDescriptors = 6
	someHeap       = 24e6
)

// Settles waits until the process holds no more than before, but for a little.
func (p *Process) Settles(t testing.TB, before Footing) Footing {
	t.Helper()
	ctx := Deadline(t)
	for {
		now := p.Footing()
		if now.Goroutines <= before.Goroutines+fewGoroutines && now.Descriptors <= before.Descriptors+fewDescriptors && now.Heap <= before.Heap+someHeap {
			return now
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%v are left of what was %v before", now, before)
		}
	}
}
