package session

import (
	"cmp"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// tier is what the session may have. It changes with the policy, between two requests.
func (s *Session) tier() *throttle.Tier { return s.terms.Load() }

// decision is what a subscription may have.
type decision struct {
	throttle.Grant
	feed   feedNumber
	delay  time.Duration // of the feed
	denied string        // why the session's user may not have it, whatever the policy says; empty: it may
}

// resolve decides what a subscription may have: what the policy gives, as far as its user is entitled to it.
func (s *Session) resolve(sub *subscription) decision { return s.resolveOn(s.tier(), sub) }

// resolveOn decides what it might have on another tier.
func (s *Session) resolveOn(t *throttle.Tier, sub *subscription) decision {
	symbol := s.env.instrument(sub.id).Symbol
	d := decision{Grant: throttle.Resolve(t, throttle.Request{
		Symbol: symbol, Channel: sub.channel, Wish: sub.wish, Visibility: sub.visibility, Depth: sub.depth, Sizes: sub.sizes,
		Floor: s.easing.Floor, FloorReason: s.easing.Reason,
	})}
	s.entitle(&d, symbol, sub)
	return d
}

// give has a subscription follow a grant whose view is the one that it has: it moves where that is another cadence.
// One that begins anew does so behind after, if that is a position, or else with its history.
func (s *Session) give(sub *subscription, g decision, after market.Position, todo *moves) decision {
	sub.reason = g.Reason
	if g.Cadence != sub.cadence {
		sub.cadence = g.Cadence
		if sub.channel != market.ChannelStatus { // sent at once already, with the instrument
			todo.add(fanout.Item{Handle: sub.handle, History: int(sub.history), After: after}, g.Cadence)
		}
	}
	return g
}

// granted is the view that a grant allows of the one that was wished.
func granted(wished market.View, ch market.Channel, g decision) market.View {
	switch ch {
	case market.ChannelBook:
		wished.Depth = g.Depth
	case market.ChannelQuote:
		wished.Sizes = millis(g.SizeChanges)
	}
	return wished
}

// barred says why a decision gives nothing at all; 0: it does.
func (s *Session) barred(g decision, symbol, channel string) (feedv1.ErrorCode, string) {
	switch g.Timeliness {
	case throttle.RealTime:
		return 0, ""
	case throttle.Delayed:
		if g.feed != 0 {
			return 0, ""
		}
		return feedv1.ErrorCode_ERROR_CODE_NOT_SUPPORTED, fmt.Sprintf("%s of %q is for you delayed only, and this server has no data with such a delay", channel, clip(symbol, market.MaxSymbolLen))
	default:
		return feedv1.ErrorCode_ERROR_CODE_NOT_ENTITLED, fmt.Sprintf("%s of %q: %s", channel, clip(symbol, market.MaxSymbolLen), cmp.Or(g.denied, s.closedTo(channel)))
	}
}

func (s *Session) closedTo(channel string) string {
	return fmt.Sprintf("the plan %q does not include their %s", s.tier().Name, channel)
}

// adopt has the session follow a policy: subscriptions move to what they are granted now, and the client is told of each
// that changes, by send. What is to end ends first, whatever client that is told to. False: the connection has ended.
func (s *Session) adopt(p *throttle.Policy, send func(*feedv1.ServerFrame) bool) bool {
	before, t := s.tier(), p.Tier(s.tierName)
	s.follow(t)
	s.rematch = len(s.live.all()) > 0 // what its patterns left out may be had now
	var notices []*feedv1.ServerFrame
	if was, is := s.wireLimits(before), s.wireLimits(t); s.greeted() && was.String() != is.String() {
		notices = append(notices, &feedv1.ServerFrame{Limits: is})
	}
	return s.reviewAll(notices, send)
}

// reviewAll decides everything that the session holds anew, and tells the client behind the notices.
func (s *Session) reviewAll(notices []*feedv1.ServerFrame, send func(*feedv1.ServerFrame) bool) bool {
	a := adoption{request: request{Session: s}, frames: notices}
	for _, h := range s.held.handles() {
		a.review(h)
	}
	return a.carryOut(send)
}

// follow has t decide what the session may have from now on.
func (s *Session) follow(t *throttle.Tier) {
	s.terms.Store(t)
	s.allowance.SetLimit(rate.Limit(t.RequestsPerSecond))
	s.allowance.SetBurst(t.RequestBurst)
	s.limit()
}

// adoption is a change of policy as it comes to one session.
type adoption struct {
	request
	frames   []*feedv1.ServerFrame
	regrants int
	gone     departures
}

// review decides one subscription anew.
func (a *adoption) review(h fanout.Handle) {
	sub := a.held.find(h)
	g := a.resolve(sub)
	symbol := a.env.instrument(sub.id).Symbol.String()
	had := a.env.view(h)
	if code, text := a.barred(g, symbol, sub.channel.String()); code != 0 {
		a.withdraw(h, result{symbol: symbol, channel: sub.channel.String(), view: had, code: code, text: text, replaces: h})
		return
	}
	if view := granted(had, sub.channel, g); view != had || g.feed != feedOf(sub.id) {
		a.replace(h, symbol, view, g.feed)
		return
	}
	if g.Cadence == sub.cadence && g.Reason == sub.reason {
		return
	}
	if a.regrants%handlesPerFrame == 0 {
		a.frames = append(a.frames, new(feedv1.ServerFrame))
	}
	a.regrants++
	last := a.frames[len(a.frames)-1]
	last.Grants = appendGrant(last.Grants, a.give(sub, g, market.Position{}, &a.moves), h)
}

// withdraw ends a subscription, and has res say so.
func (a *adoption) withdraw(h fanout.Handle, res result) {
	if res.code == feedv1.ErrorCode_ERROR_CODE_NOT_ENTITLED {
		a.env.Counters.Add(drop.NotEntitled, 1)
	}
	a.letGo(h, &a.gone)
	a.results = append(a.results, res)
}

// replace ends a subscription and begins another one of the same in another view, or from another feed.
func (a *adoption) replace(h fanout.Handle, symbol string, view market.View, n feedNumber) {
	sub := *a.held.find(h)
	res := result{symbol: symbol, channel: sub.channel.String(), view: view, replaces: h}
	own, known := a.env.counterpart(n, sub.id)
	if !known {
		res.code, res.text = feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, notYetDelayed
		a.withdraw(h, res)
		return
	}
	sub.id, res.id = own, own
	sub.handle = a.env.handle(sub.id, sub.channel, view)
	status := a.env.statusHandle(sub.id)
	if sub.handle == 0 || status == 0 {
		res.code, res.text = tooMany, serverFull
		a.withdraw(h, res)
		return
	}
	if a.held.find(sub.handle) == nil {
		res.fresh = a.holdInstrument(sub.id, status)
		sub.cadence = throttle.Cadences
		a.hold(sub)
	}
	held := a.held.find(sub.handle)
	res.handle, res.grant = sub.handle, a.give(held, a.resolve(held), market.Position{}, &a.moves)
	a.withdraw(h, res)
}

// carryOut ends what is to end, tells the client, and has the engine do the rest, in the order that the client relies on.
func (a *adoption) carryOut(send func(*feedv1.ServerFrame) bool) bool {
	a.depart(&a.gone)
	for _, f := range a.frames {
		if !send(f) {
			return false
		}
	}
	if len(a.results) > 0 && !a.parts(0, send) {
		return false
	}
	a.moves.run(a.engine)
	a.rebalance()
	return true
}
