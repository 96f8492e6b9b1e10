package throttle

import "time"

// Adaptive says when a session is slowed down because it cannot take what it is granted, and when it is tried faster again.
type Adaptive struct {
	Off     bool
	Blocked float64       // share of the time that a connection takes nothing, from which on it is congested
	Lag     time.Duration // of the client's own loop, as it tells, from which on it cannot keep up
	Down    time.Duration // trouble lasts so long before a step down, and before the next one
	Up      time.Duration // calm lasts so long before a step up; longer each time that trouble came back
}

// DefaultAdaptive holds for a tier that says nothing of it.
func DefaultAdaptive() Adaptive {
	return Adaptive{Blocked: 0.25, Lag: 200 * time.Millisecond, Down: 3 * time.Second, Up: 10 * time.Second}
}

// Observation is how a session fared since the one before.
type Observation struct {
	Blocked float64       // share of the time that its connection took nothing
	Lag     time.Duration // as its client tells; 0: none
	Short   bool          // rows waited for its ceiling of bytes
	Slow    bool          // so long that a slower cadence would bring as much
	Fastest Cadence       // of what it would be granted if it were not slowed down; see Easing.Needs
}

// trouble returns what is wrong; the zero Reason for nothing.
func (o *Observation) trouble(a *Adaptive) Reason {
	switch {
	case o.Blocked >= a.Blocked:
		return ReasonCongestion
	case o.Lag >= a.Lag:
		return ReasonLag
	case o.Slow:
		return ReasonBandwidth
	}
	return 0
}

// calm is less than the absence of trouble: between the two nothing moves, so that nothing swings.
func (o *Observation) calm(a *Adaptive) bool {
	return o.Blocked <= a.Blocked/5 && o.Lag <= a.Lag/2 && !o.Short
}

// Easing is how far a session is slowed down. The zero value is a session at full speed.
type Easing struct {
	Floor  Cadence // nothing is sent faster; Immediate: it is not slowed down
	Reason Reason  // of the floor
	Since  int64   // when the floor moved last, in microseconds

	troubled int64 // since when there is trouble, or the last step down; 0: there is none
	calm     int64 // since when it is calm, or the last step up; 0: it is not
	retries  uint8 // steps up that did not last, of late
	raised   bool  // the last step was one up
}

// maxRetries bounds how much longer a session that failed is left in peace: 2^4 times Adaptive.Up.
const maxRetries = 4

// Needs reports whether Observe looks at o.Fastest, which takes a while to find out.
func (e *Easing) Needs(a *Adaptive, o *Observation) bool {
	return !a.Off && (e.Floor != Immediate || o.trouble(a) != 0)
}

// Observe takes in an observation of a time in microseconds, and reports whether the floor has moved. Call it about once a second.
func (e *Easing) Observe(now int64, a *Adaptive, o *Observation) (moved bool) {
	if a.Off {
		moved = e.Floor != Immediate
		*e = Easing{}
		return moved
	}
	why := o.trouble(a)
	switch {
	case why != 0:
		e.calm = 0
		if e.troubled == 0 {
			e.troubled = now
		}
		return now-e.troubled >= a.Down.Microseconds() && e.down(now, a, why, o.Fastest)
	case o.calm(a):
		e.troubled = 0
		if e.calm == 0 {
			e.calm = now
		}
		return now-e.calm >= a.Up.Microseconds()<<e.retries && e.up(now, o.Fastest)
	}
	e.troubled, e.calm = 0, 0
	return false
}

func (e *Easing) down(now int64, a *Adaptive, why Reason, fastest Cadence) bool {
	from := max(e.Floor, fastest)
	if from >= Cadences-1 {
		return false // there is no slower one
	}
	if e.raised && now-e.Since < 2*a.Up.Microseconds() {
		e.retries = min(e.retries+1, maxRetries)
	}
	e.Floor, e.Reason, e.Since, e.troubled, e.raised = from+1, why, now, now, false
	return true
}

func (e *Easing) up(now int64, fastest Cadence) bool {
	if e.Floor == Immediate {
		e.retries = 0 // all has been well at full speed
		return false
	}
	e.Floor--
	e.Since, e.calm, e.raised = now, now, true
	if e.Floor <= fastest {
		e.Floor, e.Reason = Immediate, 0
	}
	return true
}
