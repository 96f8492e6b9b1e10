package outbox

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
)

// slice is how much a connection that is no socket is given at a time: its writes tell nothing before they
// are done, so progress shows only between them.
const slice = 4 << 10

// startDrain begins the goroutine that brings out what is pending. It ends when nothing is left, when
// the peer takes nothing for the write timeout, or with Close, which waits for it. mu is held.
func (c *Conn) startDrain() {
	c.draining = true
	c.drains.Add(1)
	go func() {
		defer c.drains.Done()
		c.drain()
	}()
}

func (c *Conn) drain() {
	for {
		chunk, more := c.next()
		if !more {
			return
		}
		n, err := c.push(chunk)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && n > 0:
			err = nil
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT): // ours, or the kernel's
			err = outgoing.ErrWriteTimeout
		}
		if !c.advance(n, err) {
			sever(c.Conn)
			return
		}
	}
}

// next returns what is pending. With nothing left it ends the draining: the goroutine stops, and further
// writes go straight to the kernel again.
func (c *Conn) next() (chunk []byte, more bool) {
	c.mu.Lock()
	if chunk = c.kept[c.head:]; len(chunk) > 0 {
		c.unlock()
		return chunk, true
	}
	finished, open := c.finished, c.cause == nil
	c.release()
	c.draining = false
	c.blocked.Store(finished || !open)
	_ = c.Conn.SetWriteDeadline(time.Time{}) // or it would fail the next direct write once it has passed
	c.unlock()
	switch {
	case finished:
		c.shutdown()
	case open:
		c.drained()
	}
	return nil, false
}

// push brings out some of chunk, and waits for the peer as long as the write timeout.
func (c *Conn) push(chunk []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.opt.Timeout())) // fails only on a closed connection
	if c.raw == nil {
		return c.Conn.Write(chunk[:min(len(chunk), slice)])
	}
	var n int
	var err error
	waited := c.raw.Write(func(fd uintptr) (done bool) {
		n, err = attempt(fd, chunk)
		return n > 0 || err != nil // else to be called again when the socket is writable
	})
	return n, errors.Join(err, waited)
}

// advance notes that n bytes are out, or why no more will be. It returns false when the connection has ended.
func (c *Conn) advance(n int, err error) bool {
	c.mu.Lock()
	defer c.unlock()
	switch {
	case c.ended:
	case err == nil:
		c.head += n
		return true
	default:
		if errors.Is(err, outgoing.ErrWriteTimeout) && c.cause == nil {
			c.opt.Dropped(drop.WriteTimeout)
		}
		c.fail(err)
	}
	c.draining = false
	return false
}

// shutdown closes the sending direction, where the connection has one.
func (c *Conn) shutdown() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the peer may be gone already
	}
}
