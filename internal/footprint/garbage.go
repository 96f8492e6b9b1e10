package footprint

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// A collection costs what lives, not what it frees, and Go begins one when garbage has come to a share of what lives. In a
// node garbage comes with the ticks (the NATS client makes three objects of each message) and what lives comes with the
// sessions. So a small share has the collector run for every few thousand ticks, each time through all sessions, and fan-out
// would cost more the faster the market is; a large one would let memory grow with the sessions. What is wanted is a small share
// with a least amount, which Go has no setting for.

// DefaultGarbage is what a node waits for: a sixth of what lives, and 24 MiB at least, so that memory for each session stays
// low and the number of collections does not depend on how few bytes live.
var DefaultGarbage = Garbage{Percent: 15, Least: 24 << 20}

// leastOfLimit bounds Garbage.Least to a share of the memory limit, so that it takes less than lies between two levels of overload.
const leastOfLimit = 20

// Garbage is how much of it may gather before Go collects it.
type Garbage struct {
	Percent int   // of what lives, as GOGC says it
	Least   int64 // bytes, whatever lives
}

// Await has the collector wait for so much garbage from now on, unless GOGC says otherwise. It follows what lives from one
// collection to the next. stop ends that and leaves the collector as it is.
func (g Garbage) Await() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	if limit := debug.SetMemoryLimit(-1); g.Least > limit/leastOfLimit {
		g.Least = limit / leastOfLimit
	}
	p := &pacer{garbage: g, roots: make([]metrics.Sample, len(scanned))}
	for i, name := range scanned {
		p.roots[i].Name = name
	}
	p.follow()
	return p.stop
}

// scanned is what a collection goes through, and Go takes its share of.
var scanned = [...]string{liveHeap, "/gc/scan/stack:bytes", "/gc/scan/globals:bytes"}

// pacer sets the share anew behind each collection. The runtime runs follow from a goroutine of its own, one call at a time.
type pacer struct {
	garbage Garbage
	roots   []metrics.Sample

	mu      sync.Mutex // guards what follows, and the setting against stop
	percent int
	stopped bool
}

func (p *pacer) follow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	metrics.Read(p.roots)
	lives := int64(0)
	for _, s := range p.roots {
		lives += int64(s.Value.Uint64())
	}
	// Setting it stops everything for some 20 µs, so it is not done for little.
	if percent := p.garbage.percent(lives); percent != p.percent && !near(percent, p.percent) {
		debug.SetGCPercent(percent)
		p.percent = percent
	}
	// What the next collection finds unreachable. It holds a pointer, since the runtime keeps small objects without any together, and
	// finds none of them unreachable before all are.
	runtime.AddCleanup(new(*pacer), (*pacer).follow, p)
}

func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
}

// near tells that two shares differ by less than a tenth.
func near(a, b int) bool { return 10*max(a-b, b-a) < b }

// percent is the share to set while so many bytes live.
func (g Garbage) percent(lives int64) int {
	// Go collects at no less than this times the share, however little lives, or nothing as far as it knows before its first collection.
	const smallestHeap = 4 << 20
	return max(g.Percent, int(100*g.Least/max(lives, smallestHeap)))
}
