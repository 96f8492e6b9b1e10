package ws

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/ws/wstest"
)

func TestCloseComesBehindWhatIsPending(t *testing.T) {
	r := newRig(t, Options{})
	c := wstest.Dial(t, r.addr, wstest.Request{})
	h := <-r.came
	n := stall(t, h)
	h.conn.Close(4000, "draining")
	h.conn.Close(4500, "too late")
	if h.conn.Send(pingFrame[:]) || h.conn.SendControl(nil) {
		t.Fatal("a closed connection takes frames")
	}
	for range n {
		c.Read()
	}
	if code, reason := c.ReadClose(); code != 4000 || reason != "draining" {
		t.Fatalf("close %d %q", code, reason)
	}
	<-h.ended // the client never answered: its socket's end is enough
	r.closed(t, 4000, 1)
}

func TestAClientThatDoesNotAnswerCloseIsCutOff(t *testing.T) {
	r := newRig(t, Options{CloseWait: 20 * time.Millisecond})
	c := wstest.Dial(t, r.addr, wstest.Request{})
	h := <-r.came
	c.Text("close")
	<-h.ended // although the client neither answers nor goes
	eventually(t, func() bool { return r.Stats().Open == 0 })
	r.closed(t, 4500, 1)
}

// Messages that were on their way when we closed are not handled any more.
func TestNothingIsHandledAfterClose(t *testing.T) {
	r := newRig(t, Options{})
	c := wstest.Dial(t, r.addr, wstest.Request{})
	h := <-r.came
	c.Write(join(wstest.Encode(frameText, []byte("close")), wstest.Encode(frameText, []byte("panic")),
		wstest.Encode(framePing, nil), wstest.EncodeClose(4500, "")))
	if code, _ := c.ReadClose(); code != 4500 {
		t.Fatalf("close %d", code)
	}
	<-h.ended
	if r.drops.Count(drop.HandlerPanic) != 0 {
		t.Error("a message after the close was handled")
	}
}

func TestAClientThatVanishesIsCounted(t *testing.T) {
	r := newRig(t, Options{})
	for range 3 {
		c := wstest.Dial(t, r.addr, wstest.Request{})
		c.Write([]byte{frameText, 0x85}) // in the middle of a header
		_ = c.Conn().Close()
		<-(<-r.came).ended
	}
	r.closed(t, conns.CodeAbnormal, 3)
}

// The kernel's own timeout says the same as ours, and may come first.
func TestATimeoutOfTheKernelIsNoProgress(t *testing.T) {
	r := newRig(t, Options{})
	nc := &script{err: &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}, shut: make(chan struct{})}
	serveScript(t, r.Server, nc, &handshake{key: "dGhlIHNhbXBsZSBub25jZQ==", encoding: fanout.JSON})
	r.closed(t, conns.CodeNoProgress, 1)
	if r.drops.Count(drop.WriteTimeout) != 1 {
		t.Error("the timeout is not counted")
	}
}

func TestReasonsFitACloseFrame(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		strings.Repeat("x", 123):  strings.Repeat("x", 123),
		strings.Repeat("x", 1000): strings.Repeat("x", 123),
		strings.Repeat("€", 100):  strings.Repeat("€", 41),
		"a\xffb":                  "a\uFFFDb",
	} {
		b := closeFrame(4000, in)
		if got := string(b[4:]); got != want || int(b[1]) != len(b)-2 || b[1] > 125 || !utf8.ValidString(got) || binary.BigEndian.Uint16(b[2:]) != 4000 {
			t.Errorf("%.20q: % x", in, b)
		}
	}
	if b := closeFrame(0, "ignored"); len(b) != 2 {
		t.Errorf("without a code: % x", b)
	}
}

func TestDrainAndCloseAll(t *testing.T) {
	const n = 40
	r := newRig(t, Options{})
	clients := make([]*wstest.Client, n)
	for i := range clients {
		clients[i] = wstest.Dial(t, r.addr, wstest.Request{})
	}
	// A handler that is made is reached a moment later.
	eventually(t, func() bool {
		reached := 0
		r.Each(func(h conns.Handler) { reached++; h.Wake() })
		return reached == n
	})
	r.gate.Drain()
	late := wstest.Try(t, r.addr, wstest.Request{})
	if late.Response.StatusCode != http.StatusServiceUnavailable || late.Response.Header.Get("Retry-After") == "" {
		t.Errorf("while draining: %s", late.Response.Status)
	}
	same(t, clients[0], "connections stay")
	done := make(chan struct{})
	go func() { r.CloseAll(t.Context(), 4000, "draining", 200*time.Millisecond); close(done) }()
	for i, c := range clients {
		if code, reason := c.ReadClose(); code != 4000 || reason != "draining" {
			t.Fatalf("client %d: close %d %q", i, code, reason)
		}
		_ = c.Conn().Close()
	}
	<-done
	r.closed(t, 4000, n)
}

func TestCloseAllHurriesWhenItsTimeIsUp(t *testing.T) {
	r := newRig(t, Options{})
	c := wstest.Dial(t, r.addr, wstest.Request{})
	<-r.came
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.CloseAll(ctx, 4000, "draining", 24*time.Hour)
	if code, _ := c.ReadClose(); code != 4000 {
		t.Fatalf("close %d", code)
	}
}

func TestShutdown(t *testing.T) {
	r := newRig(t, Options{CloseWait: time.Hour})
	polite := wstest.Dial(t, r.addr, wstest.Request{})
	h := <-r.came
	wstest.Dial(t, r.addr, wstest.Request{}) // never answers
	<-r.came
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Shutdown(ctx); close(done) }()
	if code, _ := polite.ReadClose(); code != conns.CodeGoingAway {
		t.Fatalf("close %d", code)
	}
	_ = polite.Conn().Close()
	<-h.ended
	cancel() // the other one is cut off
	<-done
	if s := r.Stats(); s.Open != 0 || s.Closed[conns.CodeGoingAway] != 2 {
		t.Errorf("after the shutdown: %+v", s)
	}
	if refused := wstest.Try(t, r.addr, wstest.Request{}); refused.Response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the shutdown: %s", refused.Response.Status)
	}
	r.Shutdown(t.Context()) // once more does no harm
}
