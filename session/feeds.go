package session

import (
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// Feed is the market as it was a while ago: an engine of its own, over a directory of its own. Sessions hold
// subscriptions of several side by side, told apart by their handles.
type Feed struct {
	Delay     time.Duration // more than 0
	Engine    Engine
	Directory Directory
	Backfill  *Backfill // nil: what the engine's log does not hold is lost
	// FirstHandle is ahead of all of its handles, and behind those of feeds with a shorter delay.
	FirstHandle fanout.Handle
}

// MaxDelayed is how many delayed feeds a server may have.
const MaxDelayed = 3

// feedNumber names a feed: 0 is the market in real time, the others are Env.Delayed, by their delays.
type feedNumber uint8

// Feeds number their instruments each for itself. Within sessions the upper bits of an id say which feed gave it.
const feedShift = 30

func idIn(n feedNumber, id market.InstrumentID) market.InstrumentID {
	return id | market.InstrumentID(n)<<feedShift
}

func feedOf(id market.InstrumentID) feedNumber { return feedNumber(id >> feedShift) }

func idAlone(id market.InstrumentID) market.InstrumentID { return id & (1<<feedShift - 1) }

// feed returns a feed that there is.
func (e *Env) feed(n feedNumber) Feed {
	if n == 0 {
		return Feed{Engine: e.Engine, Directory: e.Directory, Backfill: e.Backfill}
	}
	return e.Delayed[n-1]
}

// feedWith returns the feed with the shortest delay of at least least.
func (e *Env) feedWith(least time.Duration) (n feedNumber, delay time.Duration, ok bool) {
	if least == 0 {
		return 0, 0, true
	}
	for i := range e.Delayed {
		if e.Delayed[i].Delay >= least {
			return feedNumber(i + 1), e.Delayed[i].Delay, true
		}
	}
	return 0, 0, false
}

// feedOfHandle returns the feed that gave out a handle.
func (e *Env) feedOfHandle(h fanout.Handle) feedNumber {
	for i := len(e.Delayed); i > 0; i-- {
		if h > e.Delayed[i-1].FirstHandle {
			return feedNumber(i)
		}
	}
	return 0
}

func (e *Env) instrument(id market.InstrumentID) market.Instrument {
	return e.feed(feedOf(id)).Directory.Instrument(idAlone(id))
}

func (e *Env) handle(id market.InstrumentID, ch market.Channel, v market.View) fanout.Handle {
	return e.feed(feedOf(id)).Engine.Handle(idAlone(id), ch, v)
}

func (e *Env) view(h fanout.Handle) market.View { return e.feed(e.feedOfHandle(h)).Engine.View(h) }

// sourceHandle returns the handle of the status of an instrument's source.
func (e *Env) sourceHandle(id market.InstrumentID, source string) fanout.Handle {
	return e.feed(feedOf(id)).Engine.SourceHandle(source)
}

// counterpart returns the id that a feed gives to an instrument; false where it does not know it (yet).
func (e *Env) counterpart(n feedNumber, id market.InstrumentID) (market.InstrumentID, bool) {
	if feedOf(id) == n {
		return id, true
	}
	own, known := e.feed(n).Directory.Lookup(e.instrument(id).Symbol)
	return idIn(n, own), known
}

// timelinessWish is how fresh a client wants rows; the zero value: as fresh as it may have them.
type timelinessWish uint8

const (
	inRealTime = timelinessWish(feedv1.Timeliness_TIMELINESS_REAL_TIME)
	isDelayed  = timelinessWish(feedv1.Timeliness_TIMELINESS_DELAYED)
)

// someDelay is less than any feed's.
const someDelay = time.Millisecond

// seats are a session's places in the engines of all feeds, which it treats as one.
type seats struct {
	env  *Env
	of   []Subscriber  // by feed
	turn atomic.Uint32 // how often they were woken
}

// attach takes a connection's place in every engine.
func (e *Env) attach(c Conn, f fanout.Framing) Subscriber {
	first := e.Engine.Attach(c, f)
	if len(e.Delayed) == 0 {
		return first
	}
	s := &seats{env: e, of: []Subscriber{first}}
	for i := range e.Delayed {
		s.of = append(s.of, e.Delayed[i].Engine.Attach(c, f))
	}
	return s
}

func (s *seats) Subscribe(items []fanout.Item, c throttle.Cadence) {
	for n, some := range s.split(items) {
		if len(some) > 0 {
			s.of[n].Subscribe(some, c)
		}
	}
}

func (s *seats) split(items []fanout.Item) (parts [MaxDelayed + 1][]fanout.Item) {
	for _, it := range items {
		n := s.env.feedOfHandle(it.Handle)
		parts[n] = append(parts[n], it)
	}
	return parts
}

func (s *seats) Unsubscribe(handles []fanout.Handle) {
	var parts [MaxDelayed + 1][]fanout.Handle
	for _, h := range handles {
		n := s.env.feedOfHandle(h)
		parts[n] = append(parts[n], h)
	}
	for n, some := range parts {
		if len(some) > 0 {
			s.of[n].Unsubscribe(some)
		}
	}
}

// Limit divides a ceiling evenly; see divide.
func (s *seats) Limit(bytesPerSecond int) {
	even := make([]int, len(s.of))
	for n := range even {
		even[n] = 1
	}
	s.divide(bytesPerSecond, even)
}

// divide gives each feed its share of a ceiling, by how much the session holds of it.
func (s *seats) divide(bytesPerSecond int, held []int) {
	sum := 0
	for _, n := range held {
		sum += n
	}
	for n, sub := range s.of {
		share := 0
		if bytesPerSecond > 0 {
			share = max(1, bytesPerSecond*held[n]/max(1, sum)) // 0 would be none at all
		}
		sub.Limit(share)
	}
}

// Load of a connection that several engines send to is blocked for all of them.
func (s *seats) Load() (sum fanout.Load) {
	for _, sub := range s.of {
		l := sub.Load()
		sum.Frames, sum.Bytes = sum.Frames+l.Frames, sum.Bytes+l.Bytes
		sum.Blocked, sum.Short, sum.Slow = max(sum.Blocked, l.Blocked), sum.Short || l.Short, sum.Slow || l.Slow
	}
	return sum
}

// Wake wakes each feed first in its turn: whichever is first may take all that the connection has room for.
func (s *seats) Wake() {
	first := int(s.turn.Add(1))
	for n := range s.of {
		s.of[(first+n)%len(s.of)].Wake()
	}
}

func (s *seats) Detach() (sum fanout.Tally) {
	for _, sub := range s.of {
		t := sub.Detach()
		sum.Conflated, sum.Missed, sum.Lost = sum.Conflated+t.Conflated, sum.Missed+t.Missed, sum.Lost+t.Lost
	}
	return sum
}
