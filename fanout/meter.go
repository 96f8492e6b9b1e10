package fanout

import (
	"sync/atomic"

	"github.com/feedd/feedd/throttle"
)

// meter holds a subscriber to so many bytes a second. What it is sent is paid for afterwards, so that a frame larger than what is
// left goes out whole, and the next one waits the longer. While it waits its lanes lag, and are then served in turn.
type meter struct {
	rate  float64 // bytes a microsecond
	left  float64 // bytes; below 0: a debt
	at    int64   // when left was true, on the worker's monotonic clock
	dry   bool    // it waits until enough is left for a frame worth sending
	lined bool    // on output.dry

	shortAt atomic.Int64 // when it was last dry
	slowAt  atomic.Int64 // when a lane's turn last took as long as the cuts of the next slower cadence are apart
}

const (
	// meterBurst is how much may be sent at once after a quiet time, as the time that it takes to earn it.
	meterBurst = 250_000
	// mouthful is the same of the least that is sent to a meter that was dry: smaller frames would be all headers.
	mouthful = 50_000
	// sipEvery is how often dry meters are looked at, in microseconds.
	sipEvery = 20_000
	// leastFrame keeps a frame from being smaller than a few rows, however low the ceiling.
	leastFrame = 200
)

func (m *meter) refill(now int64) {
	m.left = min(m.left+float64(now-m.at)*m.rate, max(m.rate*meterBurst, leastFrame))
	m.at = now
}

// ready reports whether a frame may be sent. While it is lined only sip finds that enough is left again: a lane whose cuts come often
// would else be there first, always.
func (m *meter) ready(now int64) bool {
	m.refill(now)
	if m.dry && !m.lined && m.left >= max(m.rate*mouthful, leastFrame) {
		m.dry = false
	}
	if !m.dry && m.left <= 0 {
		m.dry = true
	}
	if m.dry {
		m.shortAt.Store(now)
	}
	return !m.dry
}

// room is how many bytes the next frame may have.
func (m *meter) room() int { return max(leastFrame, int(m.left)) }

// Limit holds the subscriber to so many bytes a second; 0: to none. Heartbeats, and frames of nothing but statuses, are paid for
// and do not wait.
func (s *Subscriber) Limit(bytesPerSecond int) {
	s.worker.post(func(w *worker) {
		if s.detached {
			return
		}
		var m *meter
		if bytesPerSecond > 0 {
			m = &meter{rate: float64(bytesPerSecond) / 1e6, at: w.out.now, left: float64(bytesPerSecond) * meterBurst / 1e6}
			if old := s.meter.Load(); old != nil { // debts are not forgiven
				old.refill(w.out.now)
				m.left, m.dry, m.lined = min(m.left, old.left), old.dry, old.lined
			}
		}
		s.meter.Store(m)
		w.catchUp(s, true) // it may have waited
	})
}

// wait has s looked at again when its meter has enough.
func (o *output) wait(s *Subscriber, m *meter) {
	if !m.lined {
		m.lined = true
		o.dry = append(o.dry, s)
		if o.sipAt == 0 {
			o.sipAt = o.now + sipEvery
		}
	}
}

// sip lets those go on whose meters have enough again, and returns when to look for others.
func (w *worker) sip() int64 {
	if len(w.out.dry) == 0 {
		return w.out.now + longestWait
	}
	if w.out.now < w.out.sipAt {
		return w.out.sipAt
	}
	waiting := w.out.dry
	w.out.dry, w.out.sipAt = nil, 0
	for _, s := range waiting {
		m := s.meter.Load()
		if m == nil || s.detached {
			continue
		}
		m.lined = false
		if !m.ready(w.out.now) {
			w.out.wait(s, m)
			continue
		}
		w.catchUp(s, false)
	}
	if len(w.out.dry) == 0 {
		return w.out.now + longestWait
	}
	w.out.sipAt = w.out.now + sipEvery
	return w.out.sipAt
}

// pace notes that so many slots of l, and not all, were served, and whether all of them take so long that a slower cadence brings as
// much.
func (m *meter) pace(l *lane, served int, now int64) {
	if l.turnAt == 0 {
		l.turnAt = now
	}
	next := min(l.phase.cadence+1, throttle.Cadences-1)
	if took := now - l.turnAt; l.phase.cadence < next && took >= next.Interval().Microseconds() {
		m.slowAt.Store(now)
	}
	if int(l.turn) < served { // it came round
		l.turnAt = now
	}
}
