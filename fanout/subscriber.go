package fanout

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/throttle"
)

// Subscriber is a connection's place in the engine. Its methods may be called from any goroutine; what they
// ask for happens on the worker that owns the subscriber, in the order asked.
type Subscriber struct {
	// Owned by the worker, but for what anybody may read. What a frame touches comes first, in one cache line; see cohort.
	conn      Conn                  // constant
	meter     atomic.Pointer[meter] // read by anyone; nil: there is no ceiling
	lastSend  int64                 // monotonic microseconds
	conflated uint64                // see Tally
	sent      struct {
		frames, bytes atomic.Uint64 // read by anyone
	}
	blocked   bool // the connection took no frame, and has not said since that it is ready
	contended bool // it took none since another goroutine was at it
	hungry    bool // on output.hungry
	detached  bool
	turn      uint8  // the lane that comes first when lanes catch up, or one beyond the last; there are fewer than rungs
	number    uint32 // constant; spreads subscribers over the phases of a cadence

	lanes        []*lane
	lost, missed uint64 // see Tally
	place        int    // in worker.subscribers
	stalled      struct {
		since atomic.Int64 // when blocked became true, on the worker's monotonic clock; 0: it is not
		sum   atomic.Int64 // microseconds, up to then
	}

	// Constant.
	worker  *worker
	framing Framing
}

// Tally is what a subscriber went without.
type Tally struct {
	Conflated uint64 // ticks merged into later rows
	Lost      uint64 // events that the log no longer held
	Missed    uint64 // frames left out since the connection was not ready, or in other hands
}

// told counts what a frame said that the subscriber went without.
func (s *Subscriber) told(o *output, conflated, lost uint64) {
	o.tally.conflated += conflated
	s.conflated += conflated
	if lost != 0 {
		o.tally.lost += lost
		s.lost += lost
	}
}

// block notes that the connection took no frame. One that was ready all the same was in other hands.
func (s *Subscriber) block(now int64, ready bool) {
	s.blocked, s.contended = true, ready
	s.stalled.since.Store(max(now, 1))
}

// unblock notes that it takes frames again.
func (s *Subscriber) unblock(now int64) {
	s.blocked = false
	if since := s.stalled.since.Swap(0); since != 0 {
		s.stalled.sum.Add(now - since)
	}
}

// miss counts a frame that was left out.
func (s *Subscriber) miss(o *output) {
	if !s.blocked {
		o.tally.metered++
		return
	}
	s.missed++
	if s.contended {
		o.tally.contended++
		return
	}
	o.tally.missed++
}

// Load is what a subscriber was sent so far, and what kept it from more.
type Load struct {
	Frames, Bytes uint64        // as they went to its connection
	Blocked       time.Duration // in all, while the connection took nothing

	// Of a subscriber with a ceiling, within the last second: rows waited for it; and they waited so long that a slower
	// cadence would bring as much.
	Short, Slow bool
}

// Load may be called from any goroutine.
func (s *Subscriber) Load() Load {
	now := s.worker.mono()
	l := Load{Frames: s.sent.frames.Load(), Bytes: s.sent.bytes.Load()}
	blocked := s.stalled.sum.Load()
	if since := s.stalled.since.Load(); since != 0 {
		blocked += max(0, now-since)
	}
	l.Blocked = time.Duration(blocked) * time.Microsecond
	if m := s.meter.Load(); m != nil {
		late := func(at int64) bool { return at != 0 && now-at < lately }
		l.Short, l.Slow = late(m.shortAt.Load()), late(m.slowAt.Load())
	}
	return l
}

// lately is what Load calls so, in microseconds: a bit more than the second after which sessions look again.
const lately = 1_500_000

// Subscribe has items sent at cadence c. What is new is sent whole and at once; what was subscribed at
// another cadence moves and goes on where it was, with neither a repeat nor a hole. At throttle.Paused nothing
// is sent, and items keep their place.
func (s *Subscriber) Subscribe(items []Item, c throttle.Cadence) {
	s.worker.post(func(w *worker) { w.subscribe(s, items, c) })
}

// Unsubscribe ends the rows of handles: when it returns, none will follow. Handles that are not subscribed
// are passed over.
func (s *Subscriber) Unsubscribe(handles []Handle) {
	s.worker.do(func(w *worker) { w.unsubscribe(s, handles) })
}

