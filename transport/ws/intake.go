package ws

import (
	"sync"
	"syscall"

	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/transport/conns"
)

// intakes hold what is read of the connections that something came for: silent ones have no buffer.
var intakes = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// await waits until there is something to take in. It returns false when the reading is over. Nearly every goroutine of
// a large node stands here, so it stays on the 2 KB of stack that it began with: it looks at the socket without reading,
// and whatever needs more room runs apart. Where there is no looking, as with TLS, it waits for the first byte.
func (c *Conn) await() bool {
	c.came = 0
	switch {
	case c.guard.Pending():
		return true
	case c.raw != nil:
		c.readErr = c.raw.Read(c.peek)
	default:
		c.came, c.readErr = c.guard.Read(c.first[:])
	}
	return c.readErr == nil
}

// takeIn reads what has come, and handles the messages in it. It returns false when the reading is over.
func (c *Conn) takeIn() bool {
	if c.came > 0 {
		if c.readErr = c.inbox.Feed(c.first[:c.came], c); c.readErr != nil {
			return false
		}
	}
	buf := intakes.Get().(*[4 << 10]byte)
	defer intakes.Put(buf)
	n, err := c.guard.Read(buf[:])
	if c.readErr = c.inbox.Feed(buf[:n], c); c.readErr == nil {
		c.readErr = err
	}
	return c.readErr == nil
}

// Ping answers a ping. It implements inbox.Receiver.
func (c *Conn) Ping(payload []byte) {
	c.write(append([]byte{framePong, byte(len(payload))}, payload...))
}

// Message passes one message on. It implements inbox.Receiver.
func (c *Conn) Message(text bool, payload []byte) {
	defer c.rescue()
	switch {
	case c.ending.Code() != 0:
	case c.srv.echoes:
		c.echo(text, payload)
	case text && c.framing.first != frameText:
		c.Close(conns.CodeWrongType, "text message; "+SubprotocolProto+" takes binary")
	case !text && c.framing.first == frameText:
		c.Close(conns.CodeWrongType, "binary message; "+SubprotocolJSON+" takes text")
	default:
		c.srv.totals.Receive(len(payload))
		c.handling.Receive(payload)
	}
}

// look returns what await may look at; nil: nothing, since bytes may wait above the socket.
func (c *Conn) look() syscall.RawConn {
	o, ok := c.out.(*outbox.Conn)
	if !peeks || !ok || c.link != link(o) || c.nc != o.Conn && c.nc != any(o) {
		return nil
	}
	return o.Raw()
}
