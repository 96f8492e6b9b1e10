package gate

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func TestGate(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	open := func(t *testing.T, opt Options) *Gate {
		t.Helper()
		g, err := New(opt)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	enter := func(t *testing.T, g *Gate, addr netip.Addr, now time.Time, want int) {
		t.Helper()
		got := http.StatusSwitchingProtocols
		if refused := g.enter(addr, now); refused != nil {
			got = refused.Status
		}
		if got != want {
			t.Fatalf("%v at %v: %d, want %d", addr, now.Sub(at), got, want)
		}
	}
	t.Run("all together", func(t *testing.T) {
		g := open(t, Options{MaxConns: 10, NodeRate: 2})
		enter(t, g, one, at, 101)
		enter(t, g, two, at, 101)
		enter(t, g, one, at, 503)
		enter(t, g, two, at.Add(400*time.Millisecond), 503)
		enter(t, g, two, at.Add(500*time.Millisecond), 101)
	})
	t.Run("per address", func(t *testing.T) {
		g := open(t, Options{MaxConns: 10, MaxPerAddress: 2})
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 429)
		enter(t, g, two, at, 101)
		g.leave(one, false)
		enter(t, g, one, at, 101)
		if g.Stats().Open != 3 {
			t.Fatalf("%d are open", g.Stats().Open)
		}
	})
	t.Run("rate", func(t *testing.T) {
		g := open(t, Options{MaxConns: 10, AcceptRate: 2})
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 101)
		enter(t, g, one, at, 429)
		enter(t, g, two, at, 101)
		enter(t, g, one, at.Add(500*time.Millisecond), 101)
		enter(t, g, one, at.Add(500*time.Millisecond), 429)
	})
	t.Run("what it remembers", func(t *testing.T) {
		g := open(t, Options{MaxConns: 1 << 20, AcceptRate: 0.5})
		for i := range maxVisitors {
			addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			enter(t, g, addr, at, 101)
		}
		enter(t, g, one, at, 503) // bounded
		for addr := range g.visitors {
			g.leave(addr, false)
		}
		g.forget(at.Add(lookEvery))
		if len(g.visitors) != maxVisitors {
			t.Fatal("an address was forgotten whose pace has not recovered")
		}
		enter(t, g, two, at.Add(lookEvery), 101) // who has many addresses keeps nobody out
		g.leave(two, false)
		if len(g.visitors) != maxVisitors {
			t.Fatalf("%d addresses are remembered", len(g.visitors))
		}
		enter(t, g, one, at.Add(4*time.Second), 101) // and lets go of the others on the way
		if len(g.visitors) != 1 {
			t.Fatalf("%d addresses are remembered", len(g.visitors))
		}
		g.forget(at.Add(time.Hour))
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
