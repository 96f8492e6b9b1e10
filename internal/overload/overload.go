// Package overload decides how much a node gives up when it has more to carry than it can. It is a state machine over
// figures: it reads no clock, measures nothing, and does nothing about what it decides.
//
// Each level does what the ones before it do, and more: first nobody new is let in, then everybody gets rows less often,
// then sessions of the least important tier are sent elsewhere. A level is entered as soon as the figures ask for it, and
// left one at a time, once they have been well below it for a while: a node that sways costs its clients more than one
// that waits.
package overload

import (
	"fmt"
	"time"
)

// Level is how much a node gives up.
type Level uint8

// Levels.
const (
	Open     Level = iota // nothing
	Refusing              // new connections are refused
	Slowing               // and rows come less often
	Shedding              // and sessions of the least important tier are ended
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
	Heap [Levels]float64 // from which a level is entered at once
	// CPU is the same for processor time, after Sustain and only while cuts come later than Late: a node whose cuts are on
	// time is busy, not overloaded.
	CPU     [Levels]float64
	Late    time.Duration
	Sustain time.Duration
	// Slack is how far below its share a figure must be, and Calm for how long, until a level is left.
	Slack float64
	Calm  time.Duration
}

// DefaultLimits returns the limits that hold unless operators say otherwise.
func DefaultLimits() Limits {
	return Limits{
		Heap: [Levels]float64{Refusing: 0.70, Slowing: 0.80, Shedding: 0.90},
		CPU:  [Levels]float64{Refusing: 0.85, Slowing: 0.90, Shedding: 0.95},
		Late: 100 * time.Millisecond, Sustain: 5 * time.Second,
		Slack: 0.05, Calm: 15 * time.Second,
	}
}

// Machine is the state. The zero value is not ready; New makes one. It belongs to one goroutine.
type Machine struct {
	limits Limits
	level  Level
	why    string

	// In microseconds on the caller's clock; 0: it does not hold.
	busySince [Levels]int64 // from when the processor has asked for a level
	calmSince int64         // from when nothing has asked for this level
}

// New returns a machine at Open.
func New(l Limits) *Machine { return &Machine{limits: l} }

// Level is the level of this moment.
func (m *Machine) Level() Level { return m.level }

// Why says what made the machine enter its level, in words for operators; "" at Open.
func (m *Machine) Why() string { return m.why }

// Step takes the figures at now, in microseconds, which must be above 0 and not go back. It reports whether the level
// changed.
func (m *Machine) Step(now int64, f Figures) (changed bool) {
	asked, why := m.asked(now, f)
	switch {
	case asked > m.level:
		m.level, m.why, m.calmSince = asked, why, 0
		return true
	case m.level == Open || m.holds(f):
		m.calmSince = 0
	case m.calmSince == 0:
		m.calmSince = now
	case now-m.calmSince >= m.limits.Calm.Microseconds():
		m.level--
		m.calmSince = now
		if m.level == Open {
			m.why = ""
		}
		return true
	}
	return false
}

// asked returns the level that the figures ask for, and why.
func (m *Machine) asked(now int64, f Figures) (level Level, why string) {
	for l := Refusing; l < Levels; l++ {
		if m.busy(f) && f.CPU >= m.limits.CPU[l] {
			if m.busySince[l] == 0 {
				m.busySince[l] = now
			}
			if now-m.busySince[l] >= m.limits.Sustain.Microseconds() {
				level, why = l, fmt.Sprintf("the processor is at %.0f %%, and cuts come up to %v late", 100*f.CPU, f.Late.Round(time.Millisecond))
			}
		} else {
			m.busySince[l] = 0
		}
		if f.Heap >= m.limits.Heap[l] {
			level, why = l, fmt.Sprintf("memory is at %.0f %% of its limit", 100*f.Heap)
		}
	}
	return level, why
}

func (m *Machine) busy(f Figures) bool { return f.Late >= m.limits.Late }

// holds reports whether the figures are still too near to what the level is entered at.
func (m *Machine) holds(f Figures) bool {
	return f.Heap >= m.limits.Heap[m.level]-m.limits.Slack || m.busy(f) && f.CPU >= m.limits.CPU[m.level]-m.limits.Slack
}
