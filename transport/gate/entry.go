package gate

import (
	"errors"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/internal/drop"
)

// Entry is the place of a client that came in. Its methods may be called from any goroutine.
type Entry struct {
	gate     *Gate
	addr     netip.Addr // what it is counted under
	who      *entitlement.Identity
	admitted atomic.Bool
	left     atomic.Bool
}

// Enter lets the client of a request in, or says why not, which it has counted then. token is what the request's headers say of
// who sent it; "" for nothing. Leave must be called once for each client that came in.
func (g *Gate) Enter(r *http.Request, token string) (*Entry, *Refusal) {
	e := &Entry{gate: g, addr: neighbourhood(r.RemoteAddr)}
	refused := checkQuery(r)
	if refused == nil {
		refused = g.enter(e.addr, time.Now())
	}
	if refused == nil && token != "" && g.opt.Authenticate != nil {
		if e.who, refused = g.identify(token); refused != nil {
			e.Leave()
		}
	}
	if refused != nil {
		g.CountRefused(refused.Status)
		return nil, refused
	}
	return e, nil
}

// checkQuery refuses tokens where they would end up in the logs of everything on the way.
func checkQuery(r *http.Request) *Refusal {
	query := r.URL.Query()
	for _, name := range []string{"token", "access_token", "jwt", "bearer"} {
		if query.Has(name) {
			return &Refusal{Status: http.StatusBadRequest, Text: "a token does not belong into a URL, which ends up in logs: give it in the header " +
				"Authorization: Bearer TOKEN, in the first request, hello, or with a WebSocket as the subprotocol bearer.TOKEN; and get a new one"}
		}
	}
	return nil
}

// identify finds out whom a token speaks for.
func (g *Gate) identify(token string) (*entitlement.Identity, *Refusal) {
	who, err := g.opt.Authenticate(token)
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, entitlement.ErrUnavailable):
		return nil, RetryAfter(3, http.StatusServiceUnavailable, err.Error())
	}
	g.opt.Drops.Add(drop.RefusedToken, 1)
	return nil, Unauthenticated(err.Error(), `error="invalid_token"`)
}

// Identity is whom the token spoke for; nil: there was none.
func (e *Entry) Identity() *entitlement.Identity { return e.who }

// Address is what the client is counted under: its IPv4 address or IPv6 /64; the zero value for what has none.
func (e *Entry) Address() netip.Addr { return e.addr }

// MaxMessage bounds the messages of the client at the moment, in bytes.
func (e *Entry) MaxMessage() int { return e.gate.MaxMessage(e.admitted.Load()) }

// Admitted says that it is known who the client is, so that Options.Strangers no longer bounds it. It reports whether that is
// news.
func (e *Entry) Admitted() bool {
	news := !e.admitted.Swap(true)
	if news {
		e.gate.admit()
	}
	return news
}

// Leave gives the place back.
func (e *Entry) Leave() {
	if !e.left.Swap(true) {
		e.gate.leave(e.addr, e.admitted.Load())
	}
}
