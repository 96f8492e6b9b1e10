package wstest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/internal/outbox/tlstest"
)

// HTTP2 is a client of one server over one connection of HTTP/2.
type HTTP2 struct {
	addr   string
	client *http.Client

	trusting *tls.Config
	paused   chan struct{} // closed by Pause
}

// pausable is a client's connection that reads nothing more once it is paused.
type pausable struct {
	net.Conn
	paused, closed chan struct{}
	once           sync.Once
}

func (p *pausable) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	select {
	case <-p.paused:
		<-p.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (p *pausable) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Conn.Close()
}

// Pause has the client read nothing more.
func (h *HTTP2) Pause() { close(h.paused) }

// ServeHTTP2 serves srv with TLS and HTTP/2 on a free port of this machine until the test ends, and returns a client of it:
// see DialHTTP2.
func ServeHTTP2(tb testing.TB, srv *http.Server, window int) *HTTP2 {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server, trusting := tlstest.Certificate(tb)
	server.NextProtos = []string{"h2", "http/1.1"}
	srv.ReadHeaderTimeout = 5 * time.Second
	addr := serve(tb, srv, tls.NewListener(outbox.Listener{Listener: ln}, server), ln.Addr().String())
	return DialHTTP2(tb, addr, trusting, window)
}

// DialHTTP2 returns a client of the server at addr that lets it send window bytes on a stream, before they are read, and 64
// times as much on all of them. It connects when it is first used.
func DialHTTP2(tb testing.TB, addr string, trusting *tls.Config, window int) *HTTP2 {
	tb.Helper()
	// net/http's own client knows no pseudo-headers. This one takes its windows from there all the same.
	//nolint:staticcheck // the deprecation points to net/http's, which refuses :protocol
	transport, err := http2.ConfigureTransports(&http.Transport{
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: window, MaxReceiveBufferPerConnection: min(64*window, 4<<20-1)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	h := &HTTP2{addr: addr, client: &http.Client{Transport: transport}, trusting: trusting, paused: make(chan struct{})}
	only := trusting.Clone()
	only.NextProtos = []string{"h2"}
	transport.ConnPool = nil //nolint:staticcheck // as above
	//nolint:staticcheck // as above
	transport.DialTLSContext = func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		p := &pausable{Conn: nc, paused: h.paused, closed: make(chan struct{})}
		tb.Cleanup(func() { _ = p.Close() })
		secure := tls.Client(p, only)
		return secure, secure.HandshakeContext(ctx)
	}
	return h
}

// Addr is the server's address, also for HTTP/1.1.
func (h *HTTP2) Addr() string { return h.addr }

// TLS is what else connects to it needs.
func (h *HTTP2) TLS() *tls.Config { return h.trusting }

// Client makes other requests over the same connection.
func (h *HTTP2) Client() *http.Client { return h.client }

// Dial asks for a WebSocket and expects to get it.
func (h *HTTP2) Dial(tb testing.TB, r Request) *Client {
	tb.Helper()
	c := h.Try(tb, r)
	if c.Response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(c.Response.Body)
		tb.Fatalf("handshake: %s: %s", c.Response.Status, body)
	}
	return c
}

// Try asks for a WebSocket and returns whatever the answer is.
func (h *HTTP2) Try(tb testing.TB, r Request) *Client {
	tb.Helper()
	path := r.Path
	if path == "" {
		path = "/v1/ws"
	}
	ctx, cancel := context.WithCancel(tb.Context())
	tb.Cleanup(cancel)
	body, w := io.Pipe()
	request, err := http.NewRequestWithContext(ctx, http.MethodConnect, "https://"+h.addr+path, body)
	if err != nil {
		tb.Fatal(err)
	}
	request.Header = http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}}
	for key, value := range map[string]string{
		"Sec-Websocket-Protocol": r.Subprotocols, "Sec-Websocket-Extensions": r.Extensions, "Origin": r.Origin,
	} {
		if value != "" {
			request.Header.Set(key, value)
		}
	}
	for key, values := range r.Header {
		if request.Header[key] = values; slices.Equal(values, []string{""}) {
			delete(request.Header, key)
		}
	}
	if r.Method != "" {
		request.Method = r.Method
	}
	// A test that hangs says little: whatever takes too long ends the stream.
	patient := time.AfterFunc(patience, cancel)
	tb.Cleanup(func() { patient.Stop() })
	response, err := h.client.Do(request)
	if err != nil {
		tb.Fatalf("no answer to the handshake: %v", err)
	}
	tb.Cleanup(func() { _ = response.Body.Close() })
	return &Client{tb: tb, conn: &streamConn{body: response.Body, PipeWriter: w, cancel: cancel}, br: bufio.NewReader(response.Body), Response: response}
}

// streamConn is a stream as a connection.
type streamConn struct {
	*io.PipeWriter
	body   io.ReadCloser
	cancel context.CancelFunc
	net.Conn
}

func (c *streamConn) Read(b []byte) (int, error) { return c.body.Read(b) }

// Write takes bytes that the server does not want any more, as a socket would.
func (c *streamConn) Write(b []byte) (int, error) {
	if _, err := c.PipeWriter.Write(b); !errors.Is(err, io.ErrClosedPipe) {
		return len(b), err
	}
	return len(b), nil
}

// Close resets the stream.
func (c *streamConn) Close() error {
	c.cancel()
	return c.body.Close()
}

// CloseWrite ends the client's side of the stream.
func (c *streamConn) CloseWrite() error { return c.PipeWriter.Close() }
