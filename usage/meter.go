package usage

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/feedd/feedd/market"
)

const (
	// MaxLines a day may have; what does not fit is added up under Others.
	MaxLines = 50_000
	// Others is the user under whom that is.
	Others = "(others)"
	// Anonymous is the user of those who do not say who they are.
	Anonymous = "(anonymous)"
)

// Line is whom and what is counted.
type Line struct {
	User, Venue string
	Channel     market.Channel
	Delay       time.Duration // 0: real time
}

// Row is a line with its counts.
type Row struct {
	Line
	Begun   uint64        // how often an instrument was taken up
	Peak    int           // instruments at a time, over all sessions of the user
	Held    int           // instruments at the end of the day, or now
	Holding time.Duration // instrument-time: two instruments for a minute are two minutes
}

// Day is what was counted in a day.
type Day struct {
	Date   string // YYYY-MM-DD, in UTC
	Rows   []Row  // by line
	Merged uint64 // changes that were counted under Others for lack of room
}

// Meter counts. Its methods may be called from any goroutine; times are microseconds since the Unix epoch.
type Meter struct {
	mu       sync.Mutex
	most     int
	day      int64 // since the Unix epoch
	rows     map[Line]*row
	merged   uint64
	finished []Day // not taken yet; at most maxFinished
}

type row struct {
	begun   uint64
	peak    int
	held    int
	holding int64 // microseconds, up to since
	since   int64
}

// maxFinished days may wait to be taken.
const maxFinished = 3

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// NewMeter returns a meter that begins at now.
func NewMeter(now int64) *Meter {
	return &Meter{most: MaxLines, day: now / dayMicros, rows: make(map[Line]*row)}
}

// Change counts that by more (or fewer, below 0) instruments are held of a line.
func (m *Meter) Change(l Line, by int, now int64) {
	if l.User == "" {
		l.User = Anonymous
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	r := m.rows[l]
	if r == nil && len(m.rows) >= m.most || r != nil && r.held+by < 0 {
		m.merged++
		l.User = Others
		r = m.rows[l]
	}
	if r == nil {
		r = &row{since: now}
		m.rows[l] = r
	}
	r.settle(now)
	if r.held = max(0, r.held+by); by > 0 {
		r.begun += uint64(by)
	}
	r.peak = max(r.peak, r.held)
}

// settle adds the time up to now.
func (r *row) settle(now int64) {
	if now > r.since {
		r.holding += (now - r.since) * int64(r.held)
		r.since = now
	}
}

// roll ends the day that is over. Days on which nobody looked are ended as well.
func (m *Meter) roll(now int64) {
	for m.day < now/dayMicros {
		end := (m.day + 1) * dayMicros
		m.finished = append(m.finished, m.read(end))
		if len(m.finished) > maxFinished {
			m.finished = slices.Delete(m.finished, 0, 1)
		}
		m.day, m.merged = m.day+1, 0
		for l, r := range m.rows {
			if r.held == 0 {
				delete(m.rows, l)
				continue
			}
			*r = row{held: r.held, peak: r.held, since: end}
		}
	}
}

// read returns the day as of now.
func (m *Meter) read(now int64) Day {
	d := Day{Date: time.UnixMicro(m.day * dayMicros).UTC().Format(time.DateOnly), Merged: m.merged}
	for l, r := range m.rows {
		r.settle(now)
		d.Rows = append(d.Rows, Row{Line: l, Begun: r.begun, Peak: r.peak, Held: r.held, Holding: time.Duration(r.holding) * time.Microsecond})
	}
	slices.SortFunc(d.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Venue, b.Venue), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Delay, b.Delay))
	})
	return d
}

// Today returns what was counted today, up to now.
func (m *Meter) Today(now int64) Day {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	return m.read(now)
}

// Finished returns the days that have ended since the last call.
func (m *Meter) Finished(now int64) []Day {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	days := m.finished
	m.finished = nil
	return days
}

// Restore adds what was counted earlier in the same day, by a run of the node that has ended. Days that are over change
// nothing.
func (m *Meter) Restore(d Day, now int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roll(now)
	if d.Date != time.UnixMicro(m.day*dayMicros).UTC().Format(time.DateOnly) {
		return
	}
	m.merged += d.Merged
	for _, was := range d.Rows {
		r := m.rows[was.Line]
		if r == nil {
			r = &row{since: now}
			m.rows[was.Line] = r
		}
		r.begun += was.Begun
		r.peak = max(r.peak, was.Peak)
		r.holding += was.Holding.Microseconds()
	}
}

// Total is what all users held of a venue's channel.
type Total struct {
	Venue   string
	Channel market.Channel
	Delay   time.Duration
	Users   int // who held any; those in Others count as one
	Holding time.Duration
}

// Totals adds a day up, by venue, channel and delay.
func (d *Day) Totals() []Total {
	all := make(map[Line]*Total)
	for _, r := range d.Rows {
		key := r.Line
		key.User = ""
		t := all[key]
		if t == nil {
			t = &Total{Venue: r.Venue, Channel: r.Channel, Delay: r.Delay}
			all[key] = t
		}
		t.Users++
		t.Holding += r.Holding
	}
	var totals []Total
	for _, t := range all {
		totals = append(totals, *t)
	}
	slices.SortFunc(totals, func(a, b Total) int {
		return cmp.Or(cmp.Compare(a.Venue, b.Venue), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Delay, b.Delay))
	})
	return totals
}
