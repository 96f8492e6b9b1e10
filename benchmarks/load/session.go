package load

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/feedd/feedd/benchmarks/frame"
	"github.com/feedd/feedd/internal/client/arrival"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

type state uint8

const (
	stateNew        state = iota
	stateConnecting       // until TCP is up
	stateSecuring         // until the handshake of TLS is done
	stateUpgrading        // until the server's 101
	stateJoining          // until everything asked for has come
	stateLive
	stateClosed
)

// session is one client. What it holds besides numbers is released once it is live, probes excepted.
type session struct {
	fd     int
	group  *group
	state  state
	still  bool   // not read until it is told to
	cuts   uint8  // seen since it was live, up to beatAfter
	count  uint32 // data frames in this window
	reader frame.Reader

	tls    *tls.Conn // nil: none
	socket *socket   // under it

	follow  follower // nil: what comes is counted and not read
	granted bool     // a grant is awaited
	stamped bool     // the kernel tells when its frames arrive
	whole   message  // what is put together, as long as somebody reads it
	notice  []byte   // of a control frame that is not whole yet

	begun, live int64 // when, in microseconds since the Unix epoch
}

// The events that epoll waits for carry the number of the session in place of a descriptor.
func (l *Loop) watch(op int, i int, events uint32) error {
	return unix.EpollCtl(l.epoll, op, l.sessions[i].fd, &unix.EpollEvent{Events: events, Fd: int32(i)})
}

// open begins as many sessions as may connect at once.
func (l *Loop) open() {
	for l.opened < len(l.sessions) && l.connecting < l.inFlight {
		i := l.opened
		l.opened++
		l.joining++
		l.connecting++
		if err := l.dial(i); err != nil {
			l.outcome(fmt.Errorf("session %d: %w", i, err))
			return
		}
	}
}

// smallBuffer is what the kernel is asked for; it takes twice that, and counts its own part of each packet.
const smallBuffer = 4 << 10

func (l *Loop) dial(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s := &l.sessions[i]
	s.fd, s.state, s.begun = fd, stateConnecting, time.Now().UnixMicro()
	// The kernel picks the port when it knows both ends, so that ports are used once per pair of
	// addresses and not once per source.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if s.stamped = s.group.Stamped && i-s.group.first < s.group.Probes; s.stamped {
		if err := arrival.Note(fd); err != nil {
			return err
		}
	}
	if s.group.SmallBuffer {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, smallBuffer); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: source(i)}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	to := &unix.SockaddrInet4{Port: int(l.target.Port()), Addr: l.target.Addr().As4()}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	return l.watch(unix.EPOLL_CTL_ADD, i, unix.EPOLLOUT)
}

// event takes whatever epoll tells of a session: errors and hang-ups show in what is done next.
func (l *Loop) event(i int) {
	switch l.sessions[i].state {
	case stateConnecting:
		l.connected(i)
	case stateUpgrading, stateJoining, stateLive:
		l.read(i, l.buf)
	}
}

func (l *Loop) connected(i int) {
	s := &l.sessions[i]
	if code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		l.end(i, fmt.Sprintf("connect: %v", errors.Join(err, unix.Errno(code))))
		return
	}
	if err := l.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN); err != nil {
		l.end(i, err.Error())
		return
	}
	if s.group.Speak == Raw {
		l.accepted()
		l.goLive(i)
		return
	}
	if s.group.tls != nil {
		l.secure(i)
		return
	}
	s.state = stateUpgrading
	l.write(i, s.group.upgrade)
}

// write sends a few bytes; a socket that does not take them at once is not being read by the server,
// which none of ours should see.
func (l *Loop) write(i int, b []byte) {
	s := &l.sessions[i]
	var n int
	var err error
	if s.tls != nil {
		n, err = s.tls.Write(b)
	} else {
		n, err = unix.Write(s.fd, b)
	}
	if err != nil || n < len(b) {
		l.end(i, fmt.Sprintf("write: %d of %d bytes: %v", n, len(b), err))
	}
}

