package session

import (
	"math/bits"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/throttle"
)

// Description is a session as operators see it.
type Description struct {
	ID, Tier, Client  string
	Remote, Transport string
	User              string // empty: anybody
	JSON              bool   // its frames are text
	Opened            time.Time

	// Busy: a request is being carried out, and what it changes is left out of the rest.
	Busy                                 bool
	Subscriptions, Instruments, Patterns int
	Cadences                             map[throttle.Cadence]int // subscriptions by what they are granted

	Blocked bool // its connection takes nothing at the moment
	Load    fanout.Load
	Rate    Rate
	Ceiling int // bytes of rows a second; 0: none
	Easing  throttle.Easing
}

// Rate is what a session was sent a second, of late.
type Rate struct{ Frames, Bytes float64 }

// Describe returns the session of this moment. It waits for nothing.
func (s *Session) Describe() Description {
	d := Description{
		ID: s.id, Tier: s.tier().Name, User: s.user().User, Remote: s.conn.Remote(), Transport: s.conn.Transport(), JSON: s.encoding == fanout.JSON, Opened: time.UnixMicro(s.opened),
		Blocked: !s.conn.Ready(), Load: s.engine.Load(), Ceiling: s.tier().BytesPerSecond,
	}
	s.mu.Lock()
	d.Client, d.Rate = s.mu.client, s.mu.pace.rate
	s.mu.Unlock()
	if !s.work.TryLock() {
		d.Busy = true
		return d
	}
	defer s.work.Unlock()
	d.Ceiling, d.Easing = s.ceiling(s.tier()), s.easing
	d.Subscriptions, d.Instruments, d.Patterns = len(s.held.subs), len(s.held.instruments), len(s.live.all())
	d.Cadences = make(map[throttle.Cadence]int)
	for i := range s.held.subs {
		d.Cadences[s.held.subs[i].cadence]++
	}
	return d
}

// Easing is how far the session is slowed down; the zero value where that cannot be told without waiting.
func (s *Session) Easing() throttle.Easing {
	if !s.work.TryLock() {
		return throttle.Easing{}
	}
	defer s.work.Unlock()
	return s.easing
}

// pace is how fast a session has been sent to.
type pace struct {
	at   int64 // when load was read, in microseconds; 0: not yet
	load fanout.Load
	rate Rate
}

// measure takes in another reading. It returns what came since the one before, and in what time; 0: it is the first.
func (p *pace) measure(now int64, load fanout.Load) (since fanout.Load, took time.Duration) {
	since = load
	since.Frames, since.Bytes, since.Blocked = load.Frames-p.load.Frames, load.Bytes-p.load.Bytes, load.Blocked-p.load.Blocked
	if p.at != 0 && now > p.at {
		took = time.Duration(now-p.at) * time.Microsecond
		p.rate = Rate{Frames: float64(since.Frames) / took.Seconds(), Bytes: float64(since.Bytes) / took.Seconds()}
	}
	p.at, p.load = now, load
	return since, took
}

// Effect is what a policy would do to sessions if it were in force.
type Effect struct {
	Sessions, Subscriptions, Lanes int // that would change; a lane is a session's subscriptions of one cadence
	OfSessions, OfLanes            int // that were looked at
	NotLookedAt                    int // sessions that were in the middle of a request
	Withdrawn                      int // subscriptions that would end
	Replaced                       int // that would go on in another view
	Moves                          map[Move]Moved
	Now, Then                      Rate // the second is an estimate
}

// Move is a change of cadence.
type Move struct {
	Tier     string
	From, To throttle.Cadence
}

// Moved is how many make a move.
type Moved struct{ Subscriptions, Sessions int }

// Preview adds to e what a policy would do to the session. It waits for nothing.
func (s *Session) Preview(p *throttle.Policy, e *Effect) {
	if !s.work.TryLock() {
		e.NotLookedAt++
		return
	}
	defer s.work.Unlock()
	t := p.Tier(s.tierName)
	moves := make(map[Move]int)
	var lanes, touched uint16 // bits by cadence
	var now, then float64     // rows a second, if there were a change in each
	changed := 0
	for i := range s.held.subs {
		sub := &s.held.subs[i]
		lanes |= 1 << rung(sub.cadence)
		now += often(sub.cadence)
		g := s.resolveOn(t, sub)
		code, _ := s.barred(g, "", "")
		had := s.env.view(sub.handle)
		switch {
		case code != 0:
			e.Withdrawn++
			g.Cadence = sub.cadence
		case granted(had, sub.channel, g) != had, g.feed != feedOf(sub.id):
			e.Replaced++
			then += often(g.Cadence)
		case g.Cadence == sub.cadence:
			then += often(g.Cadence)
			continue
		default:
			then += often(g.Cadence)
		}
		changed++
		touched |= 1 << rung(sub.cadence)
		if g.Cadence != sub.cadence {
			moves[Move{t.Name, sub.cadence, g.Cadence}]++
		}
	}
	for m, n := range moves {
		e.move(m, n)
	}
	e.OfSessions++
	e.OfLanes += bits.OnesCount16(lanes)
	e.Subscriptions += changed
	e.Lanes += bits.OnesCount16(touched)
	if changed > 0 {
		e.Sessions++
	}
	s.mu.Lock()
	rate := s.mu.pace.rate
	s.mu.Unlock()
	e.Now.add(rate, 1)
	share := 1.0
	if now > 0 {
		share = then / now
	}
	if c := float64(t.BytesPerSecond); c > 0 && rate.Bytes*share > c {
		share = c / rate.Bytes
	}
	e.Then.add(rate, share)
}

func (e *Effect) move(m Move, subscriptions int) {
	if e.Moves == nil {
		e.Moves = make(map[Move]Moved)
	}
	moved := e.Moves[m]
	moved.Subscriptions += subscriptions
	moved.Sessions++
	e.Moves[m] = moved
}

func (r *Rate) add(other Rate, share float64) {
	r.Frames += other.Frames * share
	r.Bytes += other.Bytes * share
}

// rung is a number below 16 for a cadence, paused ones included.
func rung(c throttle.Cadence) int { return int(min(c, throttle.Cadences)) }

// often is how many rows a second a cadence brings of something that changes all the time.
func often(c throttle.Cadence) float64 {
	const immediate = 20 // what a busy quote comes to, once the worker coalesces
	switch {
	case c == throttle.Immediate:
		return immediate
	case c >= throttle.Cadences:
		return 0
	}
	return 1 / c.Interval().Seconds()
}
