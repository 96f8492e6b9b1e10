package ws

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// peek tells whether a read of the socket would return at once: with bytes, the end or an error. It is called again when
// the poller says so.
func (c *Conn) peek(fd uintptr) (ready bool) {
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&c.first)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return errno != unix.EAGAIN
		}
	}
}

// peeks tells that there is a peek.
const peeks = true
