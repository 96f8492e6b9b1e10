package ws

import (
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/internal/drop"
)

// Entry is the place of a client that came in over another transport: through the same gate, and counted there with the
// others. Its methods may be called from any goroutine.
type Entry struct {
	srv      *Server
	addr     netip.Addr
	who      *entitlement.Identity
	admitted atomic.Bool
	left     atomic.Bool
}

// Refusal is why a request is not let in. Its text says what would be right.
type Refusal struct {
	Status        int
	Text          string
	Header, Value string // one more header; "" for none
}

// Enter lets the client of a request in, or says why not. token is what the request's headers say of it; "" for nothing. Leave
// must be called once for each client that came in.
func (s *Server) Enter(r *http.Request, token string) (*Entry, *Refusal) {
	refused := checkQuery(r)
	addr := neighbourhood(r.RemoteAddr)
	if refused == nil {
		refused = s.gate.enter(addr, time.Now())
	}
	e := &Entry{srv: s, addr: addr}
	if refused == nil && token != "" && s.opt.Authenticate != nil {
		if e.who, refused = s.identify(token); refused != nil {
			s.gate.leave(addr, false)
		}
	}
	if refused != nil {
		s.CountRefused(refused.status)
		return nil, &Refusal{refused.status, refused.text, refused.header, refused.value}
	}
	carrierOf(r).tune(s.opt.Log)
	return e, nil
}

// CountRefused counts a request that was refused for a reason that the gate does not know.
func (s *Server) CountRefused(status int) {
	s.opt.Drops.Add(drop.RefusedHandshake, 1)
	s.totals.refuse(status)
}

// Allows tells whether a page of origin may connect to host, as the request names it, and whether that is since the page is of
// that host or its origin was named by the operator, rather than since any may.
func (s *Server) Allows(origin, host string) (allowed, named bool) {
	canonical, ok := canonicalOrigin(origin)
	if !ok {
		return s.origins.allows(origin, host), false
	}
	named = s.origins.allowed[canonical]
	if s.origins.allowed == nil {
		for _, scheme := range []string{"http", "https"} {
			asked, ok := canonicalOrigin(scheme + "://" + host)
			named = named || ok && asked == canonical
		}
	}
	return s.origins.allows(origin, host), named
}

// Identity is whom the token spoke for; nil: there was none.
func (e *Entry) Identity() *entitlement.Identity { return e.who }

// MaxMessage bounds the messages of the client at the moment, in bytes.
func (e *Entry) MaxMessage() int {
	if n := e.srv.opt.Strangers.MaxMessage; n > 0 && !e.admitted.Load() {
		return n
	}
	return e.srv.opt.MaxMessage
}

// Admitted says that it is known who the client is: see Conn.Admitted.
func (e *Entry) Admitted() {
	if !e.admitted.Swap(true) {
		e.srv.gate.admit()
	}
}

// Leave gives the place back.
func (e *Entry) Leave() {
	if !e.left.Swap(true) {
		e.srv.gate.leave(e.addr, e.admitted.Load())
	}
}
