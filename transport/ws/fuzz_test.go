package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// FuzzClient sends any bytes through the whole stack. Whatever they are, the connection comes to its end, and
// all that it sends are whole frames with at most one close frame, which is the last.
func FuzzClient(f *testing.F) {
	f.Add(join(wstest.Encode(0x81, []byte("hello")), wstest.Encode(0x89, []byte("p")), wstest.EncodeClose(1000, "bye")), false)
	f.Add([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, false)
	f.Add(join(wstest.Encode(0x41, wstest.Deflate(make([]byte, 1<<20))[:100]), wstest.Encode(0x80, nil)), true)
	f.Add(wstest.Encode(0xc1, wstest.Deflate(make([]byte, 1<<20))), true)
	f.Add(join(wstest.Encode(0x81, []byte("close")), wstest.Encode(0x81, []byte("x"))), true)
	f.Add(wstest.Encode(0x88, []byte{3}), true)
	drops := new(drop.Counters)
	srv, err := New(Options{Drops: drops, NewHandler: func(c *Conn, f fanout.Framing) conns.Handler { return calm{newEcho(c, f)} }})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { srv.Shutdown(f.Context()) })
	f.Fuzz(func(t *testing.T, in []byte, deflate bool) {
		nc := &script{in: in, shut: make(chan struct{})}
		h := &handshake{key: "dGhlIHNhbXBsZSBub25jZQ==", encoding: fanout.JSON}
		if deflate {
			h.deflate = deflateName
		}
		serveScript(t, srv, nc, h)
		checkOutput(t, nc.written())
		if drops.Count(drop.HandlerPanic) != 0 {
			t.Fatal("the connection's goroutine panicked")
		}
	})
}

// serveScript runs a connection from its handshake to its end.
func serveScript(t *testing.T, srv *Server, nc *script, h *handshake) {
	t.Helper()
	entry, refused := srv.opt.Gate.Enter(&http.Request{URL: new(url.URL)}, "")
	if refused != nil {
		t.Fatal(refused.Text)
	}
	c := &Conn{srv: srv, entry: entry}
	c.lay(nc, h, nil)
	if !srv.add(c) {
		t.Fatal("no room for one connection")
	}
	c.run(h)
	srv.conns.Ended()
}

// checkOutput reads the answer to a handshake and whole frames; the last one may be cut off.
func checkOutput(t *testing.T, out []byte) {
	br := bufio.NewReader(bytes.NewReader(out))
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = br.ReadString('\n'); err != nil {
			return
		}
	}
	for closed := false; ; {
		f, err := wstest.Decode(br)
		var malformed *wstest.MalformedError
		if errors.As(err, &malformed) {
			t.Error(err)
		}
		if err != nil {
			return
		}
		if closed {
			t.Errorf("frame %#x behind the close frame", f.First)
		}
		closed = f.First == frameClose
	}
}

// script is a client that sends bytes and goes: at once when the server still wants more of them, else when
// the server has shut its direction down.
type script struct {
	net.Conn // what is not implemented is not called
	in       []byte
	err      error // what Read returns behind in; nil: the end

	mu      sync.Mutex
	out     []byte
	waiting bool // a deadline was set: the server waits for us to go
	shut    chan struct{}
	once    sync.Once
}

func (s *script) Read(b []byte) (int, error) {
	n := copy(b, s.in)
	if s.in = s.in[n:]; n > 0 {
		return n, nil
	}
	s.mu.Lock()
	waiting := s.waiting
	s.mu.Unlock()
	if waiting {
		<-s.shut
	}
	if s.err != nil {
		return 0, s.err
	}
	return 0, io.EOF
}

func (s *script) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, b...)
	return len(b), nil
}

func (s *script) SetReadDeadline(time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = true
	return nil
}

func (s *script) written() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out
}

func (s *script) CloseWrite() error                { s.once.Do(func() { close(s.shut) }); return nil }
func (s *script) Close() error                     { return s.CloseWrite() }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// calm is an echo that does not panic when it is told to.
type calm struct{ *echo }

func (c calm) Receive(payload []byte) {
	if string(payload) != "panic" {
		c.echo.Receive(payload)
	}
}
