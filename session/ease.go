package session

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

const (
	// leastCeiling is the lowest ceiling that a client may ask for, in bytes a second.
	leastCeiling = 1000
	// lagFor is how long what a client says of its own loop holds: one that hangs says nothing of its recovery.
	lagFor = 10 * time.Second
)

// ceiling is how many bytes of rows a second the session may be sent on a tier; 0: any number.
func (s *Session) ceiling(t *throttle.Tier) int {
	switch own := int(s.ownCeiling); {
	case own == 0:
		return t.BytesPerSecond
	case t.BytesPerSecond == 0:
		return own
	default:
		return min(own, t.BytesPerSecond)
	}
}

// limit has the engines keep to the ceiling that holds.
func (s *Session) limit() {
	c := s.ceiling(s.tier())
	if several, ok := s.engine.(*seats); ok && c > 0 {
		several.divide(c, s.heldOf(len(several.of)))
	} else if c != s.limited {
		s.engine.Limit(c)
	}
	s.limited = c
}

// rebalance divides a ceiling anew once the session holds more or less of a feed.
func (s *Session) rebalance() {
	if _, several := s.engine.(*seats); several && s.limited > 0 {
		s.limit()
	}
}

// heldOf counts what the session holds of each feed.
func (s *Session) heldOf(feeds int) []int {
	held := make([]int, feeds)
	for i := range s.held.subs {
		held[s.env.feedOfHandle(s.held.subs[i].handle)]++
	}
	return held
}

// lag is how late the client's loop runs, as it told not long ago.
func (s *Session) lag(now int64) time.Duration {
	if s.lagged.at == 0 || now-s.lagged.at > lagFor.Microseconds() {
		return 0
	}
	return s.lagged.by
}

// lagged is what a client said of its loop.
type lagged struct {
	at int64 // in microseconds; 0: nothing yet
	by time.Duration
}

// ease slows the session down where its connection or its client do not keep up, and has it go faster again where they do. load is
// what it was sent since the last time, within took. It waits for nothing.
func (s *Session) ease(now int64, load fanout.Load, took time.Duration) {
	if !s.work.TryLock() {
		return // a request is being carried out; the next second is as good
	}
	defer s.work.Unlock()
	a := &s.tier().Adaptive
	o := throttle.Observation{Lag: s.lag(now), Short: load.Short, Slow: load.Slow}
	if took > 0 {
		o.Blocked = float64(load.Blocked) / float64(took)
	}
	if s.easing.Needs(a, &o) {
		var some bool
		if o.Fastest, some = s.fastest(); !some {
			return // nothing is sent that could come less often
		}
	}
	before := s.easing.Floor
	if !s.easing.Observe(now, a, &o) {
		return
	}
	if s.easing.Floor > before {
		s.env.Moves.Down.Add(1)
	} else {
		s.env.Moves.Up.Add(1)
	}
	s.reviewAll(nil, s.send)
}

// Moves counts how often sessions were slowed down because they did not keep up, and how often they went faster again. Its
// methods may be called from any goroutine.
type Moves struct{ Down, Up atomic.Uint64 }

// fastest is the fastest cadence of what the session would be granted if it were not slowed down; false: there is nothing.
func (s *Session) fastest() (fastest throttle.Cadence, some bool) {
	eased := s.easing
	s.easing = throttle.Easing{}
	defer func() { s.easing = eased }()
	fastest = throttle.Paused
	for i := range s.held.subs {
		if sub := &s.held.subs[i]; sub.channel != market.ChannelStatus {
			fastest = min(fastest, s.resolve(sub).Cadence)
		}
	}
	return fastest, fastest < throttle.Cadences
}

// checkSetRate says what is wrong with a request; "" for nothing.
func checkSetRate(m *feedv1.SetRate) string {
	switch {
	case m.CadenceMs == nil && m.Visibility == feedv1.Visibility_VISIBILITY_UNSPECIFIED && m.MaxBytesPerSecond == nil && m.LagMs == nil:
		return "this changes nothing: give a cadence, a visibility, max_bytes_per_second or lag_ms"
	case m.Visibility < 0 || m.Visibility > feedv1.Visibility_VISIBILITY_PAUSED:
		return fmt.Sprintf("visibility %d: want 1 (shown), 2 (hidden) or 3 (paused)", m.Visibility)
	case m.MaxBytesPerSecond != nil && *m.MaxBytesPerSecond != 0 && (*m.MaxBytesPerSecond < leastCeiling || *m.MaxBytesPerSecond > math.MaxInt32):
		return fmt.Sprintf("max_bytes_per_second %d: want %d to %d, or 0 for no ceiling of your own", *m.MaxBytesPerSecond, leastCeiling, math.MaxInt32)
	}
	return ""
}

// takeBounds notes what a request says of the session as a whole. It returns limits to tell where they have changed.
func (s *Session) takeBounds(m *feedv1.SetRate) *feedv1.Limits {
	if m.LagMs != nil {
		s.lagged = lagged{at: s.env.Clock(), by: time.Duration(min(*m.LagMs, math.MaxInt32)) * time.Millisecond}
	}
	if m.MaxBytesPerSecond == nil {
		return nil
	}
	s.ownCeiling = *m.MaxBytesPerSecond
	s.limit()
	return s.wireLimits(s.tier())
}
