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
	ReasonAsWished Reason = 0
	ReasonRounded  Reason = 1
	ReasonPolicy   Reason = 2
	ReasonHidden   Reason = 4
	ReasonPaused   Reason = 5
	ReasonDefault  Reason = 6
)

// Request is one subscription as its client wants it.
type Request struct {
	Symbol     market.Symbol
	Channel    market.Channel
	Wish       Wish
	Visibility Visibility
	Depth      uint8 // of a book: levels a side, 0 for all
}

// Grant is what a subscription gets.
type Grant struct {
	Cadence  Cadence // may be Paused
	Reason   Reason
	Depth    uint8  // of a book
	Revision uint64 // of the policy that decided
}

// Resolve decides a request under a policy.
func Resolve(p *Policy, r Request) Grant {
	g := Grant{Cadence: p.Default, Reason: ReasonDefault, Depth: r.Depth, Revision: p.Revision}
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
	if g.Cadence < p.Fastest {
		g.Cadence, g.Reason = p.Fastest, ReasonPolicy
	}
	switch {
	case r.Visibility == VisibilityPaused:
		g.Cadence, g.Reason = Paused, ReasonPaused
	case r.Visibility == VisibilityHidden && g.Cadence < p.Hidden:
		g.Cadence, g.Reason = p.Hidden, ReasonHidden
	}
	return g
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

// ClampHistory returns how many past events a subscription of a channel begins with, where asked is nil for a
// client that does not say. Channels without a past have 0.
func (p *Policy) ClampHistory(ch market.Channel, asked *uint32) int {
	var usual, most int
	switch ch {
	case market.ChannelTrade:
		usual, most = p.DefaultHistory, p.MaxHistory
	case market.ChannelBar:
		usual, most = p.DefaultBars, p.MaxBars
	}
	if asked == nil {
		return usual
	}
	return int(min(*asked, uint32(most)))
}
