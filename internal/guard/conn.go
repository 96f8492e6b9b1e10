package guard

import "net"

// Conn is a net.Conn whose Read lets only allowed frames through. Everything else is that of the connection
// underneath. It must be read from one goroutine.
type Conn struct {
	net.Conn
	parser  Parser
	early   []byte // read from the connection before the guard was there
	now     func() int64
	refused *RefusedError
}

// New puts a guard in front of nc. early are bytes that were read from it already; the guard keeps them.
// now is the clock in microseconds and must not go back.
func New(nc net.Conn, limits *Limits, deflate bool, early []byte, now func() int64) *Conn {
	return &Conn{Conn: nc, parser: NewParser(limits, deflate), early: early, now: now}
}

// SetLimits has other limits hold from the next frame on. It must not be called during a Read.
func (c *Conn) SetLimits(limits *Limits) { c.parser.limits = limits }

// Refused returns why the client was refused, or nil. It may be called when Read has returned an error.
func (c *Conn) Refused() *RefusedError { return c.refused }

// Pending tells that the next Read will not ask the connection underneath.
func (c *Conn) Pending() bool { return len(c.early) > 0 || c.refused != nil }

// Read reads bytes of allowed frames. At a frame that is not allowed it returns a *RefusedError, first after
// everything ahead of that frame was read.
func (c *Conn) Read(b []byte) (int, error) {
	if c.refused != nil {
		return 0, c.refused
	}
	var n int
	var err error
	if len(c.early) > 0 {
		n = copy(b, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
	} else {
		n, err = c.Conn.Read(b)
	}
	allowed, refused := c.parser.Feed(b[:n], c.now())
	if refused != nil {
		if c.refused = refused; allowed > 0 {
			return allowed, nil
		}
		return 0, refused
	}
	return n, err
}
