package bars

import (
	"math"

	"github.com/feedd/feedd/market"
)

const (
	second    = 1_000_000                  // in microseconds
	earliest  = 2 * secondsPerDay * second // no bar starts at 0 or before, which would stand for none
	maxAhead  = 60 * second                // how far a trade's time may lie ahead of its arrival
	intervals = len(limits)                // of market.Intervals
	minutes   = 1                          // index of the bars of a minute
	days      = intervals - 1              // index of the bars of a day
)

// Set is the bars and statistics of one instrument. It belongs to one goroutine.
type Set struct {
	calendar Calendar
	series   [intervals]Series
	revision uint64 // of the statistics
	window   window

	sessionStart, sessionEnd int64 // in seconds; 0: there is none yet

	last                     int64 // price of the newest trade
	exchangeTime, ingestTime int64 // of that, in microseconds
}

// NewSet returns the bars of an instrument that has had no trade.
func NewSet(c Calendar) *Set {
	s := &Set{calendar: c}
	for i, seconds := range market.Intervals {
		s.series[i].interval, s.series[i].limit = int64(seconds), limits[i]
	}
	return s
}

// SetCalendar has trading days begin by another calendar from now on. The day that it is now ends where the new calendar
// begins one.
func (s *Set) SetCalendar(c Calendar) {
	s.calendar = c
	if s.sessionEnd != 0 {
		_, s.sessionEnd = c.Day(s.sessionStart)
	}
	if d := &s.series[days]; d.end != 0 {
		_, d.end = c.Day(d.newest.Start)
	}
}

// Series returns the bars of an interval in seconds; nil for one that is not in market.Intervals.
func (s *Set) Series(interval uint32) *Series {
	for i, seconds := range market.Intervals {
		if seconds == interval {
			return &s.series[i]
		}
	}
	return nil
}

// Change says what a change of a Set was.
type Change uint8

// Changes.
const (
	Counted Change = 1 << iota // bars changed
	Opened                     // a bar began, so that Due may be earlier than it was
)

// timeOf is when a trade was made, in seconds. It reports false for a time that no trade can have.
func timeOf(t *market.Trade) (int64, bool) {
	at := t.ExchangeTime
	if at == 0 {
		at = t.IngestTime
	}
	return at / second, at >= earliest && at-maxAhead <= t.IngestTime
}

// Trade counts an ordinary trade. A result of 0 says that the trade is late: it counts nowhere.
func (s *Set) Trade(t *market.Trade) Change {
	sec, ok := timeOf(t)
	if !ok {
		return 0
	}
	if sec >= s.sessionEnd {
		s.sessionStart, s.sessionEnd = s.calendar.Day(sec)
	}
	m := &s.series[minutes]
	volume := m.newest.Volume
	if sec >= m.end {
		s.window.advance(m, windowStart(sec)) // ahead of the new bar, for which the ring may drop one that leaves
		volume = 0
	}
	worth := market.Times(t.Price, t.Size)
	var change Change
	inMinutes := tookNot
	for i := range s.series {
		took := s.series[i].take(sec, &s.calendar, t, worth)
		switch took {
		case tookNot:
			continue
		case tookNew:
			change |= Opened
		}
		change |= Counted
		if i == minutes {
			inMinutes = took
		}
	}
	switch inMinutes {
	case tookLate:
		s.window.rebuild(m)
	case tookNewest, tookNew:
		s.window.add(m, volume, t.Price, worth)
		s.last, s.exchangeTime, s.ingestTime = t.Price, t.ExchangeTime, t.IngestTime
	}
	if change != 0 {
		s.revision++
	}
	return change
}

// Advance lets time pass to now, in microseconds. It reports whether bars changed, and whether statistics did.
func (s *Set) Advance(now int64) (barsChanged, statisticsChanged bool) {
	sec := now / second
	for i := range s.series {
		if s.series[i].close(sec) {
			barsChanged = true
		}
	}
	statisticsChanged = s.window.advance(&s.series[minutes], windowStart(sec))
	if s.sessionEnd != 0 && sec >= s.sessionEnd {
		s.sessionStart, s.sessionEnd = s.calendar.Day(sec)
		statisticsChanged = true
	}
	if statisticsChanged {
		s.revision++
	}
	return barsChanged, statisticsChanged
}

// Due is when Advance will change something, in microseconds.
func (s *Set) Due() int64 {
	due := s.window.due(&s.series[minutes])
	for i := range s.series {
		due = min(due, s.series[i].due())
	}
	if s.sessionEnd != 0 {
		due = min(due, s.sessionEnd)
	}
	if due > math.MaxInt64/second {
		return math.MaxInt64
	}
	return due * second
}

// Statistics is an instrument's statistics at a moment.
type Statistics struct {
	Last                     int64
	Day, Session             Totals // the last 24 hours, and since SessionStart
	SessionStart             int64  // in seconds since the Unix epoch; 0: nothing was traded yet
	ExchangeTime, IngestTime int64  // of the newest trade or statement, in microseconds
	Venue                    market.Statistics
}

// Traded reports whether there is a last price.
func (s *Statistics) Traded() bool { return s.SessionStart != 0 }

// Revision counts the changes of the statistics so far.
func (s *Set) Revision() uint64 { return s.revision }

// Statistics returns all but what the venue states.
func (s *Set) Statistics() Statistics {
	st := Statistics{
		Last: s.last, Day: s.window.totals(&s.series[minutes]), SessionStart: s.sessionStart,
		ExchangeTime: s.exchangeTime, IngestTime: s.ingestTime,
	}
	if d := &s.series[days].newest; d.Trades != 0 && d.Start >= s.sessionStart {
		st.Session = Totals{Open: d.Open, High: d.High, Low: d.Low, Volume: d.Volume, Trades: d.Trades, Turnover: d.Turnover}
	}
	return st
}
