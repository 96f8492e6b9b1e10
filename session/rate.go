package session

import (
	"fmt"
	"slices"
	"strings"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// handlesPerFrame keeps a frame that lists handles below partBytes in either encoding.
const handlesPerFrame = 1000

// moves collects what the engine is to do for one request: a call for each cadence.
type moves struct {
	items  [throttle.Cadences][]fanout.Item
	pause  []fanout.Item
	expect int // items of a call, about
}

func (m *moves) add(item fanout.Item, c throttle.Cadence) {
	list := &m.pause
	if c < throttle.Cadences {
		list = &m.items[c]
	}
	if *list == nil {
		*list = make([]fanout.Item, 0, m.expect+1) // the statuses of so many instruments, and that of their source
	}
	*list = append(*list, item)
}

func (m *moves) run(to Subscriber) {
	for c, items := range m.items {
		if len(items) > 0 {
			to.Subscribe(items, throttle.Cadence(c))
		}
	}
	if len(m.pause) > 0 {
		to.Subscribe(m.pause, throttle.Paused)
	}
}

func (s *Session) setRate(id uint32, m *feedv1.SetRate) {
	if text := checkSetRate(m); text != "" {
		s.refuse(id, feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, "%s", text)
		return
	}
	limits := s.takeBounds(m)
	known, unknown := s.held.split(m.Handles)
	if len(m.Handles) == 0 {
		known = s.held.handles()
		change(m, &s.standing.wish, &s.standing.visibility)
		if m.CadenceMs != nil {
			s.live.rewish(s.standing.wish)
		}
	}
	var todo moves
	parts := []*feedv1.ServerFrame{{Limits: limits}}
	if m.CadenceMs == nil && m.Visibility == feedv1.Visibility_VISIBILITY_UNSPECIFIED {
		known = nil // it is of the session as a whole
	}
	for n, h := range known {
		if n > 0 && n%handlesPerFrame == 0 {
			parts = append(parts, new(feedv1.ServerFrame))
		}
		sub, part := s.held.find(h), parts[len(parts)-1]
		change(m, &sub.wish, &sub.visibility)
		part.Grants = appendGrant(part.Grants, s.give(sub, s.resolve(sub), market.Position{}, &todo), h)
	}
	if s.answerParts(id, parts, unknown) {
		todo.run(s.engine)
	}
}

// change applies a request to one subscription, or to those to come.
func change(m *feedv1.SetRate, wish *throttle.Wish, v *throttle.Visibility) {
	if m.CadenceMs != nil {
		*wish = throttle.WishOf(m.CadenceMs)
	}
	switch m.Visibility {
	case feedv1.Visibility_VISIBILITY_SHOWN:
		*v = throttle.VisibilityShown
	case feedv1.Visibility_VISIBILITY_HIDDEN:
		*v = throttle.VisibilityHidden
	case feedv1.Visibility_VISIBILITY_PAUSED:
		*v = throttle.VisibilityPaused
	}
}

func (s *Session) unsubscribe(id uint32, m *feedv1.Unsubscribe) {
	known, unknown := s.held.split(m.Handles)
	notLive := s.live.end(m.Patterns)
	if len(s.live.all()) == 0 {
		s.live = nil
	}
	switch {
	case len(m.Handles) > 0:
		s.live.keepAway(known, s.tier().Subscriptions)
	case len(m.Patterns) == 0:
		known = s.held.handles()
		s.live = nil
	}
	var gone departures
	for _, h := range known {
		s.letGo(h, &gone)
	}
	s.depart(&gone)
	s.rebalance()
	var parts []*feedv1.ServerFrame
	for some := range slices.Chunk(known, handlesPerFrame) {
		part := &feedv1.ServerFrame{Unsubscribed: new(feedv1.Unsubscribed)}
		for _, h := range some {
			part.Unsubscribed.Handles = append(part.Unsubscribed.Handles, uint32(h))
		}
		parts = append(parts, part)
	}
	s.answerParts(id, parts, unknown, notLive...)
}

// answerParts sends the answer to a request that named handles, of which it may not have known all, and patterns.
func (s *Session) answerParts(id uint32, parts []*feedv1.ServerFrame, unknown []uint32, notLive ...string) bool {
	if len(parts) == 0 {
		parts = append(parts, new(feedv1.ServerFrame))
	}
	last := parts[len(parts)-1]
	var wrong []string
	if len(unknown) > 0 {
		wrong = append(wrong, nameSome("not subscribed in this session:", unknown))
	}
	if len(notLive) > 0 {
		wrong = append(wrong, nameSome("no pattern or list that is live in this session:", notLive))
	}
	if len(wrong) > 0 {
		last.Error = s.refusal(feedv1.ErrorCode_ERROR_CODE_UNKNOWN_HANDLE, "%s", strings.Join(wrong, "; "))
	}
	for _, part := range parts {
		part.ReplyTo, part.Partial = id, part != last
		if !s.answer(part) {
			return false
		}
	}
	return true
}

// nameSome names the first few of what is wrong.
func nameSome[T any](text string, wrong []T) string {
	const named = 5
	for i, w := range wrong {
		if i == named {
			return fmt.Sprintf("%s and %d more", text, len(wrong)-named)
		}
		text += " " + clip(fmt.Sprint(w), market.MaxSymbolLen)
	}
	return text
}

// appendGrant adds a handle to the grant that equals g, or to a new one.
func appendGrant(grants []*feedv1.Grant, g decision, h fanout.Handle) []*feedv1.Grant {
	for _, have := range grants {
		if have.CadenceMs == millis(g.Cadence) && have.Depth == uint32(g.Depth) && have.Reason == feedv1.GrantReason(g.Reason) &&
			have.Policy == g.Revision && have.SizeCadenceMs == millis(g.SizeChanges) && have.DelayMs == uint32(g.delay.Milliseconds()) {
			have.Handles = append(have.Handles, uint32(h))
			return grants
		}
	}
	w := wireGrant(g)
	w.Handles = []uint32{uint32(h)}
	return append(grants, w)
}
