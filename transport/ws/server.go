package ws

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/guard"
	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/internal/outlet"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Server is an http.Handler that serves WebSockets. Make it with New and end it with Shutdown. Its methods
// may be called from any goroutine.
type Server struct {
	// Constant.
	opt      Options
	limits   guard.Limits
	strange  guard.Limits // of clients of whom it is not known who they are
	outgoing outgoing.Options
	framings [2][2]framing // by encoding, and whether compression was agreed on
	deflate  deflatePolicy
	born     time.Time // zero of now
	echoes   bool      // see NewEcho

	conns  *conns.Set[*Conn]
	totals conns.Totals
	cuts   conns.Cuts
}

// New returns a Server that is ready to serve. An error names the option that is wrong.
func New(opt Options) (*Server, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	s := &Server{opt: opt, limits: guard.DefaultLimits(int64(opt.Gate.MaxMessage(true))), born: time.Now(), conns: conns.NewSet((*Conn).Close, (*Conn).cutOff)}
	s.strange = s.limits
	s.strange.MaxMessage = int64(opt.Gate.MaxMessage(false))
	s.deflate.mode, s.deflate.share = opt.Deflate, opt.DeflateShare
	s.outgoing = outgoing.Options{MaxQueued: opt.MaxQueued, WriteTimeout: opt.WriteTimeout, Drops: opt.Drops, Stats: &s.totals.Out}
	for enc, first := range map[fanout.Encoding]byte{fanout.Proto: frameBinary, fanout.JSON: frameText} {
		s.framings[enc][0] = framing{encoding: enc, first: first}
		s.framings[enc][1] = framing{encoding: enc, first: first, deflate: &s.deflate}
	}
	s.conns.Sweep(s.sweepEvery(), func(time.Time) { s.pulses(s.now()) })
	return s, nil
}

// now is the time since the server was made, in microseconds. It does not go back.
func (s *Server) now() int64 { return time.Since(s.born).Microseconds() }

// ServeHTTP makes a WebSocket of a request, or answers it with a status and a line that says what would be right. Over
// HTTP/1.1 it returns while the WebSocket lives on; over HTTP/2 it returns at the end of it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, refused := s.read(r)
	if refused != nil {
		s.opt.Gate.CountRefused(refused.Status)
		refuse(w, r, refused)
		return
	}
	entry, refused := s.opt.Gate.Enter(r, h.token)
	if refused != nil {
		refuse(w, r, refused)
		return
	}
	h.token = ""
	c := &Conn{srv: s, remote: r.RemoteAddr, entry: entry}
	if r.ProtoMajor == 2 {
		s.serveStream(w, r, c, &h)
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		entry.Leave()
		s.opt.Gate.CountRefused(http.StatusInternalServerError)
		refuse(w, r, &gate.Refusal{Status: http.StatusInternalServerError, Text: "this connection cannot be upgraded"})
		s.opt.Log.Error("upgrade failed", "error", err)
		return
	}
	// The client may have sent frames right behind its request.
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // cannot fail for what is buffered
	c.lay(nc, &h, append([]byte(nil), early...))
	if s.add(c) {
		go func() {
			defer s.conns.Ended()
			c.run(&h)
		}()
	}
}

// refuse answers a request that is not upgraded, and closes its connection: whoever comes again should come
// through the load balancer again. Over HTTP/2 other streams may be on the connection; it takes no more (GOAWAY) only where
// another node might.
func refuse(w http.ResponseWriter, r *http.Request, refused *gate.Refusal) {
	if r.ProtoMajor != 2 || refused.Status == http.StatusServiceUnavailable {
		w.Header().Set("Connection", "close")
	}
	if refused.Status == http.StatusUpgradeRequired { // which must say to what, and that has to stand in Connection too: RFC 9110, 7.8 and 15.5.22
		w.Header().Set("Upgrade", "websocket")
		w.Header().Add("Connection", "Upgrade")
	}
	refused.Write(w)
}

// lay puts the layers of a connection on top of each other. early was read from nc already.
func (c *Conn) lay(nc net.Conn, h *handshake, early []byte) {
	s, deflate := c.srv, h.deflate != ""
	c.subprotocol, c.born, c.nc = h.subprotocol, s.now(), nc
	c.framing = &s.framings[h.encoding][0]
	if deflate {
		c.framing = &s.framings[h.encoding][1]
	}
	if st, ok := nc.(*stream); ok {
		st.out = outlet.New(&s.outgoing, c.wake)
		c.link, c.out = st.out, waiting{st}
	} else {
		link, out := stack(nc)
		if err := out.Start(&s.outgoing, c.wake); err != nil {
			s.opt.Log.Debug("socket options refused", "remote", c.remote, "error", err)
		}
		c.link, c.out = link, out
	}
	c.guard = guard.New(nc, &s.strange, deflate, early, c.hear)
	c.inbox.Limit = s.opt.Gate.MaxMessage(true)
	c.raw = c.look()
}

// stack returns the outbox of nc and what to write to. Below TLS, and below what reads a PROXY header, the outbox is
// there already when the connection was accepted by an outbox.Listener; otherwise it goes on top, where it works at
// some cost.
func stack(nc net.Conn) (link, *outbox.Conn) {
	if secure, ok := nc.(*tls.Conn); ok {
		if out, ok := beneath(secure.NetConn()).(*outbox.Conn); ok {
			return outbox.NewSender(secure, out), out
		}
	}
	out, ok := beneath(nc).(*outbox.Conn)
	if !ok {
		out = outbox.New(nc)
	}
	return out, out
}

// beneath returns what lies below a connection that only reads differently, such as one with a PROXY header.
func beneath(nc net.Conn) net.Conn {
	if over, ok := nc.(interface{ Raw() net.Conn }); ok {
		return over.Raw()
	}
	return nc
}

// add registers a connection that is about to run. False: the server has stopped, and the connection is closed.
func (s *Server) add(c *Conn) bool {
	c.beat.first(s.now(), s.opt.PingInterval)
	if s.conns.Add(c, &c.seat, s.totals.Open) {
		return true
	}
	c.cutOff()
	c.entry.Leave()
	return false
}

// remove is the counterpart of add.
func (s *Server) remove(c *Conn, code uint16) {
	s.conns.Remove(&c.seat, func() { s.totals.Close(code, c.out.Sent()) })
	c.entry.Leave()
}

// Each calls fn with the handler of each connection that has one, from the calling goroutine. A handler may
// come to its end meanwhile.
func (s *Server) Each(fn func(conns.Handler)) {
	for _, c := range s.conns.All() {
		if h := c.handling.Current(); h != nil {
			fn(h)
		}
	}
}

// CloseAll closes the connections of this moment in slices of equal size and random choice, spread over a
// time, so that they do not all come back at once. When ctx ends, the rest is closed at once.
func (s *Server) CloseAll(ctx context.Context, code uint16, reason string, over time.Duration) {
	s.conns.CloseAll(ctx, code, reason, over)
}

// Shutdown shuts the gate for good, closes what is open with 1001, and returns when every goroutine of the
// server has ended. When ctx ends first, connections are cut off without waiting for their farewell.
func (s *Server) Shutdown(ctx context.Context) {
	s.opt.Gate.Drain()
	s.conns.Shutdown(ctx)
}