// Wake says that the connection takes frames again.
func (s *Subscriber) Wake() {
	s.worker.post(func(w *worker) { w.wakeUp(s) })
}

// Detach ends the subscriber: when it returns, no Send is running and none will follow. It tells what the subscriber
// went without.
func (s *Subscriber) Detach() (t Tally) {
	s.worker.do(func(w *worker) {
		w.detach(s)
		t = Tally{Conflated: s.conflated, Lost: s.lost, Missed: s.missed}
	})
	return t
}

func (w *worker) subscribe(s *Subscriber, items []Item, c throttle.Cadence) {
	if s.detached {
		return
	}
	moved := w.takeAway(s, items, c)
	l := w.laneOf(s, c)
	p := l.phase
	l.edit(func(slots []uint32, marks []mark) ([]uint32, []mark) {
		slots, marks = slices.Grow(slots, len(items)), slices.Grow(marks, len(items))
		for n := range items {
			i := p.slotOf(items[n].Handle)
			at, held := slices.BinarySearch(slots, i)
			if held {
				continue
			}
			p.hold(i)
			m, ok := moved[items[n].Handle]
			slots, marks = slices.Insert(slots, at, i), slices.Insert(marks, at, m)
			if !ok {
				r := p.store.Acquire()
				p.slots[i].join(&marks[at], &items[n], r)
				r.Release()
			}
		}
		return slots, marks
	})
	p.catchUp(l, true, w.wall())
}

// takeAway takes items out of the lanes of other cadences than c, and returns how far s is informed of each; nil where it has
// no other lane.
func (w *worker) takeAway(s *Subscriber, items []Item, c throttle.Cadence) (moved map[Handle]mark) {
	var wanted []Handle
	for _, l := range slices.Clone(s.lanes) {
		if l.phase.cadence == c {
			continue
		}
		if moved == nil {
			moved, wanted = make(map[Handle]mark), make([]Handle, len(items))
			for n := range items {
				wanted[n] = items[n].Handle
			}
			slices.Sort(wanted)
		}
		w.takeOut(l, among(wanted), moved)
	}
	return moved
}

// among tells what is in a sorted list.
func among(sorted []Handle) func(Handle) bool {
	return func(h Handle) bool {
		_, found := slices.BinarySearch(sorted, h)
		return found
	}
}

func (w *worker) unsubscribe(s *Subscriber, handles []Handle) {
	gone := among(slices.Sorted(slices.Values(handles)))
	for _, l := range slices.Clone(s.lanes) {
		w.takeOut(l, gone, nil)
	}
}

// takeOut removes from l the handles that gone names, noting in moved, unless nil, how far l is informed of
// each. A lane that ends up empty is removed.
func (w *worker) takeOut(l *lane, gone func(Handle) bool, moved map[Handle]mark) {
	p := l.phase
	if !slices.ContainsFunc(l.cohort.slots, func(i uint32) bool { return gone(p.slots[i].handle) }) {
		return
	}
	var out []uint32
	l.edit(func(slots []uint32, marks []mark) ([]uint32, []mark) {
		keptSlots, keptMarks := slots[:0], marks[:0]
		for n, i := range slots {
			h := p.slots[i].handle
			if !gone(h) {
				keptSlots, keptMarks = append(keptSlots, i), append(keptMarks, marks[n])
				continue
			}
			if moved != nil {
				moved[h] = marks[n]
			}
			out = append(out, i)
		}
		return keptSlots, keptMarks
	})
	for _, i := range out {
		p.release(i)
	}
	if len(l.cohort.slots) == 0 {
		l.remove()
		l.sub.lanes = slices.DeleteFunc(l.sub.lanes, func(x *lane) bool { return x == l })
		return
	}
	p.catchUp(l, false, 0)
}

func (w *worker) wakeUp(s *Subscriber) {
	s.unblock(w.out.now)
	w.catchUp(s, true)
}

func (w *worker) detach(s *Subscriber) {
	if s.detached {
		return
	}
	s.detached = true
	for _, l := range s.lanes {
		l.remove()
	}
	s.lanes = nil
	last := len(w.subscribers) - 1
	w.subscribers[s.place] = w.subscribers[last]
	w.subscribers[s.place].place = s.place
	w.subscribers[last] = nil
	w.subscribers = w.subscribers[:last]
}
