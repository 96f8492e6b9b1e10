package outbox

import (
	"errors"
	"net"
	"time"
)

// notSentLowat is how many bytes the kernel holds that are not on their way yet. By default it takes
// megabytes, which a client that has stopped reading would later get as stale values. Over a slow link rows are as old as what
// goes ahead of them takes: of 100 quotes at 20 kbit/s the median was 9.6 s old with 16 KB, and 5.2 s with 4 KB. A frame larger than
// that still goes out in one piece.
const notSentLowat = 4 << 10

// Tune sets the options of a socket that carries what outboxes hand to it in some other way than writing to it themselves,
// as many as the kernel takes. nc may be an outbox that is not started, or lie above one.
func Tune(nc net.Conn) error {
	for {
		switch over := nc.(type) {
		case *net.TCPConn:
			return tune(over)
		case *Conn:
			nc = over.Conn
		case interface{ NetConn() net.Conn }: // TLS
			nc = over.NetConn()
		case interface{ Raw() net.Conn }: // what reads a PROXY header
			nc = over.Raw()
		default:
			return nil
		}
	}
}

// tune sets the options of a served socket, as many as the kernel takes. TCP_USER_TIMEOUT is none of them: with it Linux
// (6.18) also ends connections that move. Its clock starts with the first shut window, and a peer that reads slowly through
// a small one may never open it wide enough to set that clock back. Who is stuck, the write timeout tells; who is gone, pings.
func tune(c *net.TCPConn) error {
	return errors.Join(
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}),
		tuneSystem(c),
	)
}
