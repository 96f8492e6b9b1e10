// Package wstest is a WebSocket client for tests: it sends the bytes that it is told to, right or wrong, and
// shows each frame that comes back.
package wstest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
)

// patience is how long a test waits for an answer before it fails instead of hanging.
const patience = 30 * time.Second

// Serve serves h on a free port of this machine until the test ends, and returns its address. wrap, if not
// nil, goes around the listener.
func Serve(tb testing.TB, h http.Handler, wrap func(net.Listener) net.Listener) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := ln.Addr().String()
	if wrap != nil {
		ln = wrap(ln)
	}
	return serve(tb, &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}, ln, addr)
}

func serve(tb testing.TB, srv *http.Server, ln net.Listener, addr string) string {
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			tb.Errorf("serve: %v", err)
		}
	}()
	tb.Cleanup(func() {
		_ = srv.Close()
		<-served
	})
	return addr
}

// Request is a handshake. The zero value is a plain request for /v1/ws that offers nothing.
type Request struct {
	Method       string // default GET
	Path         string // default /v1/ws
	Subprotocols string // as in the header; "" for none
	Extensions   string
	Origin       string
	Header       http.Header // further headers; one with an empty value removes a default
	Behind       []byte      // bytes that follow the handshake at once
	TLS          *tls.Config // nil: without TLS
}

// Client is one connection. Its methods fail the test on a problem, but for Next.
type Client struct {
	tb       testing.TB
	conn     net.Conn
	br       *bufio.Reader
	Response *http.Response
}

// Dial connects to addr and expects to be let in.
func Dial(tb testing.TB, addr string, r Request) *Client {
	tb.Helper()
	c := Try(tb, addr, r)
	if c.Response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(c.Response.Body)
		tb.Fatalf("handshake: %s: %s", c.Response.Status, body)
	}
	return c
}

// Try connects to addr and returns whatever the answer is. The connection is closed when the test ends.
func Try(tb testing.TB, addr string, r Request) *Client {
	tb.Helper()
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	if r.TLS != nil {
		conn = tls.Client(conn, r.TLS)
	}
	if _, err := conn.Write(append(r.bytes(addr), r.Behind...)); err != nil {
		tb.Fatal(err)
	}
	c := &Client{tb: tb, conn: conn, br: bufio.NewReader(conn)}
	response, err := http.ReadResponse(c.br, nil)
	if err != nil {
		tb.Fatalf("no answer to the handshake: %v", err)
	}
	tb.Cleanup(func() { _ = response.Body.Close() })
	c.Response = response
	return c
}

