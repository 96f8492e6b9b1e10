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
	open := throttle.DefaultPolicy()
	open.Revision = 7
	strict := open
	strict.Default, strict.Fastest = throttle.Every1s, throttle.Every500ms

	for _, c := range []struct {
		name   string
		policy throttle.Policy
		ask    throttle.Request
		want   throttle.Cadence
		reason throttle.Reason
	}{
		{"no wish", open, throttle.Request{Wish: throttle.NoWish}, throttle.Every250ms, throttle.ReasonDefault},
		{"at once", open, throttle.Request{Wish: 0}, throttle.Immediate, throttle.ReasonAsWished},
		{"a rung", open, throttle.Request{Wish: 500}, throttle.Every500ms, throttle.ReasonAsWished},
		{"between rungs", open, throttle.Request{Wish: 300}, throttle.Every500ms, throttle.ReasonRounded},
		{"below the first interval", open, throttle.Request{Wish: 1}, throttle.Every20ms, throttle.ReasonRounded},
		{"beyond the ladder", open, throttle.Request{Wish: 60_000}, throttle.Every5s, throttle.ReasonRounded},
		{"faster than allowed", strict, throttle.Request{Wish: 100}, throttle.Every500ms, throttle.ReasonPolicy},
		{"default of a strict policy", strict, throttle.Request{Wish: throttle.NoWish}, throttle.Every1s, throttle.ReasonDefault},
		{"hidden", open, throttle.Request{Wish: 100, Visibility: throttle.VisibilityHidden}, throttle.Every2s, throttle.ReasonHidden},
		{"hidden and slower already", open, throttle.Request{Wish: 5000, Visibility: throttle.VisibilityHidden}, throttle.Every5s, throttle.ReasonAsWished},
		{"paused", open, throttle.Request{Wish: 100, Visibility: throttle.VisibilityPaused}, throttle.Paused, throttle.ReasonPaused},
		{"status is not slowed", strict, throttle.Request{Channel: market.ChannelStatus, Wish: 5000, Visibility: throttle.VisibilityPaused}, throttle.Immediate, throttle.ReasonPolicy},
		{"depth of a book", open, throttle.Request{Channel: market.ChannelBook, Wish: 100, Depth: 20}, throttle.Every100ms, throttle.ReasonAsWished},
		{"status at once", strict, throttle.Request{Channel: market.ChannelStatus}, throttle.Immediate, throttle.ReasonAsWished},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ask.Channel == market.ChannelNone {
				c.ask.Channel = market.ChannelQuote
			}
			want := throttle.Grant{Cadence: c.want, Reason: c.reason, Depth: c.ask.Depth, Revision: 7}
			if got := throttle.Resolve(&c.policy, c.ask); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// A client is never sent more often than the policy allows, nor more often than it wished unless it wished
// for less than the ladder has.
func TestResolveKeepsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cadence := rapid.Map(rapid.IntRange(0, int(throttle.Cadences)-1), func(i int) throttle.Cadence { return throttle.Cadence(i) })
		p := throttle.DefaultPolicy()
		p.Default, p.Fastest, p.Hidden = cadence.Draw(t, "default"), cadence.Draw(t, "fastest"), cadence.Draw(t, "hidden")
		if p.Default < p.Fastest || p.Hidden < p.Fastest {
			if p.Validate() == nil {
				t.Fatalf("accepted %+v", p)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		r := throttle.Request{
			Channel:    rapid.SampledFrom([]market.Channel{market.ChannelQuote, market.ChannelTrade}).Draw(t, "channel"),
			Wish:       throttle.Wish(rapid.Int32Range(-1, 10_000).Draw(t, "wish")),
			Visibility: throttle.Visibility(rapid.IntRange(0, 2).Draw(t, "visibility")),
		}
		g := throttle.Resolve(&p, r)
		switch {
		case r.Visibility == throttle.VisibilityPaused:
			if g.Cadence != throttle.Paused {
				t.Fatalf("stopped, but granted %v", g.Cadence)
			}
		case g.Cadence >= throttle.Cadences || g.Cadence < p.Fastest:
			t.Fatalf("granted %v under %+v", g.Cadence, p)
		case r.Visibility == throttle.VisibilityHidden && g.Cadence < p.Hidden:
			t.Fatalf("hidden, but granted %v", g.Cadence)
		case r.Wish <= 5000 && g.Cadence.Interval() < time.Duration(r.Wish)*time.Millisecond:
			t.Fatalf("wished %d ms, granted %v", r.Wish, g.Cadence)
		}
	})
}

func TestReasonsAreThoseOfTheWire(t *testing.T) {
	for reason, name := range map[throttle.Reason]string{
		throttle.ReasonAsWished: "UNSPECIFIED", throttle.ReasonRounded: "ROUNDED", throttle.ReasonPolicy: "POLICY",
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
	p := throttle.DefaultPolicy()
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

func TestValidateNamesEveryFault(t *testing.T) {
	p := throttle.DefaultPolicy()
	if err := p.Validate(); err != nil {
		t.Fatalf("the default policy: %v", err)
	}
	p.Default, p.Hidden, p.Fastest = throttle.Every20ms, throttle.Paused, throttle.Every100ms
	p.Subscriptions, p.RequestBurst, p.DefaultHistory = 0, -1, 2000
	err := p.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"default cadence of 20ms", "hidden cadence: want one of", "subscriptions a session of 0", "request burst of -1", "default history of 2000: want 0 to 1000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error:\n%v", want, err)
		}
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
