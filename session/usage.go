package session

import (
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

// letGo lets go of a subscription that is held, and appends to gone the handles of which nothing is to be sent any more.
func (s *Session) letGo(h fanout.Handle, gone []fanout.Handle) []fanout.Handle {
	sub := s.held.find(h)
	id, ch := sub.id, sub.channel
	gone = s.held.remove(h, gone, s.env.statusHandle)
	if s.counts() && !s.held.has(id, ch) {
		s.count(id, ch, -1)
	}
	return gone
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
