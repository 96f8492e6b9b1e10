package ws

// Drained waits until nothing is pending, or was not for a moment since the call. It returns false once the
// connection ends. A handler that waits here before it answers asks no more of the connection than it takes;
// nothing is read from the client meanwhile.
func (c *Conn) Drained() bool { return c.out.Drained() }

// Transport names what the connection runs over.
func (c *Conn) Transport() string { return "websocket" }

// overHTTP2 tells whether the connection is a stream of HTTP/2, by the letter of RFC 8441, rather than a socket of its own.
func (c *Conn) overHTTP2() bool {
	_, is := c.out.(waiting)
	return is
}

// httpVersion is what the connection began over.
func (c *Conn) httpVersion() string {
	if c.overHTTP2() {
		return "2"
	}
	return "1.1"
}

// Ready tells whether nothing is pending. It never waits.
func (c *Conn) Ready() bool { return !c.out.Blocked() }
