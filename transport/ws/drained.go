package ws

// Drained waits until nothing is pending, or was not for a moment since the call. It returns false once the
// connection ends. A handler that waits here before it answers asks no more of the connection than it takes;
// nothing is read from the client meanwhile.
func (c *Conn) Drained() bool { return c.out.Drained() }

// Transport names what the connection runs over.
func (c *Conn) Transport() string { return "websocket" }

// Ready tells whether nothing is pending. It never waits.
func (c *Conn) Ready() bool { return !c.out.Blocked() }
