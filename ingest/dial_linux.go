package ingest

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// dialer connects to NATS so that reading does not tell Go's scheduler of its system calls.
type dialer struct{ net.Dialer }

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	nc, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc, nil // it reads as others do
	}
	s := &socket{TCPConn: tcp, raw: raw}
	s.attempt = s.receive
	return s, nil
}

// socket is a TCP connection that is read without telling the scheduler. A system call that it knows of wakes the runtime's
// monitor, which then looks around every 20 µs for as long as anything runs. With 2,000 messages a second that was a sixth of
// all processor time of a node with 5,000 sessions. The read never waits; the poller does.
//
// One goroutine may read at a time.
type socket struct {
	*net.TCPConn
	raw     syscall.RawConn
	attempt func(fd uintptr) (done bool) // receive, bound once, since binding allocates

	// Of the read under way.
	into []byte
	n    int
	err  error
}

// Read reads up to len(b) bytes.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.into = b
	err := s.raw.Read(s.attempt)
	s.into = nil
	switch {
	case err != nil: // closed, or the deadline has passed
		return 0, err
	case s.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("recvfrom", s.err)}
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

func (s *socket) receive(fd uintptr) (done bool) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.into))), uintptr(len(s.into)), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == 0:
			s.n, s.err = int(n), nil
			return true
		case errors.Is(errno, unix.EAGAIN):
			return false
		case !errors.Is(errno, unix.EINTR):
			s.n, s.err = 0, errno
			return true
		}
	}
}

// dialled is how connections to NATS are made here.
func dialled() nats.Option {
	return nats.SetCustomDialer(&dialer{net.Dialer{Timeout: nats.DefaultTimeout}})
}