func (r *Request) bytes(addr string) []byte {
	h := http.Header{
		"Host": {addr}, "Upgrade": {"websocket"}, "Connection": {"keep-alive, Upgrade"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for key, value := range map[string]string{
		"Sec-WebSocket-Protocol": r.Subprotocols, "Sec-WebSocket-Extensions": r.Extensions, "Origin": r.Origin,
	} {
		if value != "" {
			h.Set(key, value)
		}
	}
	for key, values := range r.Header {
		if h[key] = values; len(values) == 1 && values[0] == "" {
			delete(h, key)
		}
	}
	method, path := r.Method, r.Path
	if method == "" {
		method = http.MethodGet
	}
	if path == "" {
		path = "/v1/ws"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, path)
	_ = h.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// Conn is the socket below, or TLS.
func (c *Client) Conn() net.Conn { return c.conn }

// Body returns the text of an answer that is not an upgrade.
func (c *Client) Body() string {
	c.tb.Helper()
	body, err := io.ReadAll(c.Response.Body)
	if err != nil {
		c.tb.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// Write sends bytes as they are.
func (c *Client) Write(b []byte) {
	c.tb.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.tb.Fatalf("write: %v", err)
	}
}

// Text sends a whole text message.
func (c *Client) Text(payload string) { c.tb.Helper(); c.Write(Encode(0x81, []byte(payload))) }

// Binary sends a whole binary message.
func (c *Client) Binary(payload []byte) { c.tb.Helper(); c.Write(Encode(0x82, payload)) }

// Frame is a frame from the server.
type Frame struct {
	First   byte   // FIN, RSV1 to RSV3 and opcode
	Payload []byte // inflated if RSV1 is set
	Size    int    // of the payload on the wire
}

// Read returns the next frame.
func (c *Client) Read() Frame {
	c.tb.Helper()
	f, err := c.Next()
	if err != nil {
		c.tb.Fatalf("no frame: %v", err)
	}
	return f
}

// ReadClose reads up to the close frame and the end of the connection, hangs up, and returns what the close
// frame says; code 0: nothing.
func (c *Client) ReadClose() (code uint16, reason string) {
	c.tb.Helper()
	for {
		f := c.Read()
		if f.First != 0x88 {
			continue
		}
		if extra, err := c.Next(); err == nil {
			c.tb.Fatalf("frame %#x behind the close frame", extra.First)
		}
		_ = c.conn.Close()
		if len(f.Payload) < 2 {
			return 0, ""
		}
		return binary.BigEndian.Uint16(f.Payload), string(f.Payload[2:])
	}
}

// Next returns the next frame, or why there is none. A frame that no server may send fails the test.
func (c *Client) Next() (Frame, error) {
	c.tb.Helper()
	f, err := Decode(c.br)
	var malformed *MalformedError
	if errors.As(err, &malformed) {
		c.tb.Fatal(err)
	}
	return f, err
}

// MalformedError is a frame that no server may send.
type MalformedError struct{ Text string }

func (e *MalformedError) Error() string { return "malformed frame from the server: " + e.Text }

// Decode reads one frame of a server, which sends no fragments.
func Decode(br *bufio.Reader) (Frame, error) {
	var head [10]byte
	if _, err := io.ReadFull(br, head[:2]); err != nil {
		return Frame{}, err
	}
	size := uint64(head[1])
	switch {
	case head[0]&0x80 == 0 || head[0]&0x30 != 0 || head[1]&0x80 != 0:
		return Frame{}, &MalformedError{fmt.Sprintf("header % x", head[:2])}
	case size == 126:
		if _, err := io.ReadFull(br, head[2:4]); err != nil {
			return Frame{}, err
		}
		if size = uint64(binary.BigEndian.Uint16(head[2:])); size < 126 {
			return Frame{}, &MalformedError{fmt.Sprintf("size %d in two bytes", size)}
		}
	case size == 127:
		if _, err := io.ReadFull(br, head[2:10]); err != nil {
			return Frame{}, err
		}
		if size = binary.BigEndian.Uint64(head[2:]); size < 1<<16 || size > 64<<20 {
			return Frame{}, &MalformedError{fmt.Sprintf("size %d in eight bytes", size)}
		}
	}
	f := Frame{First: head[0], Payload: make([]byte, size), Size: int(size)}
	if _, err := io.ReadFull(br, f.Payload); err != nil {
		return Frame{}, err
	}
	if f.First&0x40 != 0 {
		plain, err := Inflate(f.Payload)
		if err != nil {
			return Frame{}, &MalformedError{err.Error()}
		}
		f.Payload = plain
	}
	return f, nil
}

// Encode returns a masked frame with the given first byte.
func Encode(first byte, payload []byte) []byte {
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i, p := range payload {
		b = append(b, p^mask[i%4])
	}
	return b
}

// EncodeClose returns a masked close frame.
func EncodeClose(code uint16, reason string) []byte {
	return Encode(0x88, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

// tail ends a flush of deflate; RFC 7692 leaves it out on the wire.
const tail = "\x00\x00\xff\xff"

// Deflate compresses a message as a client would.
func Deflate(payload []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // only for a level that does not exist
	}
	_, _ = w.Write(payload) // a buffer takes everything
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte(tail))
}

// Inflate reverses Deflate.
func Inflate(payload []byte) ([]byte, error) {
	const final = "\x01\x00\x00\xff\xff"
	return io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(tail+final))))
}
