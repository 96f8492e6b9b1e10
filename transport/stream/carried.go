package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/internal/outlet"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Pipe is a stream in both directions, of another protocol than HTTP.
type Pipe interface {
	// Read reads what the client says. An *EndedError says how the client ended it, io.EOF that it says no more.
	io.Reader
	outlet.Stream
	SetReadDeadline(t time.Time) error
	// CloseWrite tells the client that nothing follows.
	CloseWrite() error
}

// EndedError is why there is no more to read.
type EndedError struct{ Code uint16 } // the close code that it counts as

func (e *EndedError) Error() string {
	return fmt.Sprintf("the client ended the connection: %d", e.Code)
}

// Carry serves a client that was let in over p, in protobuf: in both directions each message stands behind its length, as in the
// body of a request. It returns when the connection has ended and p is not touched any more, with the close code and the reason, if
// it was us. The client has been sent them as its last message.
func (s *Server) Carry(entry *gate.Entry, remote string, p Pipe) (code uint16, reason string) {
	c := &Conn{
		srv: s, way: WebTransport, entry: entry, remote: remote, http: "3", framing: delimited, born: time.Now(),
		pipe: p, from: bufio.NewReaderSize(p, 512), written: make(chan struct{}), ended: make(chan struct{}),
	}
	c.out = outlet.New(&s.outlets[WebTransport], c.wake)
	if !s.add(c) {
		entry.Leave()
		return conns.CodeGoingAway, "the server stops"
	}
	go func() {
		defer s.conns.Ended()
		c.run()
	}()
	err := c.out.Run(p)
	if err == nil {
		_ = p.CloseWrite() // the client may be gone already
	}
	close(c.written)
	switch {
	case errors.Is(err, outgoing.ErrWriteTimeout):
		c.lost(conns.CodeNoProgress)
	case err != nil:
		c.lost(conns.CodeAbnormal) // unless it is known better
	}
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending.Code(), c.reason
}

// next waits for the next message of the client. It returns false when no more will come.
func (c *Conn) next() (message []byte, ok bool) {
	if c.pipe == nil {
		return c.intake.next()
	}
	message, err := c.read()
	var ended *EndedError
	switch {
	case err == nil:
		return message, true
	case errors.Is(err, errTooBig):
		c.Close(conns.CodeTooBig, fmt.Sprintf("a message has at most %d bytes", c.entry.MaxMessage()))
		_, _ = io.Copy(io.Discard, c.pipe) // until the client goes, or the deadline that closing set
	case c.ending.Code() != 0: // we closed, and it went
	case errors.Is(err, io.EOF):
		c.lost(conns.CodeNormal)
	case errors.As(err, &ended):
		c.lost(ended.Code)
	default:
		c.lost(conns.CodeAbnormal)
	}
	return nil, false
}

var errTooBig = errors.New("stream: message too big")

// read reads a message from the pipe.
func (c *Conn) read() ([]byte, error) {
	size, err := binary.ReadUvarint(c.from)
	switch {
	case err != nil:
		return nil, err
	case size > uint64(c.entry.MaxMessage()):
		return nil, errTooBig
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(c.from, message); err != nil {
		if errors.Is(err, io.EOF) { // between a length and its message nobody is done
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return message, nil
}

// deafen has next return after a while at the latest.
func (c *Conn) deafen(after time.Duration) {
	if c.pipe == nil {
		c.intake.close()
		return
	}
	_ = c.pipe.SetReadDeadline(time.Now().Add(after)) // fails only when there is nothing to read any more
}
