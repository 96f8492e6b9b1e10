package footprint

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestShareOfGarbage(t *testing.T) {
	g := Garbage{Percent: 15, Least: 32 << 20}
	for lives, want := range map[int64]int{
		0: 800, 1: 800, 4 << 20: 800, 32 << 20: 100, 100 << 20: 32, 200 << 20: 16, 214 << 20: 15, 1 << 30: 15, 1 << 40: 15,
	} {
		if got := g.percent(lives); got != want {
			t.Errorf("%d bytes live: %d %%, want %d", lives, got, want)
		}
	}
}

var sink [][]byte

// Garbage is left alone until there is as much of it as may be, while little lives and while much does.
func TestCollectionsFollowGarbageAndNotWhatLives(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	g := Garbage{Percent: 15, Least: 16 << 20}
	stop := g.Await()
	t.Cleanup(func() { stop(); debug.SetGCPercent(before); sink = nil })
	for _, lives := range []int{1, 48, 8} {
		sink = make([][]byte, lives)
		for i := range sink {
			sink[i] = make([]byte, 1<<20)
		}
		await(t, g, int64(lives)<<20)
		begin := collections()
		const garbage = 256 << 20
		for range garbage / (64 << 10) {
			sink[0] = make([]byte, 64<<10)
		}
		// As many as fit, some for the way until the share has followed, none for what lives.
		if n := collections() - begin; n > 2*garbage/(16<<20) {
			t.Errorf("%d MB live: %d collections of %d MB of garbage", lives, n, garbage>>20)
		}
	}
}

// await collects until the share is that of so many bytes, or nearly so: a test's binary has some of its own, and a share that is near
// enough stays, whatever lived when it was set.
func await(t *testing.T, g Garbage, lives int64) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(time.Millisecond) {
		runtime.GC()
		percent, least, most := int(share()), g.percent(lives+lives/2+8<<20), g.percent(lives)
		if percent >= least && percent <= most || near(least, percent) || near(most, percent) {
			return
		}
	}
	t.Fatalf("the share is %d %%, and did not follow to that of %d bytes", share(), lives)
}

// share is what the collector waits for, in per cent of what lives.
func share() int64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

func collections() int64 {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	return s.NumGC
}

// Who sets GOGC means it.
func TestGOGCDecides(t *testing.T) {
	t.Setenv("GOGC", "40")
	before := debug.SetGCPercent(40)
	defer debug.SetGCPercent(before)
	defer DefaultGarbage.Await()()
	runtime.GC()
	if got := share(); got != 40 {
		t.Errorf("%d %%, want 40", got)
	}
}
