package fanout

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

// Options of an Engine. Zero fields take the defaults.
type Options struct {
	Workers   int           // flush workers; default GOMAXPROCS
	Heartbeat time.Duration // longest silence towards a subscriber; default 5 s
	// Delay is how far behind the market the store is on purpose: cut times lie so far back, and frames say so. An engine
	// with a delay sends no heartbeats: its connections have a subscriber in one without, which does.
	Delay    time.Duration
	MaxFrame int // bytes of rows in a frame, which may go over by one row; default 32 KiB
	Counters *drop.Counters
}

// Engine sends the state of a store to subscribers.
type Engine struct {
	options Options
	store   *snapshot.Store
	workers []*worker
	next    atomic.Uint32 // number of the next subscriber

	stop    chan struct{}
	stopped sync.WaitGroup

	frames, bytes, conflated, lateMax, lateSince atomic.Uint64

	times [rungs]times // by rung; recorded once for each cut
	kept  [rungs]kept
}

// New returns an engine over store. It watches the store, so it must be made before the first batch.
func New(store *snapshot.Store, o Options) *Engine {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 5 * time.Second
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = 32 << 10
	}
	if o.Counters == nil {
		o.Counters = new(drop.Counters)
	}
	e := &Engine{options: o, store: store, stop: make(chan struct{})}
	start := time.Now()
	for i := range o.Workers {
		mono := func() int64 { return time.Since(start).Microseconds() }
		e.workers = append(e.workers, &worker{
			engine: e, number: i, timer: newTimer(), out: output{mono: mono, maxFrame: o.MaxFrame, builder: builder{delay: o.delayMs()}},
			wall: func() int64 { return time.Now().Add(-o.Delay).UnixMicro() },
			mono: mono,
		})
	}
	store.Watch(func() {
		room := manyFrames
		for _, w := range e.workers {
			room = w.committed(room)
		}
	})
	return e
}

func (o *Options) delayMs() uint32 { return uint32(o.Delay.Milliseconds()) }

// Start begins the workers. Call it once.
func (e *Engine) Start() {
	for _, w := range e.workers {
		e.stopped.Go(func() { w.run(e.stop) })
	}
}

// Close ends the workers and returns when they have ended. Subscribers get nothing afterwards, and their
// methods do nothing. Call it once, after Start.
func (e *Engine) Close() {
	close(e.stop)
	e.stopped.Wait()
}

// Handle finds or allocates the handle of a view of an instrument's channel; 0 where the store has no room for more.
func (e *Engine) Handle(id market.InstrumentID, ch market.Channel, v market.View) Handle {
	return e.store.Handle(id, ch, v)
}

// View returns the view that a handle stands for.
func (e *Engine) View(h Handle) market.View { return e.store.Topic(h).View }

// SourceHandle finds or allocates the handle of a source's status; 0 for a source that no instrument has.
func (e *Engine) SourceHandle(source string) Handle { return e.store.SourceHandle(source) }

// Attach makes a subscriber of a connection. It gets heartbeats from now on.
func (e *Engine) Attach(c Conn, f Framing) *Subscriber {
	n := e.next.Add(1)
	w := e.workers[n%uint32(len(e.workers))]
	s := &Subscriber{worker: w, conn: c, framing: f, number: n / uint32(len(e.workers))}
	w.post(func(w *worker) {
		s.place, s.lastSend = len(w.subscribers), w.out.now
		w.subscribers = append(w.subscribers, s)
	})
	return s
}

// count takes over what a worker counted in a turn.
func (e *Engine) count(t *tally) {
	if *t == (tally{}) {
		return
	}
	e.frames.Add(t.frames)
	e.bytes.Add(t.bytes)
	e.conflated.Add(t.conflated)
	e.options.Counters.Add(drop.Conflated, t.conflated)
	e.options.Counters.Add(drop.MissedCuts, t.missed)
	e.options.Counters.Add(drop.ContendedCuts, t.contended)
	e.options.Counters.Add(drop.MeteredCuts, t.metered)
	e.options.Counters.Add(drop.LostEvents, t.lost)
	*t = tally{}
}
