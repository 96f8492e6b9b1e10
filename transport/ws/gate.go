package ws

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxVisitors bounds the addresses that the gate remembers.
const maxVisitors = 1 << 16

// gate counts the connections and decides whether one more may come in.
type gate struct {
	maxConns      int
	maxStrangers  int        // 0: no bound
	maxPerAddress int        // 0: no bound
	rate          rate.Limit // handshakes per second from one address; 0: no bound
	burst         int
	pace          *rate.Limiter // handshakes from all addresses; nil: no bound

	mu       sync.Mutex
	shut     string // why nobody new is let in for a while; "": they are
	open     int
	strange  int // of these, clients of whom it is not known who they are
	draining bool
	visitors map[netip.Addr]*visitor // empty unless something is bounded per address
}

type visitor struct {
	open int
	pace *rate.Limiter // nil without a bound
}

// enter lets one connection in, or says why not. The caller calls leave once for each that came in.
func (g *gate) enter(addr netip.Addr, now time.Time) *refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return busy(http.StatusServiceUnavailable, "the server is about to stop; connect again, to another node if there is one", 1)
	}
	if g.shut != "" {
		return busy(http.StatusServiceUnavailable, g.shut, comeBack(overloadWait))
	}
	if g.pace != nil && !g.pace.AllowN(now, 1) {
		return busy(http.StatusServiceUnavailable, "too many clients connect at the moment", comeBack(crowdWait))
	}
	if g.open >= g.maxConns {
		return busy(http.StatusServiceUnavailable, "the server is full", 10)
	}
	if g.maxStrangers > 0 && g.strange >= g.maxStrangers {
		return busy(http.StatusServiceUnavailable, "too many clients have yet to say who they are", 1)
	}
	if g.maxPerAddress > 0 || g.rate > 0 {
		if refused := g.visit(addr, now); refused != nil {
			return refused
		}
	}
	g.open++
	g.strange++
	return nil
}

// admit says that it is known who one of the connections is.
func (g *gate) admit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strange--
}

func (g *gate) visit(addr netip.Addr, now time.Time) *refusal {
	v := g.visitors[addr]
	if v == nil {
		if len(g.visitors) >= maxVisitors && !g.forgetOne() {
			return busy(http.StatusServiceUnavailable, "too many addresses connect at the moment", 10)
		}
		if v = new(visitor); g.rate > 0 {
			v.pace = rate.NewLimiter(g.rate, g.burst)
		}
		g.visitors[addr] = v
	}
	if v.pace != nil && !v.pace.AllowN(now, 1) {
		return busy(http.StatusTooManyRequests, "too many handshakes from your address; wait a moment and connect once", 1+int(1/g.rate))
	}
	if g.maxPerAddress > 0 && v.open >= g.maxPerAddress {
		return busy(http.StatusTooManyRequests, "too many connections from your address; "+
			strconv.Itoa(g.maxPerAddress)+" may be open at once", 10)
	}
	v.open++
	return nil
}

// forgetOne makes room for another address: whoever has many must not keep everybody else out. An address that has no
// connection loses the memory of its pace.
func (g *gate) forgetOne() bool {
	for addr, v := range g.visitors {
		if v.open == 0 {
			delete(g.visitors, addr)
			return true
		}
	}
	return false
}

// leave is the counterpart of enter; admitted tells whether admit was called.
func (g *gate) leave(addr netip.Addr, admitted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if !admitted {
		g.strange--
	}
	if v := g.visitors[addr]; v != nil {
		v.open--
	}
}

// sweep forgets addresses that nothing is known about any more: no connection, and a pace that has recovered.
func (g *gate) sweep(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for addr, v := range g.visitors {
		if v.open == 0 && (v.pace == nil || v.pace.TokensAt(now) >= float64(g.burst)) {
			delete(g.visitors, addr)
		}
	}
}

// drain shuts the gate for good.
func (g *gate) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
}

// The most that a client is asked to wait, in seconds. Each is told a time of its own, so that they do not come back
// together.
const (
	crowdWait    = 5
	overloadWait = 30
)

// comeBack is a wait at random, from 1 to most.
func comeBack(most int) int { return 1 + rand.IntN(most) }

// setShut lets nobody new in while why is not "".
func (g *gate) setShut(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = why
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func busy(status int, text string, seconds int) *refusal {
	return &refusal{status, text, "Retry-After", strconv.Itoa(seconds)}
}

// neighbourhood is the unit that is counted as one address: an IPv6 client has a /64 to itself. What is no
// IP address (a Unix socket) is all one.
func neighbourhood(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
