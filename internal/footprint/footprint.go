// Package footprint measures what this process takes of the machine: memory against its limit, and processor time.
package footprint

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// cgroupLimit is where a container finds the memory that it may have.
const cgroupLimit = "/sys/fs/cgroup/memory.max"

// cgroupShare is the share of a container's memory that Go may take. The rest is for the kernel's socket buffers, which
// count against the container as well.
const cgroupShare = 0.85

// LimitMemory gives the Go runtime a limit in a container that has one, unless GOMEMLIMIT does already. It returns the
// limit in bytes; 0: there is none. The runtime does not look at the container by itself.
func LimitMemory() int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		if b, err := os.ReadFile(cgroupLimit); err == nil {
			if limit := containerLimit(string(b)); limit > 0 {
				debug.SetMemoryLimit(limit)
			}
		}
	}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	return 0
}

// containerLimit returns the limit to set for what the file says; 0: none.
func containerLimit(text string) int64 {
	limit, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || limit <= 0 || limit > 1<<50 {
		return 0 // "max", or one that stands for it
	}
	return int64(cgroupShare * float64(limit))
}

// Reader measures again and again. It belongs to one goroutine.
type Reader struct {
	samples []metrics.Sample
	cpu     time.Duration // at the last reading
	at      time.Time
}

// What lives: objects that the last collection found alive, and stacks, of which each connection has one.
const (
	liveHeap = "/gc/heap/live:bytes"
	stacks   = "/memory/classes/heap/stacks:bytes"
)

// NewReader begins to measure.
func NewReader() *Reader {
	return &Reader{samples: []metrics.Sample{{Name: liveHeap}, {Name: stacks}}, cpu: cpuTime(), at: time.Now()}
}

// Memory returns the bytes that live: what no collection can free.
func (r *Reader) Memory() int64 {
	metrics.Read(r.samples)
	return int64(r.samples[0].Value.Uint64() + r.samples[1].Value.Uint64())
}

// CPU returns the share of the processors that Go may use which this process took since the last call.
func (r *Reader) CPU() float64 {
	now, cpu := time.Now(), cpuTime()
	passed, took := now.Sub(r.at), cpu-r.cpu
	r.at, r.cpu = now, cpu
	if passed <= 0 {
		return 0
	}
	return took.Seconds() / passed.Seconds() / float64(runtime.GOMAXPROCS(0))
}
