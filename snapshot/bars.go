package snapshot

import (
	"encoding/binary"
	"errors"

	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// barRecord is an instrument's bars and statistics. It is empty until the first trade or statement.
type barRecord struct {
	set    *bars.Set
	venue  *market.Statistics // what the venue states; nil: nothing yet
	stated uint64             // how often it did
	entry  int                // place in the agenda, plus one

	// What the set's calendar was made of.
	sessionStart int32
	timeZone     string
}

// barsOf returns the bars of an instrument, which it makes if need be, by the calendar of its definition.
func (s *Store) barsOf(id market.InstrumentID) *bars.Set {
	rec := &s.records[id]
	r, in := &rec.bars, &rec.instrument
	if r.set != nil && r.sessionStart == in.SessionStart && r.timeZone == in.TimeZone {
		return r.set
	}
	r.sessionStart, r.timeZone = in.SessionStart, in.TimeZone
	calendar := bars.NewCalendar(in.SessionStart, s.agenda.zones.Find(in.TimeZone))
	if r.set == nil {
		r.set = bars.NewSet(calendar)
		s.agenda.enter(r, id)
	} else {
		r.set.SetCalendar(calendar)
		s.agenda.hasten(r)
	}
	return r.set
}

// traded takes a trade, which is in the log already, into bars and statistics.
func (s *Store) traded(id market.InstrumentID, t *market.Trade) {
	set := s.barsOf(id)
	r := &s.records[id]
	var change bars.Change
	if t.Kind == market.TradeOrdinary {
		change = set.Trade(t)
	} else {
		change = set.Mend(t, r.trades.backwards)
	}
	if change == 0 {
		s.options.Counters.Add(drop.LateTrade, 1)
		return
	}
	if change&bars.Opened != 0 {
		s.agenda.hasten(&r.bars)
	}
	s.note(id, market.ChannelBar)
	s.note(id, market.ChannelStats)
}

// mendReach is how many events back a trade can be mended: enough for the minutes in which venues do so, while a
// publisher that mends all the time does not hold up ingest.
const mendReach = 4096

// backwards yields the last trades of the log, newest first.
func (l *log) backwards(yield func(*market.Trade) bool) {
	for i := l.next; i > l.first && l.next-i < mendReach; i-- {
		if t := &l.at(i - 1).trade; t.Kind != kindGap && !yield(t) {
			return
		}
	}
}

// Statistics takes what the venue states.
func (s *Store) Statistics(id market.InstrumentID, st *market.Statistics) {
	r := &s.records[id].bars
	if r.venue == nil {
		r.venue = new(market.Statistics)
	}
	*r.venue = *st
	r.stated++
	s.note(id, market.ChannelStats)
}

// Advance lets time pass to now, in microseconds since the Unix epoch: bars close, minutes leave the statistics, and logs that a burst made
// grow give memory back.
// It is part of a batch, as every change is.
func (s *Store) Advance(now int64) {
	s.now = now
	a := &s.agenda
	if now < a.earliest {
		return
	}
	a.earliest = never
	trims := 0
	for n := range a.entries {
		e := &a.entries[n]
		if e.due <= now {
			set := s.records[e.id].bars.set
			barsChanged, statisticsChanged := set.Advance(now)
			if barsChanged {
				s.note(e.id, market.ChannelBar)
			}
			if statisticsChanged {
				s.note(e.id, market.ChannelStats)
			}
			e.due = set.Due()
			// Who traded has bars that close, within a minute at most.
			l := &s.records[e.id].trades
			if first, size := l.slack(now); size < len(l.ring) {
				if trims++; trims <= trimsAtOnce {
					l.trim(first, size)
				} else {
					e.due = now // next time
				}
			}
		}
		a.earliest = min(a.earliest, e.due)
	}
}

// trimsAtOnce bounds for how long Advance holds up readers and ticks where a whole market quietens down: a log that shrinks from 65,536 events
// to 2,048 takes some 17 µs.
const trimsAtOnce = 16

// never is later than any time.
const never = 1<<63 - 1

// agenda says when time alone will change the bars or statistics of an instrument, so that Advance need not look at all
// of them ten times a second. A time in it may be too early, since trades put off the end of bars, but not too late.
type agenda struct {
	entries  []agendaEntry
	earliest int64 // of the entries; none is due before
	zones    bars.Zones
}

type agendaEntry struct {
	due int64 // in microseconds
	id  market.InstrumentID
}

func newAgenda() agenda { return agenda{earliest: never, zones: bars.Zones{}} }

func (a *agenda) enter(r *barRecord, id market.InstrumentID) {
	a.entries = append(a.entries, agendaEntry{due: never, id: id})
	r.entry = len(a.entries)
	a.hasten(r)
}

// leave takes the entry of r out, whose bars are about to be forgotten.
func (a *agenda) leave(s *Store, r *barRecord) {
	if r.entry == 0 {
		return
	}
	last := len(a.entries) - 1
	a.entries[r.entry-1] = a.entries[last]
	s.records[a.entries[r.entry-1].id].bars.entry = r.entry
	a.entries = a.entries[:last]
	r.entry = 0
}

// hasten moves the entry of r ahead to when its bars are due.
func (a *agenda) hasten(r *barRecord) {
	e := &a.entries[r.entry-1]
	e.due = min(e.due, r.set.Due())
	a.earliest = min(a.earliest, e.due)
}

// Bars returns an instrument's bars of an interval in seconds, valid until Release; nil where nothing was traded yet
// or no such interval exists.
func (r *Reader) Bars(id market.InstrumentID, interval uint32) *bars.Series {
	if set := r.records[id].bars.set; set != nil {
		return set.Series(interval)
	}
	return nil
}

// StatisticsTicks counts the changes of an instrument's statistics.
func (r *Reader) StatisticsTicks(id market.InstrumentID) uint64 {
	b := &r.records[id].bars
	if b.set == nil {
		return b.stated
	}
	return b.stated + b.set.Revision()
}

// Statistics returns an instrument's statistics.
func (r *Reader) Statistics(id market.InstrumentID) (st bars.Statistics) {
	b := &r.records[id].bars
	if b.set != nil {
		st = b.set.Statistics()
	}
	if b.venue != nil {
		st.Venue = *b.venue
		if b.venue.IngestTime > st.IngestTime {
			st.ExchangeTime, st.IngestTime = b.venue.ExchangeTime, b.venue.IngestTime
		}
	}
	return st
}

// Parts of a stored barRecord.
const (
	storedSet = 1 << iota
	storedVenue
	storedParts
)

// appendTo appends r as Store.readBars reads it.
func (r *barRecord) appendTo(dst []byte) []byte {
	parts := byte(0)
	if r.set != nil {
		parts |= storedSet
	}
	if r.venue != nil {
		parts |= storedVenue
	}
	dst = append(dst, parts)
	if r.set != nil {
		dst = r.set.AppendTo(dst)
	}
	if v := r.venue; v != nil {
		for _, n := range [...]int64{
			v.PreviousClose, v.Settlement, v.Mark, v.Index, v.OpenInterest, v.FundingRateE8, v.ExchangeTime, v.IngestTime,
			int64(v.Position.Epoch), int64(v.Position.Sequence), int64(v.Has),
		} {
			dst = binary.AppendVarint(dst, n)
		}
	}
	return dst
}

var errStoredBars = errors.New("the stored bars and statistics end too early or are not what they should be")

// readBars fills the bars of an instrument that has none with what appendTo wrote, and returns what stands behind
// that. It is part of a batch. Where it fails the instrument has no bars.
func (s *Store) readBars(id market.InstrumentID, b []byte) (rest []byte, err error) {
	if len(b) == 0 || b[0] >= storedParts {
		return nil, errStoredBars
	}
	parts, b := b[0], b[1:]
	in := &s.records[id].instrument
	var set *bars.Set
	if parts&storedSet != 0 {
		set = bars.NewSet(bars.NewCalendar(in.SessionStart, s.agenda.zones.Find(in.TimeZone)))
		if b, err = set.ReadFrom(b); err != nil {
			return nil, err
		}
	}
	var venue *market.Statistics
	if parts&storedVenue != 0 {
		if venue, b = readVenue(b); venue == nil {
			return nil, errStoredBars
		}
	}
	r := &s.records[id].bars
	if set != nil {
		r.set, r.sessionStart, r.timeZone = set, in.SessionStart, in.TimeZone
		s.agenda.enter(r, id)
	}
	if venue != nil {
		r.venue, r.stated = venue, 1
	}
	return b, nil
}

func readVenue(b []byte) (*market.Statistics, []byte) {
	var n [11]int64
	for i := range n {
		v, size := binary.Varint(b)
		if size <= 0 {
			return nil, nil
		}
		n[i], b = v, b[size:]
	}
	return &market.Statistics{
		PreviousClose: n[0], Settlement: n[1], Mark: n[2], Index: n[3], OpenInterest: n[4], FundingRateE8: n[5],
		ExchangeTime: n[6], IngestTime: n[7],
		Position: market.Position{Epoch: market.Epoch(n[8]), Sequence: market.Sequence(n[9])}, Has: market.HasStatistics(n[10]),
	}, b
}
