// Package overload decides how much a node gives up when it has more to carry than it can. It is a state machine over
// figures: it reads no clock, measures nothing, and does nothing about what it decides.
//
// There are three measures: nobody new is let in, everybody gets rows less often, and sessions of the least important tier are sent
// elsewhere. Each is taken as soon as the figures ask for it, and given up by itself, once they have been well below it for a
// while: a node that sways costs its clients more than one that waits. So where slower rows have made room, newcomers are let
// in again while rows stay slow; and rows stay slow until the processor would bear them at their full rate.
package overload

import (
	"fmt"
	"time"
)

// Level is the gravest measure that a node takes.
type Level uint8

// Levels.
const (
	Open     Level = iota // none
	Refusing              // new connections are refused
	Slowing               // rows come less often; whether new connections are refused, Refuses says
	Shedding              // sessions of the least important tier are ended, and new connections refused
	Levels
)

var names = [Levels]string{"open", "refusing", "slowing", "shedding"}

// String returns the level as one lower-case word.
func (l Level) String() string {
	if l < Levels {
		return names[l]
	}
	return "invalid"
}

// Figures is how a node fares at a moment.
type Figures struct {
	Heap float64       // memory in use as a share of its limit; 0 where there is no limit
	CPU  float64       // processor time as a share of what there is
	Late time.Duration // the most that a cut came behind its beat since the last figures
}

// Limits say when to do what. All shares are between 0 and 1, and grow from level to level.
type Limits struct {
	Heap [Levels]float64 // from which a measure is taken at once
	// CPU is the same for processor time, after Sustain and only while cuts come later than Late: a node whose cuts are on
	// time is busy, not overloaded. For the processor's sake nobody is sent away before rows have been slow for Sustain.
	CPU     [Levels]float64
	Late    time.Duration
	Sustain time.Duration
	// Slack is how far below its share a figure must be, and Calm for how long, until a measure is given up. Slow rows that were
	// needed again soon after they were given up are kept for twice as long each time, up to Patience.
	Slack          float64
	Calm, Patience time.Duration
}

// DefaultLimits returns the limits that hold unless operators say otherwise.
func DefaultLimits() Limits {
	return Limits{
		Heap: [Levels]float64{Refusing: 0.70, Slowing: 0.80, Shedding: 0.90},
		CPU:  [Levels]float64{Refusing: 0.85, Slowing: 0.90, Shedding: 0.95},
		Late: 100 * time.Millisecond, Sustain: 5 * time.Second,
		Slack: 0.05, Calm: 15 * time.Second, Patience: 8 * time.Minute,
	}
}

// Machine is the state. The zero value is not ready; New makes one. It belongs to one goroutine. Times are in microseconds on the
// caller's clock; 0: it does not hold.
type Machine struct {
	limits Limits
	taken  [Levels]bool // the measures in force
	why    string

	busySince [Levels]int64 // from when the processor has asked for a measure
	calmSince [Levels]int64 // from when nothing has asked for one in force
	slow      slowness
}

// slowness is what slow rows do for the processor.
type slowness struct {
	since    int64   // when they began
	gone     int64   // when they were given up last
	patience int64   // for how long it must be calm until they are
	before   float64 // share of the processor when they began
	relief   float64 // what part of that they left; 0: not known yet
}

// leastRelief bounds what slow rows are believed to save: meanwhile others may have gone too.
const leastRelief = 0.3

// New returns a machine that takes no measure.
func New(l Limits) *Machine { return &Machine{limits: l} }

// Level is the gravest measure of this moment.
func (m *Machine) Level() Level {
	level := Open
	for l := Refusing; l < Levels; l++ {
		if m.taken[l] {
			level = l
		}
	}
	return level
}

// Refuses reports whether nobody new is let in.
func (m *Machine) Refuses() bool { return m.taken[Refusing] }

// Slows reports whether rows come less often.
func (m *Machine) Slows() bool { return m.taken[Slowing] }

// Why says what made the machine take its last measure, in words for operators; "" at Open.
func (m *Machine) Why() string { return m.why }

