package session

import (
	"fmt"
	"strings"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// joinsPerFrame keeps what is sent at a time to less than a connection holds, whatever publishers say of instruments.
const joinsPerFrame = 16

// Refresh has the session follow the policy in force, tells the client what is new of the instruments that it holds, and
// has those join its patterns and lists that fit now. It never waits: where the connection has something pending, or a request is being carried out, it
// leaves off and returns false, to be called again soon. What was told by then is not told again.
func (s *Session) Refresh() (done bool) {
	if s.over() {
		return true
	}
	now := s.env.revisions()
	if !s.work.TryLock() {
		return false
	}
	defer s.work.Unlock()
	if s.seen == now && !s.rematch {
		return true
	}
	if s.seen.policy == now.policy && len(s.held.subs) == 0 && len(s.live.all()) == 0 {
		s.seen = now
		return true
	}
	if !s.conn.Ready() {
		return false
	}
	if s.seen.policy != now.policy {
		if !s.adopt(now.policy, s.send) {
			return true // the connection has ended
		}
		s.seen.policy = now.policy
		if !s.conn.Ready() {
			return false
		}
	}
	j := joiner{request: request{Session: s}}
	for n := range len(s.env.Delayed) + 1 {
		n := feedNumber(n)
		ids, upTo := s.env.feed(n).Directory.DefinedSince(s.seen.directory[n])
		for _, id := range ids {
			if !j.look(idIn(n, id)) {
				return false
			}
		}
		now.directory[n] = upTo
	}
	if (s.seen.lists != now.lists || s.rematch) && !j.reread() {
		return false
	}
	if !j.flush() {
		return true // the connection has ended
	}
	s.rematch = false
	s.seen = now
	return true
}

// joiner collects what is to be told.
type joiner struct {
	request
	changed []*feedv1.Instrument
	size    int // bytes of those
}

// look takes in an instrument that may be new or changed. False: the connection must first take what it has.
func (j *joiner) look(id market.InstrumentID) bool {
	in := j.env.instrument(id)
	if held, _ := j.held.instrument(id); held != nil {
		if d := j.env.description(id); held.told != d.told && !j.change(held, d) {
			return false
		}
	}
	if in.Delisted {
		return j.keepUp()
	}
	symbol := in.Symbol.String()
	for i := range j.live.all() {
		if p := &j.live.patterns[i]; j.env.fits(p.text, symbol) {
			j.join(p, id, symbol)
		}
		if !j.keepUp() {
			return false
		}
	}
	return j.keepUp()
}

// change tells an instrument anew, and follows it to the source that carries it now.
func (j *joiner) change(held *heldInstrument, d *description) bool {
	source := j.env.sourceHandle(held.id, d.in.Source)
	moves := source != held.source
	if moves && (!j.flush() || !j.conn.Ready()) { // what others do to these sources must be done by then
		return false
	}
	held.told = d.told
	j.changed = append(j.changed, d.wire)
	j.size += d.size
	if !moves {
		return true
	}
	var gone []fanout.Handle
	if held.source != 0 {
		gone = j.held.releaseSource(held.source, gone)
	}
	held.source = source
	if j.held.holdSource(source) {
		j.moves.add(fanout.Item{Handle: source}, throttle.Immediate)
	}
	if !j.flush() {
		return false
	}
	if len(gone) > 0 {
		j.engine.Unsubscribe(gone)
	}
	return j.conn.Ready()
}

// fits reports whether a symbol fits a pattern or stands in a list.
func (e *Env) fits(text, symbol string) bool {
	name, isList := strings.CutPrefix(text, listMark)
	if !isList {
		return market.Fits(text, symbol)
	}
	return e.Lists.Has(name, symbol) // which there are, or the pattern were not live
}

// join subscribes what a pattern wants of an instrument that fits it, apart from what is held or kept away.
func (j *joiner) join(p *livePattern, id market.InstrumentID, symbol string) {
	for _, w := range p.wishes {
		j.wish, j.timeliness = p.wish, p.timeliness
		want, g := j.want(id, w)
		if feedOf(want.id) != g.feed {
			continue // which does not know it yet, and will tell
		}
		h := j.env.handle(want.id, w.channel, granted(w.view, w.channel, g))
		if h != 0 && (j.held.find(h) != nil || j.live.isAway(h)) {
			continue
		}
		code, full := j.acceptPair(id, symbol, w, p.text)
		if code == tooMany && !p.full {
			p.full = true
			j.refusePair(p.text, w, tooMany, fmt.Sprintf("instruments that fit now were left out: %s, then subscribe the pattern again", full))
		}
	}
}

// reread goes through the live lists, which have changed, and the patterns, if they are to be matched again.
func (j *joiner) reread() bool {
	for i := range j.live.all() {
		p := &j.live.patterns[i]
		entries := []string{p.text}
		if name, isList := strings.CutPrefix(p.text, listMark); isList {
			entries, _ = j.env.list(name)
		} else if !j.rematch {
			continue
		}
		for _, id := range matchEntries(j.directory(), entries, j.tier().SymbolsPerRequest) {
			j.join(p, id, j.env.instrument(id).Symbol.String())
			if !j.keepUp() {
				return false
			}
		}
	}
	return true
}

// keepUp sends what was collected, once it is enough for a frame. It returns false where the connection must first
// take what it has.
func (j *joiner) keepUp() bool {
	if len(j.results) < joinsPerFrame && j.size < partBytes {
		return true
	}
	return j.flush() && j.conn.Ready()
}

// flush sends what was collected. The connection was ready when the first of it was.
func (j *joiner) flush() bool {
	sent := len(j.changed) == 0 || j.send(&feedv1.ServerFrame{Instruments: j.changed})
	if sent && len(j.results) > 0 {
		sent = j.parts(0, j.send)
	}
	if sent {
		j.moves.run(j.engine)
		j.rebalance()
	}
	*j = joiner{request: request{Session: j.Session}}
	return sent
}
