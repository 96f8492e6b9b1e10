package ws

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a handler that sends every message back, and does as some of them say.
type echo struct {
	conn  *Conn
	fr    fanout.Framing
	woken chan struct{}
	ended chan struct{}
}

func newEcho(c *Conn, f fanout.Framing) *echo {
	return &echo{conn: c, fr: f, woken: make(chan struct{}, 1<<12), ended: make(chan struct{})}
}

func (h *echo) Receive(payload []byte) {
	switch string(payload) {
	case "panic":
		panic("told to")
	case "close":
		h.conn.Close(4500, "told to")
	default:
		h.conn.SendControl(payload)
	}
}

func (h *echo) Wake() {
	select {
	case h.woken <- struct{}{}:
	default:
	}
}

func (h *echo) End() []slog.Attr { close(h.ended); return nil }

// rig is a server of echoes.
type rig struct {
	*Server
	gate  *gate.Gate
	addr  string
	drops *drop.Counters
	came  chan *echo // each handler as it begins
}

func newRig(t testing.TB, opt Options) *rig { return newRigBehind(t, opt, nil) }

func newRigBehind(t testing.TB, opt Options, wrap func(net.Listener) net.Listener) *rig {
	t.Helper()
	r := &rig{drops: new(drop.Counters), came: make(chan *echo, 1<<12)}
	opt.Drops = r.drops
	if opt.NewHandler == nil {
		opt.NewHandler = func(c *Conn, f fanout.Framing) conns.Handler {
			h := newEcho(c, f)
			r.came <- h
			return h
		}
	}
	var err error
	if r.Server, err = New(opt); err != nil {
		t.Fatal(err)
	}
	r.gate = r.opt.Gate
	t.Cleanup(func() { r.Shutdown(t.Context()) })
	r.addr = wstest.Serve(t, r.Server, wrap)
	return r
}

// closed waits until the server has counted want connections under code.
func (r *rig) closed(t testing.TB, code uint16, want uint64) {
	t.Helper()
	eventually(t, func() bool { return r.Stats().Closed[code] >= want })
	if got := r.Stats().Closed[code]; got != want {
		t.Fatalf("%d connections closed with %d, want %d", got, code, want)
	}
}

// eventually waits for something that another goroutine is about to do and that leaves no other trace.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, errors.New("it does not happen"))
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		}
	}
}

// same sends a message on c and expects it back.
func same(t testing.TB, c *wstest.Client, text string) {
	t.Helper()
	c.Text(text)
	if f := c.Read(); f.First&0xf != 1 || string(f.Payload) != text {
		t.Fatalf("sent %q, got frame %#x with %q", text, f.First, f.Payload)
	}
}

func newGate(t testing.TB, opt gate.Options) *gate.Gate {
	t.Helper()
	g, err := gate.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const deflateOffer = "permessage-deflate; client_max_window_bits"

func newHandler(c *Conn, f fanout.Framing) conns.Handler { return newEcho(c, f) }