// Step takes the figures at now, in microseconds, which must be above 0 and not go back. It reports whether a measure was taken or given
// up: any number are taken at once, and one is given up at a time.
func (m *Machine) Step(now int64, f Figures) (changed bool) {
	for l := Refusing; l < Levels; l++ {
		if why := m.asks(now, f, l); why != "" && !m.taken[l] {
			m.take(now, f, l)
			m.why, changed = why, true
		}
	}
	m.slow.look(now, f, &m.limits)
	if changed {
		return true
	}
	return m.giveUp(now, f)
}

func (m *Machine) take(now int64, f Figures, l Level) {
	m.taken[l], m.calmSince = true, [Levels]int64{}
	if l == Slowing {
		m.slow.begin(now, f, &m.limits)
	}
}

// leaving is the order in which measures are given up: who is refused has nothing, who gets slow rows has less.
var leaving = [...]Level{Shedding, Refusing, Slowing}

func (m *Machine) giveUp(now int64, f Figures) (changed bool) {
	for _, l := range leaving {
		calm := m.limits.Calm.Microseconds()
		if l == Slowing {
			calm = max(calm, m.slow.patience)
		}
		switch {
		case !m.taken[l]:
			continue
		case m.holds(f, l):
			m.calmSince[l] = 0
		case m.calmSince[l] == 0:
			m.calmSince[l] = now
		case now-m.calmSince[l] >= calm:
			m.drop(now, l)
			return true
		}
		if l == Shedding {
			return false // the others stay as long as sessions are sent away
		}
	}
	return false
}

func (m *Machine) drop(now int64, l Level) {
	m.taken[l] = false
	for k := range m.calmSince {
		m.calmSince[k] = now // what is left is given up once it is known how the node fares without this one
	}
	if l == Slowing {
		m.slow.gone = now
	}
	if m.Level() == Open {
		m.why = ""
	}
}

// asks returns why the figures ask for a measure; "": they do not.
func (m *Machine) asks(now int64, f Figures, l Level) (why string) {
	waits := l == Shedding && !m.taken[Slowing]
	if m.busy(f) && f.CPU >= m.limits.CPU[l] && !waits {
		if m.busySince[l] == 0 {
			m.busySince[l] = now
		}
		if now-m.busySince[l] >= m.limits.Sustain.Microseconds() {
			why = fmt.Sprintf("the processor is at %.0f %%, and cuts come up to %v late", 100*f.CPU, f.Late.Round(time.Millisecond))
		}
	} else {
		m.busySince[l] = 0
	}
	if f.Heap >= m.limits.Heap[l] {
		why = fmt.Sprintf("memory is at %.0f %% of its limit", 100*f.Heap)
	}
	return why
}

func (m *Machine) busy(f Figures) bool { return f.Late >= m.limits.Late }

// holds reports whether the figures are still too near to what a measure is taken at. With slow rows cuts are on time, so it counts what
// the processor would have to do without.
func (m *Machine) holds(f Figures, l Level) bool {
	cpu, late := f.CPU, m.busy(f)
	if l == Slowing {
		cpu, late = m.slow.full(f), true
	}
	return f.Heap >= m.limits.Heap[l]-m.limits.Slack || late && cpu >= m.limits.CPU[l]-m.limits.Slack
}

// soon is within how many times of Calm slow rows that are needed again count as given up too early.
const soon = 8

func (s *slowness) begin(now int64, f Figures, l *Limits) {
	if s.gone != 0 && now-s.gone < soon*l.Calm.Microseconds() {
		s.patience = min(2*max(s.patience, l.Calm.Microseconds()), l.Patience.Microseconds())
	} else {
		s.patience = 0
	}
	s.since, s.before, s.relief = now, f.CPU, 0
}

// look sees what slow rows have made of the processor's load, once they have been in force for a while.
func (s *slowness) look(now int64, f Figures, l *Limits) {
	if s.relief == 0 && s.since != 0 && now-s.since >= l.Sustain.Microseconds() {
		s.relief = 1
		if s.before > 0 && f.CPU < s.before {
			s.relief = max(f.CPU/s.before, leastRelief)
		}
	}
}

// full is the share of the processor that rows at their full rate would take.
func (s *slowness) full(f Figures) float64 {
	if s.relief == 0 {
		return f.CPU
	}
	return f.CPU / s.relief
}
