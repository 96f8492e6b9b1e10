package listen

import (
	"net"
	"runtime"
)

// Behind returns l, which accepts a connection only when everybody who is ready to run has had a turn. A listener with thousands
// who wait would otherwise take them all in at once, and each of them is one more ahead of whom rows are sent to; in the kernel's
// queue they cost nothing. On a machine with time to spare nothing waits.
func Behind(l net.Listener) net.Listener { return behind{l} }

type behind struct{ net.Listener }

func (l behind) Accept() (net.Conn, error) {
	runtime.Gosched()
	return l.Listener.Accept()
}
