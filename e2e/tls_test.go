package e2e

import (
	"bufio"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/outbox/tlstest"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/transport/ws"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// A server with a certificate speaks TLS alone, on the address that it prints, and swaps the certificate while
// clients stay.
func TestServeWithTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func() []byte {
		cert, key := tlstest.PEM(t, time.Now().Add(time.Hour))
		for name, b := range map[string][]byte{certFile: cert, keyFile: key} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return cert
	}
	first := put()
	server := serve(t, "--tls-cert", certFile, "--tls-key", keyFile, "--sim-instruments", "3")
	url := server.WebSocket()
	if !strings.HasPrefix(url, "wss://") || !strings.HasPrefix(server.Line("dashboard"), "https://") {
		t.Fatalf("%s", server.Text())
	}
	c := dial(t, url, client.Options{TLS: tlstest.Trusting(t, first)})
	subscribeOnceKnown(t, c, "test:FAKE")
	moves := func(m *client.Model) bool { _, ok := m.Quote("test:FAKE"); return ok }
	await(t, "quotes over TLS", c, moves)

	second := put()
	for { // until the new one is shown
		later, err := client.Dial(deadline(t), url, client.Options{TLS: tlstest.Trusting(t, second)})
		if err == nil {
			later.Close()
			break
		}
		if !strings.Contains(err.Error(), "certificate") {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Err(); err != nil {
		t.Fatalf("the first client did not stay: %v", err)
	}
	if got := server.Metric("feedd_tls_certificate_refused"); got != "0" {
		t.Errorf("refused: %s", got)
	}
	server.Interrupt()
}

// With HTTP/2 the page and its WebSockets share a connection, over which a stop is as orderly as over one of their own:
// feedd says goodbye, closes with a code, and ends at once.
func TestServeWithHTTP2(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	cert, key := tlstest.PEM(t, time.Now().Add(time.Hour))
	for name, b := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := serve(t, "--tls-cert", certFile, "--tls-key", keyFile, "--http2", "--sim-instruments", "3")
	address := strings.TrimSuffix(strings.TrimPrefix(server.WebSocket(), "wss://"), "/v1/ws")
	trusting := tlstest.Trusting(t, cert)
	h := wstest.DialHTTP2(t, address, trusting, 64<<10)
	page, err := h.Client().Get("https://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if page.ProtoMajor != 2 || page.StatusCode != http.StatusOK {
		t.Errorf("the page comes over %s: %s", page.Proto, page.Status)
	}
	c := h.Dial(t, wstest.Request{Subprotocols: ws.SubprotocolJSON, Origin: "https://" + address})
	c.Text(`{"id":1,"hello":{}}`)
	c.Text(`{"id":2,"subscribe":{"symbols":["*"],"channels":["quote"]}}`) // whatever the market begins with
	until := func(text string) wstest.Frame {
		for {
			if f := c.Read(); f.First == 0x88 || strings.Contains(string(f.Payload), text) {
				return f
			}
		}
	}
	for _, text := range []string{`"welcome"`, `"quoteTexts"`} {
		if f := until(text); f.First == 0x88 {
			t.Fatalf("closed ahead of %s: %q", text, f.Payload)
		}
	}
	old := dial(t, server.WebSocket(), client.Options{TLS: trusting})
	subscribeOnceKnown(t, old, "test:FAKE")
	stopped := make(chan struct{})
	go func() { defer close(stopped); server.Interrupt() }()
	if f := until(`"goaway"`); f.First == 0x88 {
		t.Fatalf("closed without a word: %q", f.Payload)
	}
	if f := until("\x00"); f.First != 0x88 || int(f.Payload[0])<<8|int(f.Payload[1]) != int(session.CloseDraining) {
		t.Fatalf("closed with % x", f.Payload)
	}
	<-stopped
}

// A client over WebTransport is one like all others: it is sent rows, operators see what it runs over, and it is told when the
// server stops.
func TestServeWithWebTransport(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	cert, key := tlstest.PEM(t, time.Now().Add(time.Hour))
	for name, b := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := serve(t, "--tls-cert", certFile, "--tls-key", keyFile, "--webtransport-listen", "127.0.0.1:0", "--sim-instruments", "3")
	d := &webtransport.Transport{TLSClientConfig: http3.ConfigureTLSConfig(tlstest.Trusting(t, cert))}
	defer d.Close()
	_, sess, err := d.Dial(deadline(t), server.Line("webtransport"), nil)
	if err != nil {
		t.Fatal(err)
	}
	st, err := sess.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(st)
	say := func(f *feedv1.ClientFrame) {
		if _, err := protodelim.MarshalTo(st, f); err != nil {
			t.Fatal(err)
		}
	}
	until := func(what string, ok func(*feedv1.ServerFrame) bool) *feedv1.ServerFrame {
		_ = st.SetReadDeadline(time.Now().Add(time.Minute))
		for {
			f := new(feedv1.ServerFrame)
			if err := protodelim.UnmarshalFrom(in, f); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if ok(f) {
				return f
			}
		}
	}
	say(&feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{Client: "test"}}})
	until("welcome", func(f *feedv1.ServerFrame) bool { return f.Welcome != nil })
	say(&feedv1.ClientFrame{Id: 2, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: []string{"*"}, Channels: []string{"quote"}}}})
	until("rows", func(f *feedv1.ServerFrame) bool { return len(f.Quotes) > 0 })
	if got := server.Metric(`feedd_transport_connections{http="3",transport="webtransport"}`); got != "1" {
		t.Errorf("%s connections are counted", got)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); server.Interrupt() }()
	until("goaway", func(f *feedv1.ServerFrame) bool { return f.Goaway != nil })
	if f := until("close", func(f *feedv1.ServerFrame) bool { return f.Close != nil }); f.Close.Code != uint32(session.CloseDraining) {
		t.Errorf("closed with %v", f.Close)
	}
	_, err = sess.AcceptStream(deadline(t)) // there is none
	var ended *webtransport.SessionError
	if !errors.As(err, &ended) || ended.ErrorCode != webtransport.SessionErrorCode(session.CloseDraining) {
		t.Errorf("the session ends with %v", err)
	}
	<-stopped
}
