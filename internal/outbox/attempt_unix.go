//go:build unix

package outbox

import (
	"errors"
	"io"
	"syscall"
)

// directWrites tells that sockets can be written without a goroutine.
const directWrites = true

// attempt writes to a non-blocking socket once. It returns 0 when the socket takes nothing at the moment.
func attempt(fd uintptr, b []byte) (int, error) {
	for {
		n, err := writeSocket(fd, b)
		switch {
		case n > 0:
			return n, nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return 0, nil
		case err == nil:
			return 0, io.ErrUnexpectedEOF // a socket that takes nothing and gives no reason
		default:
			return 0, err
		}
	}
}
