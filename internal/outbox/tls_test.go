package outbox

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/outbox/tlstest"
	"github.com/feedd/feedd/internal/outgoing"
)

// secure runs a TLS handshake over a Listener and returns both ends.
func secure(t *testing.T) (server *tls.Conn, client *tls.Conn) {
	t.Helper()
	serverCfg, clientCfg := tlstest.Certificate(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, err := tls.NewListener(Listener{ln}, serverCfg).Accept()
		if err == nil {
			err = nc.(*tls.Conn).Handshake()
		}
		if err != nil {
			t.Errorf("server: %v", err)
		}
		accepted <- nc
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	client = tls.Client(nc, clientCfg)
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	server = (<-accepted).(*tls.Conn)
	t.Cleanup(func() { _ = nc.Close() })
	return server, client
}

func TestThroughTLS(t *testing.T) {
	server, client := secure(t)
	out := server.NetConn().(*Conn)
	drained := make(chan struct{}, 1<<10)
	if err := out.Start(&outgoing.Options{MaxQueued: 2000}, func() { drained <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	sender := NewSender(server, out)
	next := uint32(0)
	for ; sender.Send(frame(next, 50_000)); next++ { // in many records each, far beyond MaxQueued
	}
	if next == 0 || !out.Blocked() {
		t.Fatalf("refused after %d frames, blocked %v", next, out.Blocked())
	}
	if _, err := sender.Write(frame(next, 1000)); err != nil {
		t.Fatalf("an answer behind them: %v", err)
	}
	for want := range next + 1 {
		if got, err := readFrame(t, client); err != nil || got != want {
			t.Fatalf("frame %d, %v; want %d", got, err, want)
		}
	}
	<-drained
	if !sender.Send(frame(next+1, 10)) || !sender.Finish(frame(next+2, 10)) || sender.Send(frame(0, 8)) {
		t.Fatal("want one more frame, a last one, and no further")
	}
	for want := next + 1; want <= next+2; want++ {
		if got, err := readFrame(t, client); err != nil || got != want {
			t.Fatalf("frame %d, %v; want %d", got, err, want)
		}
	}
	if _, err := readFrame(t, client); !errors.Is(err, io.EOF) { // the farewell of TLS, not a torn stream
		t.Fatalf("after the last frame: %v, want the end", err)
	}
}

// A TLS connection that was accepted without a Listener works too, with the outbox above it.
func TestAboveTLS(t *testing.T) {
	server, client := secure(t) // its outbox is not started: it only passes through
	out := New(server)
	drained := make(chan struct{}, 1<<10)
	if err := out.Start(&outgoing.Options{}, func() { drained <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	next := uint32(0)
	for next < 1<<10 { // refused as soon as one frame is still on its way
		if !out.Send(frame(next, 1<<20)) {
			break
		}
		next++
	}
	for want := range next {
		if got, err := readFrame(t, client); err != nil || got != want {
			t.Fatalf("frame %d, %v; want %d", got, err, want)
		}
	}
	<-drained
	if next == 1<<10 || !out.Finish(frame(next, 10)) {
		t.Fatalf("%d frames without a refusal, or the last one was refused", next)
	}
	if got, err := readFrame(t, client); err != nil || got != next {
		t.Fatalf("frame %d, %v; want %d", got, err, next)
	}
	if _, err := readFrame(t, client); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last frame: %v, want the end", err)
	}
	_ = out.Close()
}

func TestAStuckPeerDoesNotHoldUpCloseAboveTLS(t *testing.T) {
	server, _ := secure(t)
	out := New(server)
	if err := out.Start(&outgoing.Options{}, func() {}); err != nil {
		t.Fatal(err)
	}
	out.Send(make([]byte, 16<<20))
	_ = out.Close() // would wait for the farewell of TLS to get through
}

// Until Start an HTTP server can use the connection as if it were not there.
func TestAListenerPassesThrough(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 1<<20) // beyond any bound of the outbox
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }),
		ReadHeaderTimeout: time.Second, WriteTimeout: time.Minute}
	served := make(chan struct{})
	go func() { _ = srv.Serve(Listener{ln}); close(served) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if n != 1<<20 || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	_ = srv.Close()
	<-served
}
