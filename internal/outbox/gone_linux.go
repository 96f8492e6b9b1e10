package outbox

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Gone reports whether the peer has acknowledged nothing for so long, although something was sent to it again and again: its
// machine is off, or the way to it broken. A peer that reads slowly, or not at all, acknowledges what comes and answers the probes
// of its shut window, so that it is never gone; TCP_USER_TIMEOUT cannot tell the two apart (see tune).
//
// It asks the kernel, which takes about a microsecond and allocates nothing.
func (c *Conn) Gone(silent time.Duration) bool {
	// Fewer retransmissions than this are a hiccup: with the shortest timeout they take three seconds.
	const retransmissions = 4
	var info unix.TCPInfo
	return c.ask(&info) && info.Unacked > 0 && info.Retransmits >= retransmissions &&
		time.Duration(info.Last_ack_recv)*time.Millisecond >= silent
}

// Silent is for how long nothing was sent to the peer, in milliseconds as the kernel counts; 0: not known.
func (c *Conn) Silent() time.Duration {
	var info unix.TCPInfo
	if !c.ask(&info) {
		return 0
	}
	return time.Duration(info.Last_data_sent) * time.Millisecond
}

// ask fills info up to Last_ack_recv.
func (c *Conn) ask(info *unix.TCPInfo) bool {
	c.mu.Lock()
	defer c.unlock()
	if c.raw == nil || c.ended {
		return false
	}
	size := uint32(unsafe.Offsetof(info.Last_ack_recv) + unsafe.Sizeof(info.Last_ack_recv)) // the rest need not be copied
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, c.fd, unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0
}
