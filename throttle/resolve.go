package throttle

import (
	"math"
	"time"

	"github.com/feedd/feedd/market"
)

// Wish is how often a client wants to be sent something: the milliseconds between frames, 0 for at once.
type Wish int32

// NoWish leaves the choice to the policy.
const NoWish Wish = -1

// WishOf returns the wish of an optional field of the wire. Wishes beyond 24 days are all the same one.
func WishOf(ms *uint32) Wish {
	if ms == nil {
		return NoWish
	}
	return Wish(min(*ms, math.MaxInt32))
}

// Visibility says whether anyone looks at a subscription.
type Visibility uint8

// Visibilities. The zero value is VisibilityShown.
const (
	VisibilityShown Visibility = iota
	VisibilityHidden
	VisibilityPaused // nothing is wanted until it is shown or hidden again
)

// Reason is why a grant is what it is. The numbers are those of feed.v1.GrantReason.
type Reason uint8

// Reasons of a grant. Where several apply, the last to change the cadence is told.
const (
	ReasonAsWished   Reason = 0
	ReasonRounded    Reason = 1
	ReasonPolicy     Reason = 2
	ReasonCongestion Reason = 3 // the connection does not take so much
	ReasonHidden     Reason = 4
	ReasonPaused     Reason = 5
	ReasonDefault    Reason = 6
	ReasonBandwidth  Reason = 7 // the session's ceiling of bytes
	ReasonLag        Reason = 8 // the client said that it cannot keep up
	ReasonStopped    Reason = 9 // a kill switch
	ReasonOverload   Reason = 10
)

// Request is one subscription as its client wants it, and what its session can take.
type Request struct {
	Symbol     market.Symbol
	Channel    market.Channel
	Wish       Wish
	Visibility Visibility
	Depth      uint8   // of a book: levels a side, 0 for all
	Sizes      Cadence // of a quote: how often changes of sizes alone are wanted; Immediate: as often as those of prices

	// Floor is the fastest cadence that the session can take at present, and why; Immediate: any.
	Floor       Cadence
	FloorReason Reason
}

// Grant is what a subscription gets.
type Grant struct {
	Cadence     Cadence // may be Paused
	SizeChanges Cadence // of a quote: as in Limits
	Reason      Reason
	Depth       uint8 // of a book
	Timeliness  Timeliness
	Revision    uint64 // of the policy that decided
	Rule        *Rule  // that decided; nil: the tier itself
	Stop        *Stop  // that holds it back; nil: none
}

// Resolve decides a request of a session on a tier.
func Resolve(t *Tier, r Request) Grant {
	text := r.Symbol.String()
	limits, rule := t.decide(text, r.Channel)
	g := Grant{Cadence: limits.Default, Reason: ReasonDefault, Timeliness: limits.Timeliness, Revision: t.Revision, Rule: rule}
	if r.Channel == market.ChannelStatus {
		return resolveStatus(g, r.Wish)
	}
	if r.Wish != NoWish {
		cadence, exact := Round(time.Duration(r.Wish) * time.Millisecond)
		g.Cadence, g.Reason = cadence, ReasonRounded
		if exact {
			g.Reason = ReasonAsWished
		}
	}
	g.atMost(limits.Fastest, ReasonPolicy)
	g.atMost(r.Floor, r.FloorReason)
	g.atMost(t.Overload, ReasonOverload)
	if r.Visibility == VisibilityHidden {
		g.atMost(limits.Hidden, ReasonHidden)
	}
	if r.Visibility == VisibilityPaused {
		g.Cadence, g.Reason = Paused, ReasonPaused
	}
	if stop := t.stopOf(text, r.Channel); stop != nil {
		g.Cadence, g.Reason, g.Stop = Paused, ReasonStopped, stop
	}
	switch r.Channel {
	case market.ChannelBook:
		g.Depth = lesserDepth(r.Depth, limits.Depth)
	case market.ChannelQuote:
		g.SizeChanges = max(limits.SizeChanges, r.Sizes)
	}
	return g
}

// atMost slows a grant down to c.
func (g *Grant) atMost(c Cadence, why Reason) {
	if g.Cadence < c {
		g.Cadence, g.Reason = c, why
	}
}

// resolveStatus grants a status at once whatever was wished: it is rare, and it says whether everything
// else may be believed.
func resolveStatus(g Grant, w Wish) Grant {
	g.Cadence, g.Reason = Immediate, ReasonPolicy
	if w == 0 {
		g.Reason = ReasonAsWished
	}
	return g
}

// decide returns the limits of an instrument's channel, and the rule that they come from.
func (t *Tier) decide(text string, ch market.Channel) (*Limits, *Rule) {
	for _, rule := range t.Rules {
		if rule.fits(text, ch) {
			return &rule.Limits, rule
		}
	}
	return &t.Limits, nil
}

func (t *Tier) stopOf(text string, ch market.Channel) *Stop {
	for _, s := range t.Stops {
		if s.Channels.Has(ch) && fitsAny(s.Symbols, text) {
			return s
		}
	}
	return nil
}

// lesserDepth returns the lesser of two depths, where 0 stands for all levels.
func lesserDepth(a, b uint8) uint8 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// ClampHistory returns how many past events a subscription of a channel begins with, where asked is nil for a
// client that does not say. Channels without a past have 0.
func (t *Tier) ClampHistory(ch market.Channel, asked *uint32) int {
	var usual, most int
	switch ch {
	case market.ChannelTrade:
		usual, most = t.DefaultHistory, t.MaxHistory
	case market.ChannelBar:
		usual, most = t.DefaultBars, t.MaxBars
	}
	if asked == nil {
		return usual
	}
	return int(min(*asked, uint32(most)))
}
