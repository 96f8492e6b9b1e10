package ws

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/feedd/feedd/transport/ws/wstest"
)

func TestAFullServerSaysWhenToComeBack(t *testing.T) {
	r := newRig(t, Options{MaxConns: 2})
	first := wstest.Dial(t, r.addr, wstest.Request{})
	wstest.Dial(t, r.addr, wstest.Request{})
	full := wstest.Try(t, r.addr, wstest.Request{})
	if full.Response.StatusCode != http.StatusServiceUnavailable || full.Response.Header.Get("Retry-After") == "" {
		t.Fatalf("the third: %s %q", full.Response.Status, full.Body())
	}
	_ = first.Conn().Close()
	eventually(t, func() bool { return r.Stats().Open == 1 })
	same(t, wstest.Dial(t, r.addr, wstest.Request{}), "room again")
}

func TestTooManyFromOneAddress(t *testing.T) {
	r := newRig(t, Options{MaxPerAddress: 1})
	wstest.Dial(t, r.addr, wstest.Request{})
	second := wstest.Try(t, r.addr, wstest.Request{})
	if second.Response.StatusCode != http.StatusTooManyRequests || second.Response.Header.Get("Retry-After") == "" {
		t.Fatalf("the second: %s %q", second.Response.Status, second.Body())
	}
}

func TestAnOverloadedServerSaysWhy(t *testing.T) {
	r := newRig(t, Options{})
	here := wstest.Dial(t, r.addr, wstest.Request{})
	r.Refuse("too much to carry")
	refused := wstest.Try(t, r.addr, wstest.Request{})
	wait, err := strconv.Atoi(refused.Response.Header.Get("Retry-After"))
	body := refused.Body()
	if refused.Response.StatusCode != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > overloadWait || !strings.Contains(body, "too much to carry") {
		t.Errorf("%s, wait %d, %q", refused.Response.Status, wait, body)
	}
	same(t, here, "who is in stays in")
	r.Refuse("")
	same(t, wstest.Dial(t, r.addr, wstest.Request{}), "open again")
	if n := r.Stats().Refused[http.StatusServiceUnavailable]; n != 1 {
		t.Errorf("%d refusals counted", n)
	}
}

func TestGate(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	open := func(g *gate) *gate { g.visitors = make(map[netip.Addr]*visitor); return g }
	enter := func(t *testing.T, g *gate, addr netip.Addr, now time.Time, want int) {
		t.Helper()
		got := http.StatusSwitchingProtocols
		if refused := g.enter(addr, now); refused != nil {
			got = refused.status
		}
		if got != want {
			t.Fatalf("%v at %v: %d, want %d", addr, now.Sub(at), got, want)
		}
	}
	t.Run("all together", func(t *testing.T) {
		g := open(&gate{maxConns: 10, pace: rate.NewLimiter(2, 2)})
		enter(t, g, one, at, 101)
		enter(t, g, two, at, 101)
		enter(t, g, one, at, 503)
		enter(t, g, two, at.Add(400*time.Millisecond), 503)
		enter(t, g, two, at.Add(500*time.Millisecond), 101)
	})
	t.Run("per address", func(t *testing.T) {
		g := open(&gate{maxConns: 10, maxPerAddress: 2})
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 429)
		enter(t, g, two, at, 101)
		g.leave(one, false)
		enter(t, g, one, at, 101)
		if g.count() != 3 {
			t.Fatalf("%d are open", g.count())
		}
	})
	t.Run("rate", func(t *testing.T) {
		g := open(&gate{maxConns: 10, rate: rate.Limit(2), burst: 2})
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 429)
		enter(t, g, two, at, 101)
		enter(t, g, one, at.Add(500*time.Millisecond), 101)
		enter(t, g, one, at.Add(500*time.Millisecond), 429)
	})
	t.Run("what it remembers", func(t *testing.T) {
		g := open(&gate{maxConns: 1 << 20, rate: 1, burst: 1})
		for i := range maxVisitors {
			addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			enter(t, g, addr, at, 101)
		}
		enter(t, g, one, at, 503) // bounded
		for addr := range g.visitors {
			g.leave(addr, false)
		}
		g.sweep(at.Add(time.Millisecond))
		if len(g.visitors) != maxVisitors {
			t.Fatal("an address was forgotten whose pace has not recovered")
		}
		enter(t, g, two, at.Add(time.Millisecond), 101) // who has many addresses keeps nobody out
		g.leave(two, false)
		if len(g.visitors) != maxVisitors {
			t.Fatalf("%d addresses are remembered", len(g.visitors))
		}
		g.sweep(at.Add(2 * time.Second))
		enter(t, g, one, at.Add(2*time.Second), 101)
		if len(g.visitors) != 1 {
			t.Fatalf("%d addresses are remembered", len(g.visitors))
		}
		g.sweep(at.Add(time.Hour))
		if len(g.visitors) != 1 {
			t.Fatal("an address with an open connection was forgotten")
		}
	})
}

func TestNeighbourhood(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1234":              "192.0.2.1",
		"[::ffff:192.0.2.1]:1234":     "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1234": "2001:db8:1:2::",
		"[2001:db8:1:2:ffff::1]:1":    "2001:db8:1:2::",
		"[fe80::1%eth0]:1234":         "fe80::",
		"@":                           "invalid IP",
		"":                            "invalid IP",
	} {
		if got := fmt.Sprint(neighbourhood(remote)); got != want {
			t.Errorf("%q is counted as %s, want %s", remote, got, want)
		}
	}
}
