package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/footprint"
	"github.com/feedd/feedd/internal/overload"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/throttle"
)

// lookAtLoad is the time between two looks at how the node fares.
const lookAtLoad = time.Second

// shedShare is the part of the sessions that is ended at each look while the node sheds.
const shedShare = 0.05

// strain is what the look at the load found last, for whoever shows it.
type strain struct {
	Level       overload.Level
	Refuses     bool
	Why         string
	Memory      int64 // bytes that live
	MemoryLimit int64 // 0: none
	CPU         float64
	Accepts     float64 // the most connections that began in a second
}

// heap is the share of the limit that is in use.
func (s *strain) heap() float64 {
	if s.MemoryLimit == 0 {
		return 0
	}
	return float64(s.Memory) / float64(s.MemoryLimit)
}

// String is for operators.
func (s *strain) String() string {
	memory := fmt.Sprintf("memory %d MiB, no limit", s.Memory>>20)
	if s.MemoryLimit != 0 {
		memory = fmt.Sprintf("memory %.0f %% of %d MiB", 100*s.heap(), s.MemoryLimit>>20)
	}
	text := s.Level.String()
	if s.Level == overload.Slowing && !s.Refuses {
		text += ", newcomers are let in"
	}
	text += fmt.Sprintf("; %s, processor %.0f %%", memory, 100*s.CPU)
	if s.Why != "" {
		text += "; since " + s.Why
	}
	return text
}

// lookout looks at the load and does what it asks for. All but now belongs to one goroutine.
type lookout struct {
	server    *server
	machine   *overload.Machine
	footprint *footprint.Reader
	limit     int64
	begun     time.Time
	opened    uint64 // connections at the last look
	accepts   float64

	now atomic.Pointer[strain]
}

func newLookout(s *server) *lookout {
	limits, c := overload.DefaultLimits(), &s.options.Overload
	copy(limits.Heap[overload.Refusing:], c.Heap[:])
	copy(limits.CPU[overload.Refusing:], c.CPU[:])
	w := &lookout{server: s, machine: overload.New(limits), footprint: footprint.NewReader(), limit: footprint.LimitMemory(), begun: time.Now()}
	w.now.Store(&strain{MemoryLimit: w.limit})
	return w
}

// run looks again and again until ctx ends.
func (w *lookout) run(ctx context.Context) error {
	tick := time.NewTicker(lookAtLoad)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look()
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *lookout) look() {
	opened := w.server.clients().ConnectionsOpened
	w.accepts = max(w.accepts, float64(opened-w.opened)/lookAtLoad.Seconds())
	w.opened = opened
	now := strain{Memory: w.footprint.Memory(), MemoryLimit: w.limit, CPU: w.footprint.CPU(), Accepts: w.accepts}
	late := w.server.engine.TakeLateness()
	for _, d := range w.server.delayed {
		late = max(late, d.engine.TakeLateness())
	}
	w.server.noteLateness(late, time.Now())
	if w.machine.Step(int64(time.Since(w.begun)/time.Microsecond), overload.Figures{Heap: now.heap(), CPU: now.CPU, Late: late}) {
		w.server.options.log.Warn("load", slog.String("level", w.machine.Level().String()), slog.Bool("refuses", w.machine.Refuses()), slog.String("why", w.machine.Why()),
			slog.Int64("memory_bytes", now.Memory), slog.Int64("memory_limit_bytes", now.MemoryLimit), slog.Float64("processor", now.CPU))
		w.follow()
	}
	if w.machine.Level() == overload.Shedding {
		w.shed()
	}
	now.Level, now.Refuses, now.Why = w.machine.Level(), w.machine.Refuses(), w.machine.Why()
	w.now.Store(&now)
}

// follow does what the level asks for that lasts.
func (w *lookout) follow() {
	refusal, cadence := "", throttle.Immediate
	if w.machine.Refuses() {
		refusal = "the server has more to carry than it can; connect again later, or to another node"
	}
	if w.machine.Slows() {
		cadence, _ = throttle.Round(w.server.options.Overload.SlowTo)
	}
	w.server.gate.Refuse(refusal)
	w.server.sessions.Policy.Slow(cadence)
}

// shed ends some sessions, those of the tiers with the lowest priority first, and asks them to come back later.
func (w *lookout) shed() {
	var all []*session.Session
	w.server.eachSession(func(x *session.Session) { all = append(all, x) })
	if len(all) == 0 {
		return
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b *session.Session) int { return a.Priority() - b.Priority() })
	longest := w.server.options.Overload.Shed
	n := max(1, int(shedShare*float64(len(all))))
	for _, x := range all[:n] {
		x.Shed(longest/4, longest) // one that is ending already takes up a place: it will be gone by the next look
	}
	w.server.options.log.Warn("sessions ended, since the node has more to carry than it can", "sessions", n, "of", len(all))
}
