package fanout

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
)

// phasesOf is how many phases a cadence has in one worker: about one for every 25 ms, so that sessions are
// spread over time, and no more than 16, since each phase encodes what it cuts for itself.
var phasesOf = [rungs]int{
	throttle.Immediate: 1, throttle.Every20ms: 1, throttle.Every50ms: 2, throttle.Every100ms: 4, throttle.Every250ms: 10,
	throttle.Every500ms: 16, throttle.Every1s: 16, throttle.Every2s: 16, throttle.Every5s: 16, rungOfPaused: 1,
}

// Paused lanes have a phase of their own that never cuts: it keeps their marks.
const (
	rungOfPaused = int(throttle.Cadences)
	rungs        = rungOfPaused + 1
)

// abreast is how many subscribers that came one after the other share a phase. What the kernel keeps of connections
// that were accepted together lies together: frames to such neighbours take 7.0 µs each, where frames to every tenth
// connection take 7.45. And each phase reads and encodes for itself what it cuts: with 650 sessions of 100 of 200 quotes at 250 ms
// that was 0.5 to 0.6 of 10 µs a frame where 64 were abreast. 128 frames take a millisecond or so.
const abreast = 128

func rungOf(c throttle.Cadence) int { return min(int(c), rungOfPaused) }

// worker owns a share of the subscribers and all that is sent to them. Its goroutine, which Engine.Start begins and Engine.Close
// ends, is at it for a turn; in between, ingest may be, for a small cut that is due at once. Neither waits for the other.
type worker struct {
	engine *Engine
	number int
	wall   func() int64 // microseconds since the Unix epoch
	mono   func() int64 // microseconds since some moment, never stepping back

	// turns is held by whoever is at what follows, up to what is anybody's; missed tells that the worker found it held, and is to be woken.
	turns       sync.Mutex
	missed      atomic.Bool
	out         output
	phases      [rungs][]*phase // nil until somebody is on it
	active      []*phase        // those with lanes
	subscribers []*Subscriber
	nextBeat    int64 // when to look for subscribers that need a heartbeat
	nextCut     int64 // when a cut falls due next, as of the last turn
	notBefore   int64 // when the immediate phase may cut again
	counted     [rungs][2]int64
	jobs        []func(*worker) // taken out of the mailbox, and not run yet
	wakeAt      int64           // when the worker will look again by itself

	// Of anybody.
	dirty atomic.Bool // ingest committed since the last immediate cut

	// What wakes the worker is always this timer, also for jobs and commits: the runtime has a goroutine whose timer is over go ahead
	// of all that are ready to run, where one that is woken by another goroutine waits its turn behind thousands who connect.
	timer *time.Timer
	woken atomic.Bool // the timer was set to fire at once

	mailbox struct {
		mu     sync.Mutex
		jobs   []func(*worker)
		closed bool
	}
}

// output is what the phases of a worker send with.
type output struct {
	builder  builder
	frame    []byte
	undo     []mark
	maxFrame int
	now      int64 // the worker's monotonic clock at the start of the turn
	tally    tally
	looked   uint64 // of no meaning, but what look read must go somewhere

	// What catching up may still send in this turn, and who goes on in the next. So a storm of new subscribers, or
	// a few with huge snapshots, delays no cut.
	budget int
	hungry []*Subscriber

	// rested is when the worker last let others run, and unrested how many frames it has sent since it looked at the clock.
	mono     func() int64
	rested   int64
	unrested int

	// What is sent does not wait for a ceiling: heartbeats, and frames of nothing but statuses.
	urgent bool
	// Who waits until its ceiling has room again, and when to look.
	dry   []*Subscriber
	sipAt int64
}

// catchUpBytes is what a turn may send to lanes that catch up: about 3 ms of work.
const catchUpBytes = 256 << 10

func (o *output) spent() bool { return o.budget <= 0 }

// later has s go on catching up in the next turn.
func (o *output) later(s *Subscriber) {
	if !s.hungry {
		s.hungry = true
		o.hungry = append(o.hungry, s)
	}
}

// tally is what a worker counted since it last added to the engine's counters.
type tally struct {
	frames, bytes, conflated, missed, contended, metered, lost uint64
}

func (o *output) wrap(f Framing, payload []byte, use Use, readers int) []byte {
	o.frame = f.AppendFrame(o.frame[:0], payload, use, readers)
	return o.frame
}

