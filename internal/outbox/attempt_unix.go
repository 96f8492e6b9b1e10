//go:build unix

package outbox

import (
	"errors"
	"io"
	"syscall"
)

// directWrites tells that sockets can be written without a goroutine.
const directWrites = true

// attempt is called with a non-blocking socket. It writes once, and returns false to be called again when
// the socket is writable.
func (c *Conn) attempt(fd uintptr) bool {
	for {
		n, err := writeSocket(fd, c.chunk)
		switch {
		case n > 0:
			c.taken = n
			return true
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return !c.wait
		case err == nil:
			c.err = io.ErrUnexpectedEOF // a socket that takes nothing and gives no reason
			return true
		default:
			c.err = err
			return true
		}
	}
}
