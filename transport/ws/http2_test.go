package ws

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/carrier"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// newHTTP2Rig is a rig whose clients share a connection of HTTP/2 with the given window for each of them.
func newHTTP2Rig(t testing.TB, opt Options, window int) (*rig, *wstest.HTTP2) {
	t.Helper()
	r := newRig(t, opt)
	mux := http.NewServeMux()
	mux.Handle("/v1/ws", r.Server)
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	h := wstest.ServeHTTP2(t, &http.Server{Handler: mux, ConnContext: carrier.Context}, window)
	t.Cleanup(func() { // ahead of the server, which would wait for its connections' handlers
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.Shutdown(ctx)
	})
	r.addr = h.Addr()
	return r, h
}

// large is a payload that by itself fills the outlet of a stream, so that nothing is taken behind it before all of it is out.
func large(n int) []byte { return bytes.Repeat(payload(n), 5) }

// stallStream sends numbered frames until a stream with a window of 64 KiB takes no more for good.
func stallStream(t *testing.T, served *echo) (taken int) {
	t.Helper()
	for {
		frame := served.fr.AppendFrame(nil, large(taken), fanout.UseCatchUp, 1)
		switch {
		case served.conn.Send(frame):
			taken++
		case taken*len(frame) > 64<<10: // the last one does not fit the window: nothing is taken until the client reads
			return taken
		default:
			<-served.woken
		}
	}
}

func TestOverHTTP2(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{Gate: newGate(t, gate.Options{Authenticate: checkToken}), CloseWait: 20 * time.Millisecond}, 64<<10)
	c := h.Dial(t, wstest.Request{Subprotocols: SubprotocolJSON + ", bearer.good", Extensions: deflateOffer})
	if got := c.Response.Header; got.Get("Sec-WebSocket-Protocol") != SubprotocolJSON || !strings.HasPrefix(got.Get("Sec-WebSocket-Extensions"), deflateName) ||
		c.Response.ProtoMajor != 2 || got.Get("Sec-WebSocket-Accept") != "" {
		t.Errorf("answer %s %s with %v", c.Response.Proto, c.Response.Status, got)
	}
	served := <-r.came
	if who := served.conn.Identity(); who == nil || who.User != "ada" {
		t.Errorf("taken for %+v", who)
	}
	same(t, c, "hello")
	same(t, c, strings.Repeat("hello", 2000))
	c.Write(wstest.Encode(framePing, []byte("are you there")))
	if f := c.Read(); f.First != framePong || string(f.Payload) != "are you there" {
		t.Errorf("ping answered by %#x %q", f.First, f.Payload)
	}
	other := h.Dial(t, wstest.Request{})
	same(t, other, "a second one")
	response, err := h.Client().Get("https://" + h.Addr() + "/hello")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "HTTP/2.0" {
		t.Errorf("beside WebSockets: %q", body)
	}
	same(t, wstest.Dial(t, h.Addr(), wstest.Request{TLS: h.TLS()}), "and over HTTP/1.1")
	c.Text("close")
	if code, reason := c.ReadClose(); code != 4500 || reason != "told to" {
		t.Errorf("close %d %q", code, reason)
	}
	<-served.ended
	same(t, other, "still there")
	other.Write(wstest.EncodeClose(1000, ""))
	if code, _ := other.ReadClose(); code != 1000 {
		t.Errorf("close answered by %d", code)
	}
	r.closed(t, 4500, 1)
	r.closed(t, 1000, 1)
}

func TestHandshakesOverHTTP2(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{Gate: newGate(t, gate.Options{
		MaxConns: 1, Origins: []string{"https://app.example.com"}, Authenticate: checkToken,
	})}, 64<<10)
	for _, c := range []struct {
		name    string
		request wstest.Request
		status  int
		says    string
	}{
		{"another protocol", wstest.Request{Header: http.Header{":protocol": {"connect-udp"}}}, 501, "websocket is"},
		{"no version", wstest.Request{Header: http.Header{"Sec-Websocket-Version": {""}}}, 400, "version 13"},
		{"another version", wstest.Request{Header: http.Header{"Sec-Websocket-Version": {"8"}}}, 400, "version 13"},
		{"no CONNECT", wstest.Request{Method: "GET", Header: http.Header{":protocol": {""}}}, 400, "extended CONNECT"},
		{"another page", wstest.Request{Origin: "https://evil.example.com"}, 403, "may not connect"},
		{"a token in the URL", wstest.Request{Path: "/v1/ws?token=x"}, 400, "ends up in logs"},
		{"a token that is no good", wstest.Request{Subprotocols: "bearer.old"}, 401, "expired"},
		{"unknown subprotocols", wstest.Request{Subprotocols: "chat"}, 400, "feedd.v1.proto"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := h.Try(t, c.request)
			if body := client.Body(); client.Response.StatusCode != c.status || !strings.Contains(body, c.says) {
				t.Errorf("%s %q, want %d and %q", client.Response.Status, body, c.status, c.says)
			}
		})
	}
	first := h.Dial(t, wstest.Request{Origin: "https://app.example.com"})
	full := h.Try(t, wstest.Request{})
	if full.Response.StatusCode != http.StatusServiceUnavailable || full.Response.Header.Get("Retry-After") == "" {
		t.Errorf("a second one: %s", full.Response.Status)
	}
	same(t, first, "the connection was told to take no more, and goes on")
	_ = first.Conn().Close()
	eventually(t, func() bool { return r.Stats().Open == 0 })
	same(t, h.Dial(t, wstest.Request{}), "room again, on another connection")
}

