package ingest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// dialer connects to NATS so that reading does not tell Go's scheduler of its system calls, and so that what was read can be taken in
// by the goroutine that reads.
type dialer struct {
	net.Dialer
	handed atomic.Pointer[func()] // see handedOn; nil: nobody asked
}

// handedOn has f called by the goroutine that reads nc, each time that all it had read is with the subscriptions, until end is called.
// f holds up all that comes, and must use nothing of nc, whose lock is held while it connects. It reports false where nc is not
// one of Connect, or somebody else has asked.
func handedOn(nc *nats.Conn, f func()) (end func(), ok bool) {
	d, ok := nc.Opts.CustomDialer.(*dialer)
	if !ok || !d.handed.CompareAndSwap(nil, &f) {
		return nil, false
	}
	return func() { d.handed.Store(nil) }, true
}

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
	s := &socket{TCPConn: tcp, raw: raw, dialer: d, rested: time.Now()}
	s.attempt = s.receive
	if _, err := s.look(); err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return s, nil
}

// socket is a TCP connection that is read without telling the scheduler. A system call that it knows of wakes the runtime's
// monitor, which then looks around every 20 µs for as long as anything runs. With 2,000 messages a second that was a sixth of
// all processor time of a node with 5,000 sessions. The read never waits; the poller does.
//
// The poller tells of sockets in the order in which something came to them, a hundred at a time: when ten thousand clients hang up
// or come at once, ticks would wait behind all of them, for half a second on one core. So the read looks for itself when it was told
// nothing for a while, which costs nothing that can be measured; its deadline goes ahead of whatever is ready to run.
//
// One goroutine may read at a time.
type socket struct {
	*net.TCPConn
	raw     syscall.RawConn
	attempt func(fd uintptr) (done bool) // receive, bound once, since binding allocates
	dialer  *dialer

	mu       sync.Mutex
	deadline time.Time // that somebody asked for; zero: none

	// Of the goroutine that reads.
	into   []byte
	n      int
	err    error
	waited bool      // the read under way had to wait
	rested time.Time // when the goroutine last waited
}

// Read reads up to len(b) bytes.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if handed := s.dialer.handed.Load(); handed != nil {
		s.rest()
		(*handed)()
	}
	s.into = b
	err := s.raw.Read(s.attempt)
	for errors.Is(err, os.ErrDeadlineExceeded) {
		if late, failed := s.look(); late || failed != nil {
			break
		}
		err = s.raw.Read(s.attempt)
	}
	s.into = nil
	if s.waited {
		s.waited, s.rested = false, time.Now()
	}
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

// Whoever runs for 10 ms loses its processor to all that are ready to run: thousands, while they connect. Whoever takes in what
// was read may have what others wait for, so it rests ahead of that, as flush workers do.
const (
	restAfter = 4 * time.Millisecond
	restFor   = 20 * time.Microsecond
)

func (s *socket) rest() {
	if time.Since(s.rested) >= restAfter {
		time.Sleep(restFor)
		s.rested = time.Now()
	}
}

// lookEvery is how long the poller is waited for.
const lookEvery = 25 * time.Millisecond

// look has the next read wait for the poller no longer than that. late: the deadline that somebody asked for has passed.
func (s *socket) look() (late bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := time.Now().Add(lookEvery)
	if !s.deadline.IsZero() && s.deadline.Before(next) {
		late, next = !time.Now().Before(s.deadline), s.deadline
	}
	if late {
		return true, nil
	}
	return false, s.TCPConn.SetReadDeadline(next)
}

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	s.deadline = t
	s.mu.Unlock()
	if !t.IsZero() && !t.After(time.Now()) {
		return s.TCPConn.SetReadDeadline(t)
	}
	_, err := s.look()
	return err
}

// SetDeadline implements net.Conn.
func (s *socket) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *socket) receive(fd uintptr) (done bool) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.into))), uintptr(len(s.into)), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == 0:
			s.n, s.err = int(n), nil
			return true
		case errors.Is(errno, unix.EAGAIN):
			s.waited = true
			return false
		case !errors.Is(errno, unix.EINTR):
			s.n, s.err = 0, errno
			return true
		}
	}
}

// dialled is how connections to NATS are made here.
func dialled() nats.Option {
	return nats.SetCustomDialer(&dialer{Dialer: net.Dialer{Timeout: nats.DefaultTimeout}})
}
