package histogram

import (
	"sync"
	"testing"
)

func TestEventsFallIntoTheirBuckets(t *testing.T) {
	var d Durations
	d.Observe(-7, 1) // a clock that is behind
	d.Observe(50, 2)
	d.Observe(51, 3)
	d.Observe(10_000_000, 4)
	d.Observe(10_000_001, 5)
	d.Observe(1, 0)
	r := d.Read()
	for bound, want := range map[float64]uint64{0.00005: 3, 0.0001: 6, 5: 6, 10: 10} {
		if r.Buckets[bound] != want {
			t.Errorf("up to %v s: %d, want %d", bound, r.Buckets[bound], want)
		}
	}
	if r.Count != 15 || r.Sum < 90.0002 || r.Sum > 90.0003 {
		t.Errorf("%d events of %v s", r.Count, r.Sum)
	}
}

func TestNothingIsLostToOthers(t *testing.T) {
	var d Durations
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for us := range int64(1000) {
				d.Observe(us, 1)
			}
		})
	}
	wg.Wait()
	if r := d.Read(); r.Count != 8000 || r.Buckets[0.001] != 8000 {
		t.Errorf("%d events, %v", r.Count, r.Buckets)
	}
}

func TestObservingAllocatesNothing(t *testing.T) {
	var d Durations
	if n := testing.AllocsPerRun(100, func() { d.Observe(1234, 3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var d Durations
	for b.Loop() {
		d.Observe(1234, 3)
	}
}
