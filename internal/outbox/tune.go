package outbox

import (
	"errors"
	"net"
	"time"
)

// userTimeout ends a connection whose peer acknowledges nothing, or keeps its window shut, for so long.
// Keep-alive probes alone would not: a peer with a shut window answers them.
const userTimeout = 20 * time.Second

// notSentLowat is how many bytes the kernel holds that are not on their way yet. By default it takes
// megabytes, which a client that has stopped reading would later get as stale values.
const notSentLowat = 16 << 10

// tune sets the options of a served socket, as many as the kernel takes.
func tune(c *net.TCPConn) error {
	return errors.Join(
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}),
		tuneSystem(c),
	)
}
