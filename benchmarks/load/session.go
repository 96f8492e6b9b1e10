package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/frame"
	"github.com/feedd/feedd/benchmarks/probe"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

type state uint8

const (
	stateNew        state = iota
	stateConnecting       // until TCP is up
	stateUpgrading        // until the server's 101
	stateJoining          // until each instrument has a row
	stateLive
	stateClosed
)

// session is one client. What it holds besides numbers is released once it is live, probes excepted.
type session struct {
	fd     int
	state  state
	reader frame.Reader
	count  uint32       // data frames in this window
	probe  *probe.Probe // of feedd; until the session's beat is known, and for good on probes
	cuts   uint8        // seen since it was live, up to beatAfter
	nats   *probe.Subscriber
	text   []byte // of a message that is not whole yet: the answer to the upgrade, a frame to decode
	notice []byte // of a control frame that is not whole yet
}

// The events that epoll waits for carry the number of the session in place of a descriptor.
func (l *Loop) watch(op int, i int, events uint32) error {
	return unix.EpollCtl(l.epoll, op, l.sessions[i].fd, &unix.EpollEvent{Events: events, Fd: int32(i)})
}

// open begins as many sessions as may connect at once.
func (l *Loop) open() {
	for l.opened < l.cfg.Sessions && l.joining < inFlight {
		i := l.opened
		l.opened++
		l.joining++
		if err := l.dial(i); err != nil {
			l.outcome(fmt.Errorf("session %d: %w", i, err))
			return
		}
	}
}

func (l *Loop) dial(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s := &l.sessions[i]
	s.fd, s.state = fd, stateConnecting
	// The kernel picks the port when it knows both ends, so that ports are used once per pair of
	// addresses and not once per source.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
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
		l.read(i)
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
	if l.cfg.Speak == Raw {
		l.goLive(i)
		return
	}
	s.state = stateUpgrading
	l.write(i, l.upgrade())
}

const subprotocol = "feedd.v1.proto"

func (l *Loop) upgrade() []byte {
	path, more := "/", ""
	if l.cfg.Speak == Feed {
		path, more = "/v1/ws", "Sec-WebSocket-Protocol: "+subprotocol+"\r\n"
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path, l.cfg.Address, more)
}

// write sends a few bytes; a socket that does not take them at once is not being read by the server,
// which none of ours should see.
func (l *Loop) write(i int, b []byte) {
	n, err := unix.Write(l.sessions[i].fd, b)
	if err != nil || n < len(b) {
		l.end(i, fmt.Sprintf("write: %d of %d bytes: %v", n, len(b), err))
	}
}

func (l *Loop) read(i int) {
	s := &l.sessions[i]
	n, err := unix.Read(s.fd, l.buf)
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
	now := time.Now().UnixMicro()
	b := l.buf[:n]
	l.window.Bytes += int64(n)
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
	s.text = append(s.text, b...)
	head, rest, ok := bytes.Cut(s.text, []byte("\r\n\r\n"))
	if !ok {
		const most = 16 << 10
		if len(s.text) > most {
			l.end(i, "upgrade: no end of the header")
		}
		return nil
	}
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 101")) {
		l.end(i, fmt.Sprintf("upgrade: %s: %.200s", status, rest))
		return nil
	}
	if l.cfg.Speak == Feed && !bytes.Contains(fields, []byte(subprotocol)) {
		l.end(i, "upgrade: the server does not speak "+subprotocol)
		return nil
	}
	s.text = nil
	s.state = stateJoining
	hello, err := l.hello(i)
	if err != nil {
		l.end(i, err.Error())
		return nil
	}
	l.write(i, frame.AppendClient(nil, frame.Binary, hello))
	return rest
}

// hello makes the session's reader and returns its first message, which subscribes.
func (l *Loop) hello(i int) ([]byte, error) {
	s := &l.sessions[i]
	var symbols []string
	for _, n := range l.cfg.Choice.Of(i) {
		symbols = append(symbols, l.cfg.Symbols[n])
	}
	if l.cfg.Speak == NATS {
		s.nats = probe.NewSubscriber(l.record, symbols)
		return s.nats.Hello(), nil
	}
	record := l.record
	if i >= l.cfg.Probes {
		record = l.others
	}
	s.probe = probe.New(record, l.instruments)
	sub := &feedv1.Subscribe{Symbols: symbols, Channels: []string{"quote"}, CadenceMs: proto.Uint32(l.cfg.CadenceMS)}
	return proto.Marshal(&feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: sub}})
}

// piece takes a run of payload of one frame.
func (l *Loop) piece(i int, now int64, p frame.Piece) {
	s := &l.sessions[i]
	if p.Op >= frame.Close {
		l.control(i, p)
		return
	}
	if p.Start && p.Op != frame.Continuation && s.state == stateLive {
		s.count++
		l.window.Frames++
	}
	switch {
	case s.probe != nil:
		l.probed(i, now, p)
	case s.nats != nil:
		if answer := s.nats.Take(now, p.Payload); answer != nil {
			l.write(i, frame.AppendClient(nil, frame.Binary, answer))
		}
		if s.state == stateJoining && s.nats.Complete() {
			l.goLive(i)
		}
	}
}

// probed puts messages together for a probe.
func (l *Loop) probed(i int, now int64, p frame.Piece) {
	s := &l.sessions[i]
	whole := p.Payload
	if !p.Start || !p.End || !p.Fin || p.Op == frame.Continuation {
		s.text = append(s.text, p.Payload...)
		whole = s.text
	}
	if !p.End || !p.Fin {
		return
	}
	s.probe.Frame(now, whole)
	s.text = s.text[:0]
	switch {
	case s.state == stateJoining:
		if s.probe.Complete(l.cfg.Choice.PerSession) {
			l.goLive(i)
		}
	case s.cuts < beatAfter:
		if s.cuts++; s.cuts < beatAfter {
			return
		}
		l.beat(s.probe.LastCut())
		if i >= l.cfg.Probes {
			s.probe, s.text = nil, nil
		}
	}
}

// beatAfter is how many frames behind the first rows tell a session's beat: the first rows come at once,
// and what they missed may too.
const beatAfter = 3

func (l *Loop) goLive(i int) {
	l.sessions[i].state = stateLive
	l.wentLive()
}

// control answers pings and notes why the server closes.
func (l *Loop) control(i int, p frame.Piece) {
	s := &l.sessions[i]
	if p.Start {
		l.window.Controls++
	}
	body := p.Payload
	if !p.Start || !p.End {
		s.notice = append(s.notice, p.Payload...)
		body = s.notice
	}
	if !p.End {
		return
	}
	s.notice = nil
	switch p.Op {
	case frame.Ping:
		l.write(i, frame.AppendClient(nil, frame.Pong, body))
	case frame.Close:
		why := "closed without a code"
		if len(body) >= 2 {
			why = fmt.Sprintf("closed %d %s", binary.BigEndian.Uint16(body), body[2:])
		}
		l.end(i, why)
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
	l.window.Closed[why]++
	*s = session{state: stateClosed, count: s.count}
	if was == stateLive {
		l.live--
		return
	}
	l.joining--
	l.outcome(fmt.Errorf("session %d: %s", i, why))
}
