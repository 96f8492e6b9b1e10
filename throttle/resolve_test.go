package throttle_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

func TestResolve(t *testing.T) {
	open := throttle.BuiltInTier()
	open.Revision = 7
	strict := open
	strict.Default, strict.Fastest = throttle.Every1s, throttle.Every500ms
	shallow := &throttle.Rule{Name: "shallow", Symbols: []string{"nyse:*"}, Channels: throttle.Channels(0).With(market.ChannelBook), Limits: open.Limits}
	shallow.Depth = 10
	slow := &throttle.Rule{Name: "slow", Symbols: []string{"nyse:BRK.*", "test:*"}, Limits: strict.Limits}
	slow.SizeChanges = throttle.Every2s
	secret := &throttle.Rule{Name: "secret", Symbols: []string{"dark:*"}, Limits: throttle.Limits{Timeliness: throttle.NoData}}
	halted := &throttle.Stop{Symbols: []string{"binance:LUNA*"}, Name: "bad prices"}
	ruled := open
	ruled.Rules, ruled.Stops = []*throttle.Rule{shallow, slow, secret}, []*throttle.Stop{halted}
	brk := market.Symbol{Venue: "nyse", Name: "BRK.B"}

	for _, c := range []struct {
		name string
		tier throttle.Tier
		ask  throttle.Request
		want throttle.Grant
	}{
		{"no wish", open, throttle.Request{Wish: throttle.NoWish}, throttle.Grant{Cadence: throttle.Every250ms, Reason: throttle.ReasonDefault}},
		{"at once", open, throttle.Request{Wish: 0}, throttle.Grant{Cadence: throttle.Immediate}},
		{"a rung", open, throttle.Request{Wish: 500}, throttle.Grant{Cadence: throttle.Every500ms}},
		{"between rungs", open, throttle.Request{Wish: 300}, throttle.Grant{Cadence: throttle.Every500ms, Reason: throttle.ReasonRounded}},
		{"below the first interval", open, throttle.Request{Wish: 1}, throttle.Grant{Cadence: throttle.Every20ms, Reason: throttle.ReasonRounded}},
		{"beyond the ladder", open, throttle.Request{Wish: 60_000}, throttle.Grant{Cadence: throttle.Every5s, Reason: throttle.ReasonRounded}},
		{"faster than allowed", strict, throttle.Request{Wish: 100}, throttle.Grant{Cadence: throttle.Every500ms, Reason: throttle.ReasonPolicy}},
		{"default of a strict tier", strict, throttle.Request{Wish: throttle.NoWish}, throttle.Grant{Cadence: throttle.Every1s, Reason: throttle.ReasonDefault}},
		{"hidden", open, throttle.Request{Wish: 100, Visibility: throttle.VisibilityHidden}, throttle.Grant{Cadence: throttle.Every2s, Reason: throttle.ReasonHidden}},
		{"hidden and slower already", open, throttle.Request{Wish: 5000, Visibility: throttle.VisibilityHidden}, throttle.Grant{Cadence: throttle.Every5s}},
		{"paused", open, throttle.Request{Wish: 100, Visibility: throttle.VisibilityPaused}, throttle.Grant{Cadence: throttle.Paused, Reason: throttle.ReasonPaused}},
		{"status is not slowed", strict, throttle.Request{Channel: market.ChannelStatus, Wish: 5000, Visibility: throttle.VisibilityPaused}, throttle.Grant{Reason: throttle.ReasonPolicy}},
		{"status at once", strict, throttle.Request{Channel: market.ChannelStatus}, throttle.Grant{}},
		{"depth of a book", open, throttle.Request{Channel: market.ChannelBook, Wish: 100, Depth: 20}, throttle.Grant{Cadence: throttle.Every100ms, Depth: 20}},
		{"depth of a rule", ruled, throttle.Request{Symbol: brk, Channel: market.ChannelBook, Wish: 100}, throttle.Grant{Cadence: throttle.Every100ms, Depth: 10, Rule: shallow}},
		{"less than a rule's depth", ruled, throttle.Request{Symbol: brk, Channel: market.ChannelBook, Wish: 100, Depth: 5}, throttle.Grant{Cadence: throttle.Every100ms, Depth: 5, Rule: shallow}},
		{"the rule for the channel", ruled, throttle.Request{Symbol: brk, Wish: 100}, throttle.Grant{Cadence: throttle.Every500ms, SizeChanges: throttle.Every2s, Reason: throttle.ReasonPolicy, Rule: slow}},
		{"sizes as wished", ruled, throttle.Request{Symbol: brk, Wish: 1000, Sizes: throttle.Every5s}, throttle.Grant{Cadence: throttle.Every1s, SizeChanges: throttle.Every5s, Rule: slow}},
		{"sizes oftener than allowed", ruled, throttle.Request{Symbol: brk, Wish: 1000, Sizes: throttle.Every1s}, throttle.Grant{Cadence: throttle.Every1s, SizeChanges: throttle.Every2s, Rule: slow}},
		{"no rule for the symbol", ruled, throttle.Request{Symbol: market.Symbol{Venue: "nasdaq", Name: "BRK.B"}, Wish: 100}, throttle.Grant{Cadence: throttle.Every100ms}},
		{"nothing", ruled, throttle.Request{Symbol: market.Symbol{Venue: "dark", Name: "X"}, Wish: 0}, throttle.Grant{Timeliness: throttle.NoData, Rule: secret}},
		{"stopped", ruled, throttle.Request{Symbol: market.Symbol{Venue: "binance", Name: "LUNAUSDT"}, Wish: 100}, throttle.Grant{Cadence: throttle.Paused, Reason: throttle.ReasonStopped, Stop: halted}},
		{"slower than the session can take", open, throttle.Request{Wish: 1000, Floor: throttle.Every250ms, FloorReason: throttle.ReasonCongestion}, throttle.Grant{Cadence: throttle.Every1s}},
		{"faster than the session can take", open, throttle.Request{Wish: 100, Floor: throttle.Every250ms, FloorReason: throttle.ReasonCongestion}, throttle.Grant{Cadence: throttle.Every250ms, Reason: throttle.ReasonCongestion}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ask.Channel == market.ChannelNone {
				c.ask.Channel = market.ChannelQuote
			}
			c.want.Revision = 7
			if got := throttle.Resolve(&c.tier, c.ask); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

var cadences = rapid.Map(rapid.IntRange(0, int(throttle.Cadences)-1), func(i int) throttle.Cadence { return throttle.Cadence(i) })

func limits(t *rapid.T) throttle.Limits {
	l := throttle.Limits{
		Fastest:    cadences.Draw(t, "fastest"),
		Depth:      rapid.SampledFrom([]uint8{0, 1, 5, 10, 20, 50, 100}).Draw(t, "depth"),
		Timeliness: throttle.Timeliness(rapid.IntRange(0, 2).Draw(t, "timeliness")),
	}
	l.Default, l.Hidden = max(l.Fastest, cadences.Draw(t, "default")), max(l.Fastest, cadences.Draw(t, "hidden"))
	l.SizeChanges = cadences.Draw(t, "size changes")
	return l
}

// Whatever is asked under whatever policy, a client is never given more than the first rule that fits allows, nor sent
// more often than it wished unless it wished for less than the ladder has.
func TestNobodyIsGivenMoreThanAllowed(t *testing.T) {
	symbols := []market.Symbol{{Venue: "a", Name: "X"}, {Venue: "a", Name: "Y"}, {Venue: "b", Name: "X"}}
	patterns := []string{"a:*", "*:X", "b:X", "*", "c:*"}
	channels := []market.Channel{market.ChannelQuote, market.ChannelTrade, market.ChannelBook, market.ChannelBar}
	rapid.Check(t, func(t *rapid.T) {
		tier := throttle.BuiltInTier()
		tier.Limits = limits(t)
		for range rapid.IntRange(0, 4).Draw(t, "rules") {
			rule := &throttle.Rule{Limits: limits(t), Symbols: rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 2).Draw(t, "symbols")}
			for _, ch := range rapid.SliceOfN(rapid.SampledFrom(channels), 0, 2).Draw(t, "channels") {
				rule.Channels = rule.Channels.With(ch)
			}
			tier.Rules = append(tier.Rules, rule)
		}
		if rapid.Bool().Draw(t, "stop") {
			tier.Stops = []*throttle.Stop{{Symbols: []string{"a:X"}}}
		}
		r := throttle.Request{
			Symbol:     rapid.SampledFrom(symbols).Draw(t, "symbol"),
			Channel:    rapid.SampledFrom(channels).Draw(t, "channel"),
			Wish:       throttle.Wish(rapid.Int32Range(-1, 10_000).Draw(t, "wish")),
			Visibility: throttle.Visibility(rapid.IntRange(0, 2).Draw(t, "visibility")),
			Depth:      rapid.SampledFrom([]uint8{0, 1, 5, 10, 20, 50, 100}).Draw(t, "wished depth"),
			Floor:      cadences.Draw(t, "floor"),
			Sizes:      cadences.Draw(t, "sizes"),
		}
		allowed := tier.Limits
		for _, rule := range tier.Rules {
			// Spelled out, rather than with the code that is judged.
			named := len(rule.Symbols) == 0
			for _, p := range rule.Symbols {
				venue, name, _ := strings.Cut(p, ":")
				named = named || p == "*" || (venue == "*" || venue == r.Symbol.Venue) && (name == "*" || name == r.Symbol.Name)
			}
			if named && (rule.Channels == 0 || rule.Channels&(1<<r.Channel) != 0) {
				allowed = rule.Limits
				break
			}
		}
		g := throttle.Resolve(&tier, r)
		deep := func(d uint8) int {
			if d == 0 {
				return 1000
			}
			return int(d)
		}
		switch {
		case g.Timeliness != allowed.Timeliness:
			t.Fatalf("timeliness %v, want %v", g.Timeliness, allowed.Timeliness)
		case r.Channel == market.ChannelBook && deep(g.Depth) > min(deep(allowed.Depth), deep(r.Depth)):
			t.Fatalf("depth %d", g.Depth)
		case r.Channel == market.ChannelQuote && g.SizeChanges < max(allowed.SizeChanges, r.Sizes):
			t.Fatalf("changes of sizes every %v", g.SizeChanges)
		case r.Symbol == symbols[0] && len(tier.Stops) > 0, r.Visibility == throttle.VisibilityPaused:
			if g.Cadence != throttle.Paused {
				t.Fatalf("stopped or paused, but granted %v", g.Cadence)
			}
		case g.Cadence >= throttle.Cadences || g.Cadence < allowed.Fastest || g.Cadence < r.Floor:
			t.Fatalf("granted %v", g.Cadence)
		case r.Visibility == throttle.VisibilityHidden && g.Cadence < allowed.Hidden:
			t.Fatalf("hidden, but granted %v", g.Cadence)
		case r.Wish <= 5000 && g.Cadence.Interval() < time.Duration(r.Wish)*time.Millisecond:
			t.Fatalf("wished %d ms, granted %v", r.Wish, g.Cadence)
		}
	})
}

func TestReasonsAreThoseOfTheWire(t *testing.T) {
	for reason, name := range map[throttle.Reason]string{
		throttle.ReasonAsWished: "UNSPECIFIED", throttle.ReasonRounded: "ROUNDED", throttle.ReasonPolicy: "POLICY",
		throttle.ReasonCongestion: "CONGESTION", throttle.ReasonBandwidth: "BANDWIDTH", throttle.ReasonLag: "LAG", throttle.ReasonStopped: "STOPPED", throttle.ReasonOverload: "OVERLOAD",
		throttle.ReasonHidden: "HIDDEN", throttle.ReasonPaused: "PAUSED", throttle.ReasonDefault: "DEFAULT",
	} {
		if got := feedv1.GrantReason(reason).String(); got != "GRANT_REASON_"+name {
			t.Errorf("reason %d is %s on the wire, want %s", reason, got, name)
		}
	}
}

func TestWishOf(t *testing.T) {
	at := func(ms uint32) *uint32 { return &ms }
	for _, c := range []struct {
		ms   *uint32
		want throttle.Wish
	}{{nil, throttle.NoWish}, {at(0), 0}, {at(250), 250}, {at(1<<32 - 1), 1<<31 - 1}} {
		if got := throttle.WishOf(c.ms); got != c.want {
			t.Errorf("WishOf(%v) = %d, want %d", c.ms, got, c.want)
		}
	}
}

func TestClampHistory(t *testing.T) {
	p := throttle.BuiltInTier()
	at := func(n uint32) *uint32 { return &n }
	for _, c := range []struct {
		channel market.Channel
		asked   *uint32
		want    int
	}{
		{market.ChannelTrade, nil, 50}, {market.ChannelTrade, at(0), 0}, {market.ChannelTrade, at(200), 200}, {market.ChannelTrade, at(1<<32 - 1), 1000},
		{market.ChannelBar, nil, 300}, {market.ChannelBar, at(0), 0}, {market.ChannelBar, at(1<<32 - 1), 1440},
		{market.ChannelQuote, nil, 0}, {market.ChannelBook, at(7), 0},
	} {
		if got := p.ClampHistory(c.channel, c.asked); got != c.want {
			t.Errorf("ClampHistory(%v, %v) = %d, want %d", c.channel, c.asked, got, c.want)
		}
	}
}

func TestUnknownTiersAreTheDefaultOne(t *testing.T) {
	p := throttle.Default()
	if p.Tier("") == nil || p.Tier("nonsense") != p.Tier(throttle.DefaultTier) {
		t.Error("a session on an unknown tier has no limits")
	}
}

func TestRound(t *testing.T) {
	for i, interval := range throttle.Ladder() {
		if c, exact := throttle.Round(interval); c != throttle.Cadence(i) || !exact || c.Interval() != interval {
			t.Errorf("%v: got %v, exact %v", interval, c, exact)
		}
	}
	for text, c := range map[string]throttle.Cadence{"immediate": throttle.Immediate, "250ms": throttle.Every250ms, "paused": throttle.Paused, "invalid": throttle.Cadences} {
		if c.String() != text {
			t.Errorf("cadence %d is called %q, want %q", c, c, text)
		}
	}
}

// While the server has more to carry than it can, nobody gets rows faster than it says, whatever policy comes.
func TestOverloadSlowsEveryPolicy(t *testing.T) {
	f := throttle.NewInForce(throttle.Default())
	ask := func(ms throttle.Wish) throttle.Grant {
		return throttle.Resolve(f.Policy().Tier(""), throttle.Request{Symbol: market.Symbol{Venue: "a", Name: "B"}, Channel: market.ChannelQuote, Wish: ms})
	}
	before := f.Policy()
	f.Slow(throttle.Every500ms)
	if g := ask(0); g.Cadence != throttle.Every500ms || g.Reason != throttle.ReasonOverload {
		t.Errorf("at once: %+v", g)
	}
	if g := ask(2000); g.Cadence != throttle.Every2s || g.Reason != throttle.ReasonAsWished {
		t.Errorf("slower anyway: %+v", g)
	}
	next := throttle.Default()
	next.Revision = 9
	f.Replace(next)
	if g := ask(0); g.Cadence != throttle.Every500ms || f.Policy().Revision != 9 {
		t.Errorf("another policy: %+v", g)
	}
	f.Slow(throttle.Immediate)
	if g := ask(0); g.Cadence != throttle.Immediate || f.Policy() != next || before.Tier("").Overload != throttle.Immediate {
		t.Errorf("afterwards: %+v", g)
	}
}
