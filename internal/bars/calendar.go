package bars

import (
	"time"
	_ "time/tzdata" // days must begin at the same moment on every machine, whether it has a list of zones or not
)

const secondsPerDay = 86400

// Calendar says when an instrument's trading days begin. The zero Calendar is that of days in UTC.
type Calendar struct {
	zone  *time.Location // nil: UTC
	start int            // seconds after 00:00, 0 to 86,399
}

// NewCalendar returns the calendar of days that begin so many seconds after 00:00 on the clocks of zone.
func NewCalendar(sessionStart int32, zone *time.Location) Calendar {
	if zone == time.UTC {
		zone = nil
	}
	start := int(sessionStart) % secondsPerDay
	if start < 0 {
		start += secondsPerDay
	}
	return Calendar{zone: zone, start: start}
}

// Day returns when the trading day that holds a moment begins, and when the next one does, in seconds since the
// Unix epoch. Days on which the clocks are set are shorter or longer than others.
func (c Calendar) Day(at int64) (start, end int64) {
	if c.zone == nil {
		start = floor(at-int64(c.start), secondsPerDay) + int64(c.start)
		return start, start + secondsPerDay
	}
	year, month, day := time.Unix(at, 0).In(c.zone).Date()
	// A zone that moves to the other side of the date line leaves a day out: so look on until a day ends.
	for n := -2; ; n++ {
		next := time.Date(year, month, day+n, 0, 0, c.start, 0, c.zone).Unix()
		if next > at {
			return start, next
		}
		start = next
	}
}

// floor returns the largest multiple of unit that is not above v.
func floor(v, unit int64) int64 {
	rest := v % unit
	if rest < 0 {
		rest += unit
	}
	return v - rest
}

// Zones finds time zones by their IANA names, each once. It is for use by one goroutine.
type Zones map[string]*time.Location

// Find returns the zone with that name; UTC where there is none.
func (z Zones) Find(name string) *time.Location {
	if name == "" {
		return time.UTC
	}
	if zone, ok := z[name]; ok {
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil || zone == time.Local { // "Local" would be another zone on every machine
		return time.UTC // not kept: there is no end of names that are none
	}
	z[name] = zone
	return zone
}
