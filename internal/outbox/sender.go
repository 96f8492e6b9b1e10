package outbox

import (
	"io"
	"sync"
)

// Sender gives the never-blocking Send of an outbox through a writer that lies above it, as TLS does:
// the writer's own bytes (records) end up in the outbox's Write.
type Sender struct {
	w   io.Writer
	out *Conn
	mu  sync.Mutex // at w; the writer's own locks would have Send wait
}

// NewSender returns a Sender that writes to w. w must write to out and nowhere else, and must not keep
// anything back; crypto/tls does so once its handshake is over.
func NewSender(w io.Writer, out *Conn) *Sender { return &Sender{w: w, out: out} }

// Send is Conn.Send for what lies above: it takes one frame, or nothing while anything is pending. One
// goroutine may call it at a time.
func (s *Sender) Send(frame []byte) bool {
	if s.out.Blocked() {
		return false
	}
	if !s.mu.TryLock() {
		s.out.missed.Store(true)
		if !s.mu.TryLock() { // which it may be by now, see Conn.lockAtOnce
			return false
		}
	}
	defer s.unlock()
	s.out.expect(len(frame))
	if _, err := s.w.Write(frame); err != nil {
		return false
	}
	s.out.Count(len(frame))
	return true
}

func (s *Sender) unlock() {
	s.mu.Unlock()
	s.out.retell()
}

// Ready is Conn.Ready.
func (s *Sender) Ready() bool { return s.out.Ready() }

// Write is Conn.Write.
func (s *Sender) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.unlock()
	return s.w.Write(b)
}

// Finish is Conn.Finish; a writer with CloseWrite (TLS) says its farewell behind the last frame. After an
// overflow TLS cannot take a last frame any more, since a record is missing: Finish then only shuts down.
func (s *Sender) Finish(last []byte) bool {
	s.mu.Lock()
	defer s.unlock()
	s.out.expect(len(last))
	_, err := s.w.Write(last)
	if half, ok := s.w.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite() // without it the peer sees the end of the socket all the same
	}
	return s.out.Finish(nil) && err == nil
}

// expect tells that a frame of n bytes comes in through Write, in records, and does not count as queued
// answers. An eighth and a bit covers what TLS adds, even to its small first records.
func (c *Conn) expect(n int) {
	c.mu.Lock()
	defer c.unlock()
	if len(c.kept)-c.head == 0 {
		c.spare = 0
	}
	c.spare += n + n/8 + 512
}
