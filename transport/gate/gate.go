package gate

import (
	"maps"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/feedd/feedd/internal/drop"
)

// maxVisitors bounds the addresses that the gate remembers.
const maxVisitors = 1 << 16

// Gate counts the clients and decides whether one more may come in. Make it with New. Its methods may be called from any
// goroutine.
type Gate struct {
	// Constant.
	opt     Options
	origins origins
	pace    *rate.Limiter // handshakes from all addresses; nil: no bound

	mu       sync.Mutex
	shut     string // why nobody new is let in for a while; "": they are
	open     int
	strange  int // of these, clients of whom it is not known who they are
	draining bool
	visitors map[netip.Addr]*visitor // empty unless something is bounded per address
	looked   time.Time               // when visitors was last gone through
	refused  map[int]uint64          // how many requests, by status
}

// New returns a Gate that lets clients in. An error names the option that is wrong.
func New(opt Options) (*Gate, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	allowed, err := newOrigins(opt.Origins)
	if err != nil {
		return nil, err
	}
	g := &Gate{opt: opt, origins: allowed, visitors: make(map[netip.Addr]*visitor), refused: make(map[int]uint64)}
	if opt.NodeRate > 0 {
		g.pace = rate.NewLimiter(rate.Limit(opt.NodeRate), opt.NodeBurst)
	}
	return g, nil
}

// MaxMessage bounds the messages of clients, in bytes: of those of whom it is known who they are, or of the others.
func (g *Gate) MaxMessage(admitted bool) int {
	if n := g.opt.Strangers.MaxMessage; n > 0 && !admitted {
		return n
	}
	return g.opt.MaxMessage
}

// Stats is a reading of a Gate's counts.
type Stats struct {
	Open      int            // clients that are in
	Strangers int            // of these, those of whom it is not known who they are
	Refused   map[int]uint64 // requests that were refused, by HTTP status
}

// Stats returns the counts of this moment.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Open: g.open, Strangers: g.strange, Refused: maps.Clone(g.refused)}
}

// CountRefused counts a request that was refused by somebody else than Enter.
func (g *Gate) CountRefused(status int) {
	g.opt.Drops.Add(drop.RefusedHandshake, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused[status]++
}

// Refuse lets nobody new in, and tells them why, until it is called with "".
func (g *Gate) Refuse(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = why
}

// Drain lets nobody in any more. It cannot be undone.
func (g *Gate) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
}

type visitor struct {
	open int
	pace *rate.Limiter // nil without a bound
}

// enter lets one connection in, or says why not. The caller calls leave once for each that came in.
func (g *Gate) enter(addr netip.Addr, now time.Time) *Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return Stopping()
	}
	if g.shut != "" {
		return RetryAfter(comeBack(overloadWait), http.StatusServiceUnavailable, g.shut)
	}
	if g.pace != nil && !g.pace.AllowN(now, 1) {
		return RetryAfter(comeBack(crowdWait), http.StatusServiceUnavailable, "too many clients connect at the moment")
	}
	if g.open >= g.opt.MaxConns {
		return RetryAfter(10, http.StatusServiceUnavailable, "the server is full")
	}
	if g.opt.Strangers.MaxConns > 0 && g.strange >= g.opt.Strangers.MaxConns {
		return RetryAfter(1, http.StatusServiceUnavailable, "too many clients have yet to say who they are")
	}
	if g.opt.MaxPerAddress > 0 || g.opt.AcceptRate > 0 {
		g.forget(now)
		if refused := g.visit(addr, now); refused != nil {
			return refused
		}
	}
	g.open++
	g.strange++
	return nil
}

// admit says that it is known who one of the connections is.
func (g *Gate) admit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strange--
}

func (g *Gate) visit(addr netip.Addr, now time.Time) *Refusal {
	v := g.visitors[addr]
	if v == nil {
		if len(g.visitors) >= maxVisitors && !g.forgetOne() {
			return RetryAfter(10, http.StatusServiceUnavailable, "too many addresses connect at the moment")
		}
		if v = new(visitor); g.opt.AcceptRate > 0 {
			v.pace = rate.NewLimiter(rate.Limit(g.opt.AcceptRate), g.opt.AcceptBurst)
		}
		g.visitors[addr] = v
	}
	if v.pace != nil && !v.pace.AllowN(now, 1) {
		return RetryAfter(1+int(1/g.opt.AcceptRate), http.StatusTooManyRequests, "too many handshakes from your address; wait a moment and connect once")
	}
	if g.opt.MaxPerAddress > 0 && v.open >= g.opt.MaxPerAddress {
		return RetryAfter(10, http.StatusTooManyRequests, "too many connections from your address; "+
			strconv.Itoa(g.opt.MaxPerAddress)+" may be open at once")
	}
	v.open++
	return nil
}

// forgetOne makes room for another address: whoever has many must not keep everybody else out. An address that has no
// connection loses the memory of its pace.
func (g *Gate) forgetOne() bool {
	for addr, v := range g.visitors {
		if v.open == 0 {
			delete(g.visitors, addr)
			return true
		}
	}
	return false
}

// leave is the counterpart of enter; admitted tells whether admit was called.
func (g *Gate) leave(addr netip.Addr, admitted bool) {
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

// lookEvery is how often the gate goes through the addresses that it remembers, at most.
const lookEvery = time.Second

// forget lets go of addresses that nothing is known about any more: no connection, and a pace that has recovered. mu is held.
// It happens as others come, so what is remembered of a storm may stay until the next client; it is bounded either way.
func (g *Gate) forget(now time.Time) {
	if now.Sub(g.looked) < lookEvery {
		return
	}
	g.looked = now
	for addr, v := range g.visitors {
		if v.open == 0 && (v.pace == nil || v.pace.TokensAt(now) >= float64(g.opt.AcceptBurst)) {
			delete(g.visitors, addr)
		}
	}
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
