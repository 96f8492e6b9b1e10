package listen

import (
	"net"
	"syscall"
)

// Reserve returns l, which accepts connections only while descriptors below ceiling are left for them: the rest is for operators,
// files and upstream. refused is told of each connection that is closed for it, before a byte was read.
//
// The kernel gives out the lowest number that is free, so a number at the ceiling says that all below it are in use; nothing need
// be counted, and connections stay what they are.
func Reserve(l net.Listener, ceiling int, refused func()) net.Listener {
	if ceiling <= 0 {
		return l
	}
	return &reserving{l, ceiling, refused}
}

type reserving struct {
	net.Listener
	ceiling int
	refused func()
}

func (l *reserving) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.below(conn) {
			return conn, err
		}
		_ = conn.Close()
		l.refused()
	}
}

func (l *reserving) below(conn net.Conn) bool {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	number := 0
	_ = raw.Control(func(fd uintptr) { number = int(fd) })
	return number < l.ceiling
}
