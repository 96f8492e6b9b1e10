package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// socket is the net.Conn under a session's TLS. The handshake waits for it, on a goroutine of its own; behind that the
// loop's thread reads what is there, and no more.
type socket struct {
	fd    int
	waits bool
	read  int64 // bytes, since they were asked for last
}

// later says that there is nothing to read now. It is a net.Error that passes, which crypto/tls does not hold against
// the connection.
type later struct{}

func (later) Error() string   { return "nothing to read now" }
func (later) Timeout() bool   { return true }
func (later) Temporary() bool { return true }

// handshakeWithin bounds each wait of a handshake.
const handshakeWithin = 30 * time.Second

func (s *socket) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b)
		switch {
		case n > 0:
			s.read += int64(n)
			return n, nil
		case n == 0 && err == nil:
			return 0, io.EOF
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EAGAIN):
			return 0, err
		case !s.waits:
			return 0, later{}
		default:
			if err := s.wait(unix.POLLIN); err != nil {
				return 0, err
			}
		}
	}
}

// Write waits until everything is taken: what a session sends fits any buffer.
func (s *socket) Write(b []byte) (int, error) {
	for sent := 0; ; {
		n, err := unix.Write(s.fd, b[sent:])
		if n > 0 {
			if sent += n; sent == len(b) {
				return sent, nil
			}
			continue
		}
		if errors.Is(err, unix.EAGAIN) {
			err = s.wait(unix.POLLOUT)
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return sent, err
		}
	}
}

func (s *socket) wait(events int16) error {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: events}}, int(handshakeWithin/time.Millisecond))
	if err == nil && n == 0 {
		return fmt.Errorf("nothing within %v", handshakeWithin)
	}
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// The rest of net.Conn, of which crypto/tls needs nothing here.
func (s *socket) Close() error                     { return nil }
func (s *socket) LocalAddr() net.Addr              { return nil }
func (s *socket) RemoteAddr() net.Addr             { return nil }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// secured is a session whose handshake has ended.
type secured struct {
	session int
	conn    *tls.Conn
	err     error
}

// trust makes what all handshakes of a group share.
func (g *group) trust() error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(g.Trust)) {
		return errors.New("trust: no certificate in PEM")
	}
	// Tickets would cost the server a message, and nobody comes back with one.
	g.tls = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", SessionTicketsDisabled: true}
	return nil
}

// secure begins the handshake of a session, which ends in the loop's channel.
func (l *Loop) secure(i int) {
	s := &l.sessions[i]
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, s.fd, nil); err != nil {
		l.end(i, err.Error())
		return
	}
	s.state, s.socket = stateSecuring, &socket{fd: s.fd, waits: true}
	conn := tls.Client(s.socket, s.group.tls)
	// It ends with its socket, which the loop closes.
	l.handshakes.Go(func() { l.secured <- secured{i, conn, conn.HandshakeContext(context.Background())} })
}

// takeSecured goes on with the sessions whose handshakes have ended.
func (l *Loop) takeSecured() {
	for {
		select {
		case done := <-l.secured:
			l.upgradeSecured(done)
		default:
			return
		}
	}
}

func (l *Loop) upgradeSecured(done secured) {
	s := &l.sessions[done.session]
	s.group.window.Bytes += s.socket.read
	s.socket.read, s.socket.waits, s.tls = 0, false, done.conn
	if done.err != nil {
		l.end(done.session, "handshake: "+done.err.Error())
		return
	}
	if err := l.watch(unix.EPOLL_CTL_ADD, done.session, unix.EPOLLIN); err != nil {
		l.end(done.session, err.Error())
		return
	}
	s.state = stateUpgrading
	l.write(done.session, s.group.upgrade)
}

// readSecured takes what has come: records may lie in TLS's buffers that epoll knows nothing of, so all of them are
// read.
func (l *Loop) readSecured(i int, buf []byte) {
	for l.sessions[i].state != stateClosed {
		s := &l.sessions[i]
		n, err := s.tls.Read(buf)
		s.group.window.Bytes += s.socket.read
		s.socket.read = 0
		if n > 0 {
			l.received(i, time.Now().UnixMicro(), buf[:n])
		}
		switch {
		case errors.As(err, new(later)):
			return
		case errors.Is(err, io.EOF):
			l.end(i, "the server hung up without a close frame")
		case err != nil:
			l.end(i, "read: "+err.Error())
		}
	}
}
