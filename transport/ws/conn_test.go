package ws

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/internal/outbox/tlstest"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/ws/wstest"
)

var _ fanout.Conn = (*Conn)(nil)

// stall sends numbered frames until the client's backlog refuses one, and returns how many were taken.
func stall(t *testing.T, h *echo) int {
	t.Helper()
	var frame []byte
	for n := range 1 << 14 {
		frame = h.fr.AppendFrame(frame[:0], payload(n), fanout.UseCatchUp, 1)
		if !h.conn.Send(frame) {
			return n
		}
	}
	t.Fatal("a client that reads nothing takes everything")
	return 0
}

// payload is 4 KiB that compress badly and begin with n.
func payload(n int) []byte {
	b := make([]byte, 4<<10)
	x := uint32(n)*2654435761 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	b[0], b[1] = byte(n>>8), byte(n)
	return b
}

func TestASlowClientIsSkippedAndWoken(t *testing.T) {
	r := newRig(t, Options{})
	c := wstest.Dial(t, r.addr, wstest.Request{Subprotocols: SubprotocolProto})
	h := <-r.came
	for len(h.woken) > 0 {
		<-h.woken
	}
	n := stall(t, h)
	eventually(t, func() bool { return r.Stats().Blocked == 1 })
	if h.conn.Ready() || h.conn.Send(pingFrame[:]) {
		t.Fatal("a blocked connection takes a frame")
	}
	if !h.conn.SendControl([]byte("answer")) {
		t.Fatal("a blocked connection takes no answer")
	}
	for i := range n {
		if f := c.Read(); f.First != frameBinary || !bytes.Equal(f.Payload, payload(i)) {
			t.Fatalf("frame %d: %#x, %d bytes", i, f.First, len(f.Payload))
		}
	}
	if f := c.Read(); string(f.Payload) != "answer" {
		t.Fatalf("want the answer behind the frames, got %d bytes", len(f.Payload))
	}
	<-h.woken
	if !h.conn.Ready() {
		t.Error("not ready although it was woken")
	}
	if s := r.Stats(); s.Blocked != 0 || s.Stalls == 0 || s.FramesOut != uint64(n)+1 {
		t.Errorf("stats %+v after %d frames and an answer", s, n)
	}
	if !h.conn.Send(h.fr.AppendFrame(nil, []byte("fresh"), fanout.UseCatchUp, 1)) || string(c.Read().Payload) != "fresh" {
		t.Fatal("the connection does not go on")
	}
}

func TestAClientThatTakesNothingIsGivenUp(t *testing.T) {
	r := newRig(t, Options{WriteTimeout: 20 * time.Millisecond})
	wstest.Dial(t, r.addr, wstest.Request{})
	h := <-r.came
	stall(t, h)
	<-h.ended
	r.closed(t, conns.CodeNoProgress, 1)
	if r.drops.Count(drop.WriteTimeout) != 1 {
		t.Error("the timeout is not counted")
	}
}

func TestAClientThatReadsNoAnswersIsGivenUp(t *testing.T) {
	r := newRig(t, Options{MaxQueued: 20_000})
	c := wstest.Dial(t, r.addr, wstest.Request{})
	h := <-r.came
	n := stall(t, h)
	answers := 0
	for h.conn.SendControl(payload(answers)) {
		answers++
	}
	if answers < 4 || h.conn.SendControl(nil) || h.conn.Send(pingFrame[:]) {
		t.Fatalf("%d answers were taken, or more after the refused one", answers)
	}
	// It can still learn why, if it reads now.
	for range n + answers {
		c.Read()
	}
	if code, reason := c.ReadClose(); code != conns.CodeOverflow || reason == "" {
		t.Fatalf("close %d %q", code, reason)
	}
	<-h.ended
	r.closed(t, conns.CodeOverflow, 1)
	if r.drops.Count(drop.ControlOverflow) != 1 {
		t.Error("the overflow is not counted")
	}
}

