package outbox

import "net"

// Listener puts an outbox under each connection that it accepts. It is needed only below TLS, whose
// records must go through the outbox; a plain connection can be given to New when it is upgraded.
type Listener struct{ net.Listener }

// Accept waits for the next connection and returns it as a *Conn that is not started.
func (l Listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(nc), nil
}
