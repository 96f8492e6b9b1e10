package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// Explanation says what a session would be granted, and why.
type Explanation struct {
	Tier        string `json:"tier"`
	Symbol      string `json:"symbol"`
	Channel     string `json:"channel"`
	Cadence     string `json:"cadence"`
	SizeChanges string `json:"size_changes,omitempty"`
	Depth       string `json:"depth,omitempty"`
	Timeliness  string `json:"timeliness"`
	Reason      string `json:"reason"`
	Rule        string `json:"rule"`           // "": the tier itself
	Line        int    `json:"line,omitempty"` // of the rule or the tier
	Stop        string `json:"stop,omitempty"`
}

var reasonNames = map[throttle.Reason]string{
	throttle.ReasonAsWished: "as wished", throttle.ReasonRounded: "rounded to the ladder", throttle.ReasonPolicy: "the fastest that is allowed",
	throttle.ReasonDefault: "the default", throttle.ReasonStopped: "stopped",
}

// Explain resolves a request as a session of a tier would have it resolved. Texts are as operators give them; the error says what
// is wrong with them.
func (d *Document) Explain(now time.Time, tier, symbol, channel, cadenceMS, depth string) (Explanation, error) {
	p := d.Compile(0, now)
	if tier != "" && p.Tiers[tier] == nil {
		return Explanation{}, errors.New(unknownTier(d, tier))
	}
	r := throttle.Request{Channel: market.ChannelQuote, Wish: throttle.NoWish}
	var err error
	if r.Symbol, err = market.ParseSymbol(symbol); err != nil {
		return Explanation{}, err
	}
	if channel != "" {
		if !slices.Contains(channelNames, channel) {
			return Explanation{}, fmt.Errorf("channel %q: want one of %s", clip(channel), quoted(channelNames))
		}
		r.Channel = market.ParseChannel(channel)
	}
	if cadenceMS != "" {
		ms, err := strconv.ParseUint(cadenceMS, 10, 31)
		if err != nil {
			return Explanation{}, fmt.Errorf("cadence_ms %q: want a number of milliseconds", clip(cadenceMS))
		}
		r.Wish = throttle.Wish(ms)
	}
	if depth != "" && depth != "all" && depth != "0" {
		if !slices.Contains(DepthNames(), depth) {
			return Explanation{}, fmt.Errorf("depth %q: want one of %s", clip(depth), quoted(DepthNames()))
		}
		n, _ := strconv.Atoi(depth) // one of the names
		r.Depth = uint8(n)
	}
	return d.explain(p.Tier(tier), r), nil
}

func (d *Document) explain(t *throttle.Tier, r throttle.Request) Explanation {
	g := throttle.Resolve(t, r)
	e := Explanation{
		Tier: t.Name, Symbol: r.Symbol.String(), Channel: r.Channel.String(), Cadence: g.Cadence.String(),
		Timeliness: g.Timeliness.String(), Reason: reasonNames[g.Reason], Line: lineOf(d.root, "tiers", t.Name),
	}
	if g.SizeChanges != 0 {
		e.SizeChanges = g.SizeChanges.String()
	}
	if r.Channel == market.ChannelBook {
		e.Depth = "all"
		if g.Depth != 0 {
			e.Depth = strconv.Itoa(int(g.Depth))
		}
	}
	if g.Rule != nil {
		e.Rule, e.Line = g.Rule.Name, g.Rule.Line
	}
	if g.Stop != nil {
		e.Stop = g.Stop.Name
	}
	return e
}