// A client that sends pings and never reads must not make the server keep pongs without end.
func TestPongsNotReadAreBounded(t *testing.T) {
	r := newRig(t, Options{MaxQueued: 500, CloseWait: time.Millisecond})
	c := wstest.Dial(t, r.addr, wstest.Request{})
	h := <-r.came
	stall(t, h)
	c.Write(bytes.Repeat(wstest.Encode(framePing, make([]byte, 100)), 40))
	<-h.ended
	r.closed(t, conns.CodeOverflow, 1)
}

func TestAPanicEndsItsConnectionOnly(t *testing.T) {
	var logged bytes.Buffer
	faults := make(chan string, 1)
	var r *rig
	r = newRig(t, Options{Log: slog.New(slog.NewTextHandler(&logged, nil)), NewHandler: func(c *Conn, f fanout.Framing) conns.Handler {
		fault := <-faults
		if fault == "begin" {
			panic("at the beginning")
		}
		h := newEcho(c, f)
		r.came <- h
		return faulty{h, fault}
	}})
	faults <- "none"
	bystander := wstest.Dial(t, r.addr, wstest.Request{})
	for i, where := range []string{"begin", "message", "end", "wake"} {
		faults <- where
		c := wstest.Dial(t, r.addr, wstest.Request{})
		switch where {
		case "message":
			c.Text("panic")
		case "end":
			c.Write(wstest.EncodeClose(1000, ""))
		}
		if code, reason := c.ReadClose(); code != conns.CodeInternal || strings.Contains(reason, "told to") {
			t.Errorf("%s: close %d %q", where, code, reason)
		}
		eventually(t, func() bool { return r.drops.Count(drop.HandlerPanic) == uint64(i+1) })
		same(t, bystander, where)
	}
	eventually(t, func() bool { return r.Stats().Open == 1 })
	r.Shutdown(t.Context())
	if !strings.Contains(logged.String(), "told to") || !strings.Contains(logged.String(), "conn_test.go") {
		t.Errorf("the log does not say what happened and where: %s", logged.String())
	}
}

// faulty is an echo that panics somewhere else.
type faulty struct {
	*echo
	where string
}

func (f faulty) Wake() {
	if f.where == "wake" {
		panic("told to")
	}
	f.echo.Wake()
}

func (f faulty) End() []slog.Attr {
	more := f.echo.End()
	if f.where == "end" {
		panic("told to")
	}
	return more
}

func TestWithTLS(t *testing.T) {
	server, client := tlstest.Certificate(t)
	for name, wrap := range map[string]func(net.Listener) net.Listener{
		"outbox below": func(ln net.Listener) net.Listener { return tls.NewListener(outbox.Listener{Listener: ln}, server) },
		"outbox above": func(ln net.Listener) net.Listener { return tls.NewListener(ln, server) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigBehind(t, Options{}, wrap)
			c := wstest.Dial(t, r.addr, wstest.Request{TLS: client, Extensions: deflateOffer})
			h := <-r.came
			same(t, c, strings.Repeat("hello", 1000))
			n := stall(t, h)
			for i := range n {
				if f := c.Read(); !bytes.Equal(f.Payload, payload(i)) {
					t.Fatalf("frame %d: %d bytes", i, len(f.Payload))
				}
			}
			same(t, c, "and on")
			c.Text("close")
			if code, _ := c.ReadClose(); code != 4500 {
				t.Fatalf("close %d", code)
			}
		})
	}
}

func TestIdleConnectionsAreSmall(t *testing.T) {
	const n = 500
	r := newRig(t, Options{NewHandler: func(*Conn, fanout.Framing) conns.Handler { return nothing{} }})
	clients := make([]net.Conn, n)
	measure := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // a second time for what pools hold
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := measure()
	for i := range clients {
		c := wstest.Dial(t, r.addr, wstest.Request{})
		c.Text("hello") // grows what grows with use
		clients[i] = c.Conn()
	}
	eventually(t, func() bool { return r.Stats().MessagesIn == n })
	each := (measure() - before) / n
	t.Logf("%d bytes for an idle connection, with the socket of its client", each)
	if each > 24<<10 {
		t.Errorf("%d bytes for an idle connection", each)
	}
	runtime.KeepAlive(clients)
}

type nothing struct{}

func (nothing) Receive([]byte)   {}
func (nothing) Wake()            {}
func (nothing) End() []slog.Attr { return nil }
