package replay

import (
	"fmt"
	"time"
)

// Bounds of Config.Speed.
const (
	minSpeed = 0.001
	maxSpeed = 1_000_000
)

func checkSpeed(speed float64) error {
	if speed == 0 || speed >= minSpeed && speed <= maxSpeed {
		return nil
	}
	return fmt.Errorf("speed %v: want 0 (as fast as possible) or a factor from %v to %v, such as 1 for the original pace", speed, minSpeed, maxSpeed)
}

// pacer says when a recorded event is due. Each due time is computed from the beginning, so that waits
// which end late do not add up.
type pacer struct {
	speed  float64 // 0: everything is due at once
	first  int64   // receive time of the first event in nanoseconds
	start  time.Time
	passed time.Duration // recorded time gone by, which never goes back, whatever a line says
}

func (p *pacer) due(received int64) time.Time {
	if p.speed == 0 {
		return p.start
	}
	p.passed = max(p.passed, time.Duration(received-p.first))
	return p.start.Add(time.Duration(float64(p.passed) / p.speed))
}

// shift returns by how many microseconds recorded times move so that the last event comes in the present, or, in slow
// motion, the first one does, and none ahead of its time. It is whole milliseconds, as the exchange's times are.
func (p *pacer) shift(last int64) int64 {
	begin, end := p.start, p.start
	if p.speed != 0 {
		end = end.Add(time.Duration(float64(last-p.first) / p.speed))
	}
	return min(begin.UnixNano()-p.first, end.UnixNano()-last) / 1e6 * 1000
}
