package outlet

import (
	"errors"
	"net"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
)

// piece is how much a stream is given at a time: its writes tell nothing before they are done, so progress shows only
// between them.
const piece = 8 << 10

// Run brings out what is taken, until it is over, and returns why: nil when all is out after Finish, else Cause. When it
// returns, s is not touched any more. It may be called once.
func (c *Conn) Run(s Stream) error {
	behind, _ := s.(Trailer)
	if c.begin(s) {
		c.drained()
	}
	for {
		batch, over := c.next()
		if over {
			break
		}
		if batch == nil {
			<-c.work
			continue
		}
		err := c.push(s, *batch)
		if behind != nil && err == nil {
			err = c.push(s, behind.Behind(*batch))
		}
		if c.brought(batch, err) {
			c.drained()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = nil
	if c.cut {
		return c.cause
	}
	c.cut = true
	return nil
}

// begin notes what Run writes to. It reports whether there is room where there was none.
func (c *Conn) begin(s Stream) (room bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = s
	return c.release()
}

// next hands over what waits. nil: nothing does; over: nothing will.
func (c *Conn) next() (batch *[]byte, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, c.kept = c.kept, nil
	c.leaving, c.waiting = c.waiting, amount{}
	return batch, c.cut || batch == nil && c.finished
}

// push writes a batch. Each piece has the whole write timeout.
func (c *Conn) push(s Stream, b []byte) error {
	for len(b) > 0 {
		deadline, ok := c.extend(s)
		if !ok {
			return net.ErrClosed
		}
		n, err := s.Write(b[:min(len(b), piece)])
		switch {
		case err != nil && !time.Now().Before(deadline): // HTTP/2 says only that the stream is closed
			return outgoing.ErrWriteTimeout
		case err != nil:
			return err
		}
		b = b[n:]
	}
	return nil
}

// extend sets the deadline of the next write, unless the connection was cut off, whose deadline must stay.
func (c *Conn) extend(s Stream) (deadline time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return time.Time{}, false
	}
	c.wrote = time.Now()
	deadline = c.wrote.Add(c.opt.Timeout())
	_ = s.SetWriteDeadline(deadline) // the write tells what is wrong with the stream
	return deadline, true
}

// brought notes that a batch is out, or why it is not. It reports whether there is room where there was none.
func (c *Conn) brought(batch *[]byte, err error) (room bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	recycle(batch)
	switch {
	case errors.Is(err, outgoing.ErrWriteTimeout):
		// Somebody may have noticed first that the stream is over, as net/http does when a write fails, and called Close for it.
		if c.cause == nil || errors.Is(c.cause, net.ErrClosed) {
			c.opt.Dropped(drop.WriteTimeout)
			c.cause = outgoing.ErrWriteTimeout
		}
		c.sever(outgoing.ErrWriteTimeout)
	case c.cut: // whatever the stream says of that
	case err == nil:
		c.leaving = amount{}
		return c.pending() < c.room() && c.makeRoom() && c.open()
	default:
		c.sever(err)
	}
	return false
}