func (o *output) send(s *Subscriber, frame []byte) bool {
	if s.blocked {
		return false
	}
	if o.unrested++; o.unrested >= restEvery {
		o.rest()
	}
	m := s.meter.Load()
	if m != nil && !m.ready(o.now) && !o.urgent {
		return false
	}
	if !s.conn.Send(frame) {
		s.block(o.now, s.conn.Ready())
		return false
	}
	if m != nil {
		m.left -= float64(len(frame))
	}
	s.lastSend = o.now
	s.sent.frames.Add(1)
	s.sent.bytes.Add(uint64(len(frame)))
	o.tally.frames++
	o.tally.bytes += uint64(len(frame))
	return true
}

// The runtime takes the processor away from whoever runs for 10 ms, and has it wait behind all that are ready to run: while thousands
// connect that is a quarter of a second. So a worker rests ahead of it, for as long as it takes to have its timer fire, which goes
// ahead of them. It looks at the clock once in so many frames.
const (
	restAfter = 4000 // microseconds of work
	restFor   = 20 * time.Microsecond
	restEvery = 128
)

func (o *output) rest() {
	o.unrested = 0
	if o.mono()-o.rested >= restAfter {
		time.Sleep(restFor)
		o.rested = o.mono()
	}
}

// post hands a job to the worker. It reports false when the engine has closed, and drops the job.
func (w *worker) post(job func(*worker)) bool {
	w.mailbox.mu.Lock()
	if w.mailbox.closed {
		w.mailbox.mu.Unlock()
		return false
	}
	w.mailbox.jobs = append(w.mailbox.jobs, job)
	w.mailbox.mu.Unlock()
	w.signal()
	return true
}

// do posts a job and waits until it has run, or returns at once when the engine has closed.
func (w *worker) do(job func(*worker)) {
	done := make(chan struct{})
	if w.post(func(w *worker) { job(w); close(done) }) {
		<-done
	}
}

func (w *worker) signal() {
	if !w.woken.Load() && !w.woken.Swap(true) {
		w.timer.Reset(0)
	}
}

// newTimer is the worker's, which fires no sooner than somebody says so.
func newTimer() *time.Timer { return time.NewTimer(time.Hour) }

func (w *worker) run(stop <-chan struct{}) {
	defer w.timer.Stop()
	for {
		w.woken.Store(false)
		if w.begin() {
			wait := w.turn()
			w.wakeAt = w.mono() + wait
			w.timer.Reset(time.Duration(wait) * time.Microsecond)
			w.turns.Unlock()
		}
		if w.woken.Load() { // during the turn, so that what it was set to is lost
			w.timer.Reset(0)
		}
		select {
		case <-w.timer.C:
		case <-stop:
			w.close()
			return
		}
	}
}

// close runs the jobs that wait, so that nobody who waits for one hangs, and takes no more. It keeps the turn for good.
func (w *worker) close() {
	w.turns.Lock()
	w.mailbox.mu.Lock()
	w.mailbox.closed = true
	w.mailbox.mu.Unlock()
	for w.out.now = w.mono(); w.runJobs(); w.out.now = w.mono() {
	}
}

// A turn takes over jobs, and once more over those who go on catching up, no more than so many microseconds, and once a cut
// is due no more than the lesser. A policy that moves every session at once, a thousand clients that stop reading, or a storm
// of new ones brings tens of thousands; without the lesser a node that has its processor full would get to none.
const (
	turnShare  = 1000
	leastShare = 300
)

// aFew is how many of them are done between two looks at the clock.
const aFew = 4

// timeLeft reports whether more may be done of what began at begun.
func (w *worker) timeLeft(begun int64) bool {
	now := w.mono()
	return now-begun < leastShare || now-begun < turnShare && now < w.nextCut
}

// runJobs runs the jobs that wait, in order, and reports whether some are left for the next turn.
func (w *worker) runJobs() (left bool) {
	begun := w.mono()
	for done := 0; ; done++ {
		if len(w.jobs) == 0 {
			w.mailbox.mu.Lock()
			w.jobs, w.mailbox.jobs = w.mailbox.jobs, nil
			w.mailbox.mu.Unlock()
		}
		if len(w.jobs) == 0 {
			return false
		}
		if done%aFew == aFew-1 && !w.timeLeft(begun) {
			return true
		}
		job := w.jobs[0]
		w.jobs[0], w.jobs = nil, w.jobs[1:]
		job(w)
	}
}

// longestWait bounds a wait without anything due, in microseconds.
const longestWait = 1_000_000

