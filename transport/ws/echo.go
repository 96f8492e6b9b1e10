package ws

import (
	"log/slog"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/guard"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// maxEcho is the largest message that conformance suites send, and get back, in bytes.
const maxEcho = gate.MostMessage

// NewEcho returns a Server that sends every message back as it came, text or binary, on the very stack that serves
// clients: a place for conformance suites to point at. Of opt, NewHandler and Gate are not used, and what bounds messages,
// answers and floods gives way to what those suites send, so it is no place for the public.
func NewEcho(opt Options) (*Server, error) {
	opt.NewHandler = func(*Conn, fanout.Framing) conns.Handler { return silent{} }
	own, err := gate.New(gate.Options{MaxMessage: maxEcho, Drops: opt.Drops})
	if err != nil {
		return nil, err
	}
	opt.Gate, opt.MaxQueued = own, 4*maxEcho
	s, err := New(opt)
	if err != nil {
		return nil, err
	}
	s.echoes = true
	plenty := guard.Rate{PerSecond: 1_000_000, Burst: 1_000_000}
	s.limits.Controls, s.limits.Fragments = plenty, plenty
	s.strange = s.limits
	return s, nil
}

// echo sends a message back.
func (c *Conn) echo(text bool, payload []byte) {
	f := *c.framing
	if f.first = frameBinary; text {
		f.first = frameText
	}
	c.write(f.AppendFrame(nil, payload, fanout.UseControl, 1))
}

// silent handles connections whose messages never reach a handler.
type silent struct{}

func (silent) Receive([]byte)   {}
func (silent) Wake()            {}
func (silent) End() []slog.Attr { return nil }