// The cases of testdata/conformance.txt hold on a stream as they do on a connection.
func TestConformanceOverHTTP2(t *testing.T) {
	text, err := os.ReadFile("testdata/conformance.txt")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewEcho(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(context.Background()) })
	h := wstest.ServeHTTP2(t, &http.Server{Handler: s, ConnContext: carrier.Context}, 1<<20)
	playAll(t, string(text), func(t *testing.T) *wstest.Client { return h.Dial(t, wstest.Request{}) })
}

// A client that does not read one of its streams gets the others', and nothing of the stuck one is lost.
func TestAStuckStreamHoldsUpNoOther(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{}, 64<<10)
	stuck := h.Dial(t, wstest.Request{Subprotocols: SubprotocolProto})
	served := <-r.came
	n := stallStream(t, served)
	other := h.Dial(t, wstest.Request{})
	for range 100 {
		same(t, other, strings.Repeat("x", 4000)) // six times the stream's window
	}
	if r.Stats().Blocked == 0 || served.conn.Ready() {
		t.Error("the stuck stream is not blocked")
	}
	for i := range n {
		if f := stuck.Read(); f.First != frameBinary || !bytes.Equal(f.Payload, large(i)) {
			t.Fatalf("frame %d: %#x, %d bytes", i, f.First, len(f.Payload))
		}
	}
	eventually(t, served.conn.Ready)
}

func TestAStreamThatTakesNothingIsGivenUp(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{WriteTimeout: 20 * time.Millisecond}, 64<<10)
	other := h.Dial(t, wstest.Request{})
	<-r.came
	h.Dial(t, wstest.Request{})
	served := <-r.came
	stallStream(t, served)
	<-served.ended
	r.closed(t, conns.CodeNoProgress, 1)
	if r.drops.Count(drop.WriteTimeout) != 1 {
		t.Error("the timeout is not counted")
	}
	same(t, other, "the connection goes on")
}

func TestAStreamThatReadsNoAnswersIsGivenUp(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{MaxQueued: 20_000, CloseWait: 100 * time.Millisecond}, 64<<10)
	c := h.Dial(t, wstest.Request{})
	served := <-r.came
	n := stallStream(t, served)
	answers := 0
	for served.conn.SendControl(payload(answers)) {
		answers++
	}
	for range n + answers { // it can still learn why, if it reads now
		c.Read()
	}
	if code, reason := c.ReadClose(); code != conns.CodeOverflow || reason == "" {
		t.Fatalf("close %d %q", code, reason)
	}
	<-served.ended
	r.closed(t, conns.CodeOverflow, 1)
}

func TestAStreamThatVanishesIsCounted(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{}, 64<<10)
	reset := h.Dial(t, wstest.Request{})
	reset.Write([]byte{frameText, 0x85}) // in the middle of a header
	first := <-r.came
	_ = reset.Conn().Close()
	<-first.ended
	half := h.Dial(t, wstest.Request{})
	second := <-r.came
	if err := half.Conn().(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	<-second.ended
	if _, err := half.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("a stream that the client ended: %v, want the end", err)
	}
	r.closed(t, conns.CodeAbnormal, 2)
}

// The connection below takes nothing at all: what ends a stream must not wait for it.
func TestAStreamEndsAlthoughItsConnectionTakesNothing(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{CloseWait: 10 * time.Millisecond, MaxQueued: 8 << 20}, 4<<20-1)
	c := h.Dial(t, wstest.Request{})
	served := <-r.came
	same(t, c, "hello")
	h.Pause()
	for range 64 { // more than the sockets hold, and less than the stream's window
		if !served.conn.SendControl(make([]byte, 40<<10)) {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Shutdown(ctx)
	<-served.ended
	r.closed(t, conns.CodeGoingAway, 1)
}

func TestShutdownOverHTTP2(t *testing.T) {
	r, h := newHTTP2Rig(t, Options{CloseWait: time.Hour}, 64<<10)
	polite := h.Dial(t, wstest.Request{})
	<-r.came
	h.Dial(t, wstest.Request{}) // never answers
	<-r.came
	h.Dial(t, wstest.Request{}) // never reads
	stallStream(t, <-r.came)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Shutdown(ctx); close(done) }()
	f := polite.Read()
	if f.First != frameClose || binary.BigEndian.Uint16(f.Payload) != conns.CodeGoingAway {
		t.Fatalf("frame %#x % x", f.First, f.Payload)
	}
	polite.Write(wstest.EncodeClose(conns.CodeGoingAway, ""))
	if _, err := polite.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the close: %v, want the end of the stream", err)
	}
	cancel() // the others are cut off
	<-done
	if s := r.Stats(); s.Open != 0 || s.Closed[conns.CodeGoingAway] != 3 {
		t.Errorf("after the shutdown: %+v", s)
	}
}
