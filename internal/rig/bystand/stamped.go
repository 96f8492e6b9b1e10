package bystand

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/client/arrival"
)

// stamped is a connection that knows when what was read last had arrived.
type stamped struct {
	net.Conn
	raw syscall.RawConn // nil: the kernel does not tell
	at  int64           // microseconds since the Unix epoch
}

// stamp has the kernel note when bytes arrive.
func stamp(conn net.Conn) (*stamped, error) {
	s := &stamped{Conn: conn}
	if !arrival.Supported {
		return s, nil
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T is no socket", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var refused error
	if err := raw.Control(func(fd uintptr) { refused = arrival.Note(int(fd)) }); err != nil {
		return nil, err
	}
	s.raw = raw
	return s, refused
}

func (s *stamped) Read(b []byte) (n int, err error) {
	if s.raw == nil {
		n, err = s.Conn.Read(b)
		s.at = time.Now().UnixMicro()
		return n, err
	}
	waited := s.raw.Read(func(fd uintptr) bool {
		n, s.at, err = arrival.Receive(int(fd), b)
		return err != syscall.EAGAIN
	})
	switch {
	case waited != nil:
		return 0, waited
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
