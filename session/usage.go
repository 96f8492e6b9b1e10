package session

import (
	"context"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/usage"
)

// Usage counts who holds what. Its methods may be called from any goroutine.
type Usage interface {
	Change(l usage.Line, by int, now int64)
}

// hold takes in a subscription that is not held; its instrument is.
func (s *Session) hold(sub subscription) {
	first := s.counts() && !s.held.has(sub.id, sub.channel)
	s.held.add(sub)
	if first {
		s.count(sub.id, sub.channel, +1)
	}
}

// Interest carries instruments of the market in real time for as long as somebody holds them. Its methods may be called
// from any goroutine.
type Interest interface {
	// Hold has an instrument carried until as many Release. It is called ahead of the first look at its rows, and Release behind
	// the last.
	Hold(id market.InstrumentID)
	Release(id market.InstrumentID)
	// Await waits until the state of an instrument that is held is there, or ctx ends.
	Await(ctx context.Context, id market.InstrumentID)
}

// departures is what a session has let go of, and still has to tell others.
type departures struct {
	handles     []fanout.Handle       // whose rows are to end
	instruments []market.InstrumentID // that are held no more
}

// depart ends the rows of what was let go of, and then the interest in it: by then nobody looks at it any more.
func (s *Session) depart(gone *departures) {
	if len(gone.handles) > 0 {
		s.engine.Unsubscribe(gone.handles)
	}
	s.release(gone.instruments...)
}

func (s *Session) release(ids ...market.InstrumentID) {
	if s.env.Interest == nil {
		return
	}
	for _, id := range ids {
		if feedOf(id) == 0 {
			s.env.Interest.Release(idAlone(id))
		}
	}
}

// carry has an instrument carried from now on.
func (s *Session) carry(id market.InstrumentID) {
	if s.env.Interest != nil && feedOf(id) == 0 {
		s.env.Interest.Hold(idAlone(id))
	}
}

// releaseAll ends the interest in all that is held.
func (s *Session) releaseAll() {
	for i := range s.held.instruments {
		s.release(s.held.instruments[i].id)
	}
}

// letGo lets go of a subscription that is held, and notes in gone what is to follow from that.
func (s *Session) letGo(h fanout.Handle, gone *departures) {
	sub := s.held.find(h)
	id, ch := sub.id, sub.channel
	gone.handles = s.held.remove(h, gone.handles, s.env.statusHandle)
	if in, _ := s.held.instrument(id); in == nil {
		gone.instruments = append(gone.instruments, id)
	}
	if s.counts() && !s.held.has(id, ch) {
		s.count(id, ch, -1)
	}
}

// counts reports whether anybody counts what is held here. Who takes one look holds nothing.
func (s *Session) counts() bool { return s.env.Usage != nil && !s.brief }

// count tells of an instrument's channel that was taken up or let go.
func (s *Session) count(id market.InstrumentID, ch market.Channel, by int) {
	s.env.Usage.Change(usage.Line{
		User: s.user().User, Venue: s.env.instrument(id).Symbol.Venue, Channel: ch, Delay: s.env.feed(feedOf(id)).Delay,
	}, by, s.env.Clock())
}

// countEnd lets go of all that is held when a session ends.
func (s *Session) countEnd() {
	if !s.counts() {
		return
	}
	type pair struct {
		id market.InstrumentID
		ch market.Channel
	}
	counted := make(map[pair]bool)
	for i := range s.held.subs {
		p := pair{s.held.subs[i].id, s.held.subs[i].channel}
		if !counted[p] {
			counted[p] = true
			s.count(p.id, p.ch, -1)
		}
	}
}

// has reports whether a channel of an instrument is held in any view.
func (h *holdings) has(id market.InstrumentID, ch market.Channel) bool {
	for i := range h.subs {
		if h.subs[i].id == id && h.subs[i].channel == ch {
			return true
		}
	}
	return false
}
