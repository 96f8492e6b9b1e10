package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"github.com/feedd/feedd/benchmarks/probe"
)

// join is how sessions come up. It belongs to the loop's thread.
type join struct {
	begun      bool // sessions may open
	opened     int  // sessions that have begun to connect
	connecting int  // of those, not let in yet
	joining    int  // of those, neither live nor closed
	live       int
	start      int64      // when the first began, in microseconds since the Unix epoch
	lastIn     int64      // when the last one was let in
	joined     chan error // gets the outcome of Connect; nil when nobody waits
}

// Joined tells how long sessions took to be live: to have a row of everything that they asked for.
type Joined struct {
	// Seconds from the first attempt until all were live.
	Seconds float64 `json:"seconds"`
	// LastAccept is when the server had let the last one in, and Behind how much later all were live.
	LastAccept float64 `json:"last_accept_s"`
	Behind     float64 `json:"live_behind_last_accept_s"`
	// Each is the time of a session from its attempt until it was live.
	Each probe.Percentiles `json:"each_us"`
}

// Connect brings all sessions up and returns when each has a row of everything that it asked for, or with an error when
// one fails or patience is over.
func (l *Loop) Connect(patience time.Duration) (Joined, error) {
	return l.comeUp(patience, func() error { return nil })
}

// Reconnect hangs up all sessions at once, as a server that restarts does, and brings them up again.
func (l *Loop) Reconnect(patience time.Duration) (Joined, error) {
	return l.comeUp(patience, func() error {
		if l.live != len(l.sessions) {
			return fmt.Errorf("reconnect: %d of %d sessions are live", l.live, len(l.sessions))
		}
		for i := range l.sessions {
			s := &l.sessions[i]
			_ = unix.Close(s.fd)
			l.sessions[i] = session{group: s.group, count: s.count}
		}
		for _, g := range l.groups {
			clear(g.beats)
		}
		l.slow = l.slow[:0]
		l.join = join{}
		return nil
	})
}

func (l *Loop) comeUp(patience time.Duration, first func() error) (Joined, error) {
	joined := make(chan error, 1)
	err := l.do(func() {
		if err := first(); err != nil {
			joined <- err
			return
		}
		if l.begun {
			joined <- errors.New("already connected")
			return
		}
		l.begun, l.start, l.joined = true, time.Now().UnixMicro(), joined
	})
	if err != nil {
		return Joined{}, err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err = <-joined:
	case <-timer.C:
		err = l.do(func() {
			l.joined = nil
			joined <- fmt.Errorf("after %v %d of %d sessions are live and %d on their way; ended: %v",
				patience, l.live, len(l.sessions), l.joining, l.endings())
		})
		if err == nil {
			err = <-joined
		}
	}
	if err != nil {
		return Joined{}, err
	}
	var j Joined
	return j, l.do(func() { j = l.timeline() })
}

// timeline sums up how the sessions came up.
func (l *Loop) timeline() Joined {
	h := hdrhistogram.New(1, 600_000_000, 3)
	last := int64(0)
	for i := range l.sessions {
		s := &l.sessions[i]
		last = max(last, s.live)
		_ = h.RecordValue(max(1, s.live-s.begun))
	}
	seconds := func(us int64) float64 { return float64(us) / 1e6 }
	return Joined{
		Seconds: seconds(last - l.start), LastAccept: seconds(l.lastIn - l.start), Behind: seconds(max(0, last-l.lastIn)),
		Each: probe.PercentilesOf(h),
	}
}

// endings are all sessions that ended, by how.
func (l *Loop) endings() map[string]int {
	all := make(map[string]int)
	for _, g := range l.groups {
		for why, n := range g.closed {
			all[why] += n
		}
	}
	return all
}

// outcome tells whoever waits in Connect how it went.
func (l *Loop) outcome(err error) {
	if l.joined != nil {
		l.joined <- err
		l.joined = nil
	}
}

// accepted counts a session that the server has let in.
func (l *Loop) accepted() {
	l.connecting--
	l.lastIn = time.Now().UnixMicro()
}
