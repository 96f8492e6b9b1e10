package ws

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	_ "github.com/feedd/feedd/internal/extendedconnect" // else HTTP/2 has no WebSockets
	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/internal/outlet"
	"github.com/feedd/feedd/transport/carrier"
)

// stream is a WebSocket on a stream of HTTP/2, as a net.Conn: the request's body is what comes, the response's what goes.
// Write waits for the client's flow control, so an outlet lies on top, which alone calls it.
type stream struct {
	body    io.ReadCloser
	w       http.ResponseWriter
	control *http.ResponseController // not to be asked for anything once the handler has returned; closed is set ahead of that
	carrier *carrier.Conn            // nil: not known
	out     *outlet.Conn
	written chan struct{} // closed once nothing more will be written

	mu      sync.Mutex
	writing bool
	late    bool        // the write that is under way has taken too long
	closed  bool        // or about to be
	due     *time.Timer // cuts off the write that is under way
	sever   *time.Timer // ends the carrier
}

// severAfter is what a stream that ends gives the connection below to let go of its last write. Beyond that the connection
// takes nothing for anybody.
const severAfter = time.Second

// serveStream takes the stream of a request over HTTP/2 for c, and returns when the WebSocket has ended, which ends the
// stream. This goroutine writes; one more reads.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request, c *Conn, h *handshake) {
	st := &stream{
		body: r.Body, w: w, control: http.NewResponseController(w), carrier: carrier.Of(r), written: make(chan struct{}),
	}
	st.carrier.Tune(s.opt.Log)
	h.tell(w.Header())
	w.WriteHeader(http.StatusOK)
	if st.control.Flush() != nil { // the client has gone
		c.entry.Leave()
		return
	}
	c.lay(st, h, nil)
	if !s.add(c) {
		return
	}
	defer s.conns.Ended()
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.run(h)
	}()
	why := st.out.Run(st)
	close(st.written)
	if why != nil {
		_ = st.Close() // so that nothing waits for more from the client
	}
	<-read
}

// Read reads what the client sends.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.body.Read(b)
	if err != nil && s.wasLate() {
		<-s.written // so that the outlet knows why it ends before anybody asks
	}
	return n, err
}

func (s *stream) wasLate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late
}

// Write sends b and waits until it is out. What is late or closed is cut off, and the stream ends.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, net.ErrClosed
	}
	s.writing = true
	s.mu.Unlock()
	n, err := s.w.Write(b)
	if err == nil {
		err = s.control.Flush()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if s.sever != nil {
		s.sever.Stop()
	}
	switch {
	case err == nil:
		return n, nil
	case s.late:
		return 0, os.ErrDeadlineExceeded
	}
	return 0, err
}

// SetWriteDeadline bounds the write that is under way, or the next one. (A deadline of HTTP/2's own would be a message to
// the connection's goroutine for each frame.)
func (s *stream) SetWriteDeadline(at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case s.due == nil:
		s.due = time.AfterFunc(time.Until(at), s.expire)
	default:
		s.due.Reset(time.Until(at))
	}
	return nil
}

// expire ends a write that takes too long.
func (s *stream) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing && !s.closed {
		s.late = true
		s.abort()
	}
}

// abort resets the stream, which ends the write that is under way. mu is held.
func (s *stream) abort() {
	if s.sever == nil && s.carrier != nil {
		s.sever = time.AfterFunc(severAfter, s.carrier.Close)
	}
	_ = s.control.SetWriteDeadline(time.Unix(1, 0)) // one that has passed resets at once
}

// SetReadDeadline implements net.Conn. One that has passed cannot be taken back.
func (s *stream) SetReadDeadline(at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	return s.control.SetReadDeadline(at)
}

// SetDeadline implements net.Conn.
func (s *stream) SetDeadline(at time.Time) error {
	return errors.Join(s.SetReadDeadline(at), s.SetWriteDeadline(at))
}

// await waits until everything is written, but not for longer than given.
func (s *stream) await(most time.Duration) {
	timeout := time.NewTimer(most)
	defer timeout.Stop()
	select {
	case <-s.written:
	case <-timeout.C:
	}
}

// Close ends reading and writing at once. The client sees the end of the stream when the handler returns.
func (s *stream) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	if s.due != nil {
		s.due.Stop()
	}
	if s.writing {
		s.abort()
	}
	s.mu.Unlock()
	return s.body.Close()
}

// LocalAddr implements net.Conn. A stream has no address of its own.
func (*stream) LocalAddr() net.Addr { return streamAddr{} }

// RemoteAddr implements net.Conn. Where the client is the request tells.
func (*stream) RemoteAddr() net.Addr { return streamAddr{} }

type streamAddr struct{}

func (streamAddr) Network() string { return "http2" }
func (streamAddr) String() string  { return "" }

// waiting is the outlet of a stream as an out.
type waiting struct{ *stream }

func (o waiting) Blocked() bool         { return o.out.Blocked() }
func (o waiting) Pending() int          { return o.out.Pending() }
func (o waiting) Cause() error          { return o.out.Cause() }
func (o waiting) Drained() bool         { return o.out.Drained() }
func (o waiting) Sent() outgoing.Sent   { return o.out.Sent() }
func (o waiting) Silent() time.Duration { return o.out.Silent() }

// Close ends the stream with what waits for it.
func (o waiting) Close() error {
	o.out.Close()
	return o.stream.Close()
}