// turn does all that is due and returns the microseconds until something will be.
func (w *worker) turn() int64 {
	w.out.now = w.mono()
	w.out.rested = w.out.now
	w.out.budget = catchUpBytes
	w.finish()
	w.feedHungry()
	jobs := w.runJobs()
	next := w.out.now + longestWait
	w.retire()
	for _, p := range w.active {
		switch {
		case p.cadence == throttle.Paused:
			continue
		case p.follow != nil:
			next = min(next, w.chase(p))
			continue
		case p.due <= w.out.now:
			begun, frames := w.mono(), w.out.tally.frames
			w.engine.late(p.cadence, begun-p.due)
			p.run(w.wall())
			now := w.mono()
			p.schedule(now)
			w.engine.sent(p, now-begun, w.out.tally.frames-frames)
		}
		next = min(next, p.due)
	}
	w.nextCut = next
	next = min(next, w.heartbeats(), w.sip())
	w.engine.count(&w.out.tally)
	if jobs || len(w.out.hungry) > 0 {
		return 0
	}
	return max(0, next-w.mono())
}

// feedHungry goes on with those for whom the last turn had too little time or too small a budget, first come, first served.
func (w *worker) feedHungry() {
	waiting, begun := w.out.hungry, w.out.now
	w.out.hungry = nil
	for n, s := range waiting {
		if n%aFew == aFew-1 && !w.timeLeft(begun) {
			w.out.hungry = slices.Concat(waiting[n:], w.out.hungry)
			return
		}
		s.hungry = false
		w.catchUp(s, true)
	}
}

// retire lets go of the phases whose last lane has left.
func (w *worker) retire() {
	kept := w.active[:0]
	for _, p := range w.active {
		if p.lanes > 0 {
			kept = append(kept, p)
			continue
		}
		for i, q := range w.phases[rungOf(p.cadence)] {
			if q == p {
				w.phases[rungOf(p.cadence)][i] = nil
			}
		}
	}
	clear(w.active[len(kept):])
	w.active = kept
}

// heartbeats greets subscribers that were sent nothing for a while, and returns when to look again.
func (w *worker) heartbeats() int64 {
	interval := w.engine.options.Heartbeat.Microseconds()
	if w.out.now < w.nextBeat {
		return w.nextBeat
	}
	w.nextBeat = w.out.now + interval/4
	w.countLanes()
	w.out.urgent = true
	b := &w.out.builder
	if w.engine.options.Delay > 0 {
		return w.nextBeat
	}
	for _, s := range w.subscribers {
		if w.out.now-s.lastSend < interval*3/4 || s.blocked {
			continue
		}
		if s.framing.Encoding() == JSON {
			b.payload = wire.AppendTextHeartbeat(b.payload[:0], w.wall())
		} else {
			b.payload = wire.AppendHeartbeat(b.payload[:0], w.wall())
		}
		w.out.send(s, w.out.wrap(s.framing, b.payload, UseControl, 1))
	}
	return w.nextBeat
}

// laneOf finds or makes a subscriber's lane at a cadence.
func (w *worker) laneOf(s *Subscriber, c throttle.Cadence) *lane {
	for _, l := range s.lanes {
		if l.phase.cadence == c {
			return l
		}
	}
	l := w.phaseOf(s, c).newLane(s)
	s.lanes = append(s.lanes, l)
	return l
}

func (w *worker) phaseOf(s *Subscriber, c throttle.Cadence) *phase {
	rung := rungOf(c)
	n := phasesOf[rung]
	if w.phases[rung] == nil {
		w.phases[rung] = make([]*phase, n)
	}
	i := int(s.number/abreast) % n
	if p := w.phases[rung][i]; p != nil {
		return p
	}
	// The phases of all workers together divide the interval evenly.
	workers := int64(len(w.engine.workers))
	offset := c.Interval().Microseconds() * (int64(i)*workers + int64(w.number)) / (int64(n) * workers)
	p := newPhase(c, offset, w.engine.store, &w.out)
	switch c {
	case throttle.Immediate:
		p.follow.journal = journalEnd(w.engine.store)
	case throttle.Paused:
	default:
		p.schedule(w.mono())
	}
	p.cutTime = w.wall()
	w.phases[rung][i] = p
	w.active = append(w.active, p)
	return p
}

// journalEnd is the position behind all changes so far.
func journalEnd(s *snapshot.Store) uint64 {
	r := s.Acquire()
	defer r.Release()
	return r.JournalEnd()
}