// read takes what has come, as much as buf holds.
func (l *Loop) read(i int, buf []byte) {
	s := &l.sessions[i]
	if s.tls != nil {
		l.readSecured(i, buf)
		return
	}
	var n int
	var err error
	now := int64(0) // to be looked at the clock for
	if s.stamped {
		n, now, err = arrival.Receive(s.fd, buf)
	} else {
		n, err = unix.Read(s.fd, buf)
	}
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case err != nil:
		l.end(i, "read: "+err.Error())
		return
	case n == 0:
		l.end(i, "the server hung up without a close frame")
		return
	}
	s.group.window.Bytes += int64(n)
	if now == 0 {
		now = time.Now().UnixMicro()
	}
	l.received(i, now, buf[:n])
}

// received takes bytes of a session that arrived at now, in microseconds since the Unix epoch.
func (l *Loop) received(i int, now int64, b []byte) {
	s := &l.sessions[i]
	if s.state == stateUpgrading {
		if b = l.upgraded(i, b); len(b) == 0 {
			return
		}
	}
	for len(b) > 0 && s.state != stateClosed {
		p, rest, ok, err := s.reader.Next(b)
		if err != nil {
			l.end(i, err.Error())
			return
		}
		if ok {
			l.piece(i, now, p)
		}
		b = rest
	}
}

// upgraded takes bytes of the answer to the upgrade and returns what lies behind it.
func (l *Loop) upgraded(i int, b []byte) []byte {
	s := &l.sessions[i]
	text := append(s.notice, b...)
	head, rest, ok := bytes.Cut(text, []byte("\r\n\r\n"))
	if !ok {
		const most = 16 << 10
		if len(text) > most {
			l.end(i, "upgrade: no end of the header")
			return nil
		}
		s.notice = text
		return nil
	}
	status, header, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 101")) {
		l.end(i, fmt.Sprintf("upgrade: %s: %.200s", status, rest))
		return nil
	}
	if err := s.group.agreed(header); err != nil {
		l.end(i, err.Error())
		return nil
	}
	s.notice, s.state = nil, stateJoining
	s.reader.Deflate = s.group.Deflate
	s.follow = l.follow(i)
	l.accepted()
	if hello := s.group.hellos[i-s.group.first]; len(hello) > 0 {
		l.write(i, hello)
	}
	return rest
}

// goLive is for a session that has everything that it asked for.
func (l *Loop) goLive(i int) {
	s := &l.sessions[i]
	s.state, s.live = stateLive, time.Now().UnixMicro()
	l.joining--
	l.live++
	switch {
	case s.group.Hidden:
		b, err := s.group.setRate(&feedv1.SetRate{Visibility: feedv1.Visibility_VISIBILITY_HIDDEN})
		if err != nil {
			l.end(i, err.Error())
			return
		}
		l.write(i, b)
	case s.group.BytesPerSecond > 0:
		l.hold(i)
	}
	if l.live == len(l.sessions) {
		l.outcome(nil)
	}
}

// beatAfter is how many frames behind the first rows tell a session's beat: the first rows come at once,
// and what they missed may too.
const beatAfter = 3

// settle notes the beat of a session that is live, and stops reading where no probe does.
func (l *Loop) settle(i int) {
	s := &l.sessions[i]
	if s.cuts++; s.cuts < beatAfter {
		return
	}
	g := s.group
	if cadence, cut := int64(g.CadenceMS)*1000, s.follow.lastCut(); cadence > 0 && cut > 0 && !g.Hidden {
		g.beats[cut%cadence*BeatSlices/cadence]++
	}
	if i-g.first >= g.Probes && g.Speak != NATS {
		s.follow, s.whole = nil, message{}
	}
}

// end closes a session for good.
func (l *Loop) end(i int, why string) {
	s := &l.sessions[i]
	if s.state == stateClosed {
		return
	}
	was := s.state
	_ = unix.Close(s.fd)
	s.group.closed[why]++
	l.grantedOrGone(i)
	*s = session{group: s.group, state: stateClosed, count: s.count}
	switch was {
	case stateLive:
		l.live--
		return
	case stateConnecting, stateSecuring, stateUpgrading:
		l.connecting--
	}
	l.joining--
	l.outcome(fmt.Errorf("session %d: %s", i, why))
}
