package policy

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// Compile returns the policy that sessions resolve against, as it is at a time: stops that have ended by then are not in it.
// The document must come from Parse.
func (d *Document) Compile(revision uint64, now time.Time) *throttle.Policy {
	p := &throttle.Policy{Revision: revision, Tiers: make(map[string]*throttle.Tier), DefaultTier: d.defaultTierName()}
	for name, t := range d.Tiers {
		tier := t.compile()
		tier.Name, tier.Revision = name, revision
		p.Tiers[name] = &tier
	}
	for i, r := range d.Rules {
		for _, name := range d.tiersOf(r.Tiers) {
			t := p.Tiers[name]
			t.Rules = append(t.Rules, &throttle.Rule{
				Name: r.Name, Line: lineOf(d.root, "rules", strconv.Itoa(i)), Symbols: r.Symbols, Channels: channelsOf(r.Channels), Limits: r.over(t.Limits),
			})
		}
	}
	for _, s := range d.Stops {
		if s.Until != nil && !now.Before(s.Until.Time) {
			continue
		}
		for _, name := range d.tiersOf(s.Tiers) {
			t := p.Tiers[name]
			t.Stops = append(t.Stops, &throttle.Stop{Name: s.Name, Symbols: s.Symbols, Channels: channelsOf(s.Channels)})
		}
	}
	return p
}

// NextChange returns when time alone changes what Compile returns; the zero time: never.
func (d *Document) NextChange(now time.Time) (next time.Time) {
	for _, s := range d.Stops {
		if s.Until != nil && now.Before(s.Until.Time) && (next.IsZero() || s.Until.Before(next)) {
			next = s.Until.Time
		}
	}
	return next
}

func (d *Document) tiersOf(names []string) []string {
	if len(names) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(names)))
	}
	return slices.Collect(maps.Keys(d.Tiers))
}

// over returns base with what l says in its place. What l leaves out gives way to it.
func (l *Limits) over(base throttle.Limits) throttle.Limits {
	set(&base.Fastest, (*throttle.Cadence)(l.Fastest))
	set(&base.Default, (*throttle.Cadence)(l.Default))
	set(&base.Hidden, (*throttle.Cadence)(l.Hidden))
	set(&base.SizeChanges, (*throttle.Cadence)(l.SizeChanges))
	set(&base.Depth, (*uint8)(l.Depth))
	set(&base.Timeliness, (*throttle.Timeliness)(l.Timeliness))
	base.Default, base.Hidden = max(base.Default, base.Fastest), max(base.Hidden, base.Fastest)
	return base
}

func (t *Tier) compile() throttle.Tier {
	built := throttle.BuiltInTier()
	built.Limits = t.over(built.Limits)
	set(&built.BytesPerSecond, (*int)(t.BytesPerSecond))
	set(&built.Subscriptions, (*int)(t.Subscriptions))
	set(&built.SessionsPerUser, (*int)(t.SessionsPerUser))
	set(&built.Priority, (*int)(t.Priority))
	set(&built.SymbolsPerRequest, (*int)(t.SymbolsPerRequest))
	set(&built.RequestsPerSecond, (*int)(t.RequestsPerSecond))
	set(&built.RequestBurst, (*int)(t.RequestBurst))
	t.Adaptive.over(&built.Adaptive)
	t.TradeHistory.over(&built.DefaultHistory, &built.MaxHistory)
	t.BarHistory.over(&built.DefaultBars, &built.MaxBars)
	return built
}

func (a *Adaptive) over(built *throttle.Adaptive) {
	if a == nil {
		return
	}
	if a.Enabled != nil {
		built.Off = !*a.Enabled
	}
	if a.Blocked != nil {
		built.Blocked = float64(*a.Blocked) / 100
	}
	set(&built.Lag, (*time.Duration)(a.Lag))
	set(&built.Down, (*time.Duration)(a.DownAfter))
	set(&built.Up, (*time.Duration)(a.UpAfter))
}

func (h *History) over(usual, most *int) {
	if h == nil {
		return
	}
	set(most, (*int)(h.Most))
	*usual = min(*usual, *most)
	set(usual, (*int)(h.Default))
	*most = max(*most, *usual)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func channelsOf(names []string) (c throttle.Channels) {
	for _, name := range names {
		c = c.With(market.ParseChannel(name))
	}
	return c
}
