package floor

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/feedd/feedd/benchmarks/frame"
)

// Server accepts connections and, while a plan is running, writes to them.
type Server struct {
	address  netip.AddrPort
	listener int
	accept   sync.WaitGroup

	mu      sync.Mutex // guards sockets
	more    sync.Cond  // there is one more
	sockets []int

	// A running plan; both belong to the caller of Run and Pause.
	halt chan struct{}
	done chan struct{}

	// Added to by the writing thread.
	frames  atomic.Int64
	refused atomic.Int64
}

// Count is what was written since the start.
type Count struct {
	Frames int64 `json:"frames"`
	// Refused writes: the kernel did not take the frame, or not whole.
	Refused int64 `json:"refused"`
}

const backlog = 4096

// notSentLowAt is feedd's bound on what the kernel queues for a socket.
const notSentLowAt = 4 << 10

// Listen starts to accept connections on a free port of 127.0.0.1. Close ends it. Run, Pause and Close
// belong to one goroutine.
func Listen() (*Server, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{listener: fd}
	s.more.L = &s.mu
	if err := s.bind(); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.accept.Go(s.acceptAll)
	return s, nil
}

func (s *Server) bind() error {
	if err := unix.Bind(s.listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(s.listener, backlog); err != nil {
		return err
	}
	name, err := unix.Getsockname(s.listener)
	if err != nil {
		return err
	}
	at := name.(*unix.SockaddrInet4)
	s.address = netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	return nil
}

// Address is where the server listens.
func (s *Server) Address() netip.AddrPort { return s.address }

// acceptAll runs from Listen until Close shuts the listener down.
func (s *Server) acceptAll() {
	for {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ECONNABORTED) {
			continue
		}
		if err != nil {
			return
		}
		// An option that fails would show in the figures of a kernel that does not know it, no worse.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowAt)
		s.mu.Lock()
		s.sockets = append(s.sockets, fd)
		s.mu.Unlock()
		s.more.Signal()
	}
}

// Run waits for as many clients as the plan names, and writes to them by plan until Pause.
func (s *Server) Run(p Plan) error {
	if err := p.validate(); err != nil {
		return err
	}
	if s.halt != nil {
		return errors.New("already running")
	}
	s.mu.Lock()
	for len(s.sockets) < p.Sockets {
		s.more.Wait()
	}
	sockets := append([]int(nil), s.sockets[:p.Sockets]...)
	s.mu.Unlock()
	s.halt, s.done = make(chan struct{}), make(chan struct{})
	go s.write(p, sockets, s.halt, s.done)
	return nil
}

// Pause stops writing.
func (s *Server) Pause() {
	if s.halt != nil {
		close(s.halt)
		<-s.done
		s.halt, s.done = nil, nil
	}
}

// Count returns what was written so far.
func (s *Server) Count() Count {
	return Count{Frames: s.frames.Load(), Refused: s.refused.Load()}
}

// Close ends everything.
func (s *Server) Close() {
	s.Pause()
	_ = unix.Shutdown(s.listener, unix.SHUT_RD) // wakes accept
	s.accept.Wait()
	_ = unix.Close(s.listener)
	for _, fd := range s.sockets {
		_ = unix.Close(fd)
	}
}

// write is the goroutine of a running plan, started by Run, ended by Pause. It never catches up on an
// interval that it missed: the pace is kept as a server would that has newer state to send.
func (s *Server) write(p Plan, sockets []int, halt <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	zero := zeros(p.FrameBytes)
	turns := p.turns()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for begin := time.Now(); ; begin = begin.Add(p.Interval) {
		if time.Since(begin) > p.Interval {
			begin = time.Now()
		}
		for _, t := range turns {
			timer.Reset(time.Until(begin.Add(t.at)))
			select {
			case <-halt:
				return
			case <-timer.C:
			}
			s.turn(sockets[t.from:t.to], zero)
		}
		timer.Reset(time.Until(begin.Add(p.Interval)))
		select {
		case <-halt:
			return
		case <-timer.C:
		}
	}
}

func (s *Server) turn(sockets []int, b []byte) {
	written := 0
	for _, fd := range sockets {
		// Raw: the write cannot block, so the Go scheduler need not be told of it.
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno == 0 && int(n) == len(b) {
			written++
		}
	}
	s.frames.Add(int64(written))
	s.refused.Add(int64(len(sockets) - written))
}

// zeros builds a frame of zeros of so many bytes, header included.
func zeros(size int) []byte {
	// Lengths of 126 and 65536 bytes lengthen the header: no payload gives exactly 128, 129 bytes and so
	// on, so the payload is the largest that fits.
	for payload := size - 2; ; payload-- {
		b := frame.AppendHeader(make([]byte, 0, size), payload)
		if len(b)+payload <= size {
			return b[:len(b)+payload]
		}
	}
}
