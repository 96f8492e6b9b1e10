package outbox

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
)

// Conn is a net.Conn whose writes never block. Read, addresses and read deadlines are those of the
// connection underneath; the write deadline belongs to the outbox.
//
// Send, Write, Finish, Blocked and Pending may be called from any goroutine.
type Conn struct {
	// What a frame that the kernel takes at once touches comes first, in one cache line: a worker goes through
	// thousands of connections, so none is in the cache when its turn comes.

	mu sync.Mutex
	// blocked is true while Send would refuse: bytes are kept, or no more are taken. Written under mu; read
	// without it, so that a worker passes a blocked connection at the price of one load.
	blocked atomic.Bool
	sent    outgoing.Sent // under mu
	fd      uintptr       // of raw; constant after Start
	missed  atomic.Bool   // a Send found the connection in other hands: they are to call drained

	net.Conn

	// Set by Start, constant afterwards.
	opt     *outgoing.Options // nil until Start: everything passes through
	raw     syscall.RawConn   // nil: not a socket, every write goes through the drain goroutine
	drained func()

	drains sync.WaitGroup // goroutines of the outbox; they begin under mu while ended is false

	// Under mu.
	kept     []byte // what the kernel has not taken yet begins at kept[head:]
	head     int
	spare    int // bytes of a whole frame among kept, which do not count towards MaxQueued
	draining bool
	finished bool          // Finish was called
	cause    error         // why no more is taken
	ended    bool          // the socket is closed, or about to be
	emptied  chan struct{} // there while somebody waits in Drained; closed when nothing is pending
}

// New puts an outbox around nc, which it owns from now on. Until Start everything passes through.
func New(nc net.Conn) *Conn { return &Conn{Conn: nc} }

// Start ends the passing-through; it must be called before any other goroutine writes. drained is called
// from a goroutine of the outbox each time the bytes that it kept are gone; it must not call Close. An
// error tells which socket options the kernel refused; the connection works without them.
func (c *Conn) Start(opt *outgoing.Options, drained func()) error {
	c.opt, c.drained = opt, drained
	if sc, ok := c.Conn.(syscall.Conn); ok && directWrites {
		if raw, err := sc.SyscallConn(); err == nil && raw.Control(func(fd uintptr) { c.fd = fd }) == nil {
			c.raw = raw
		}
	}
	if tc, ok := c.Conn.(*net.TCPConn); ok {
		return tune(tc)
	}
	return nil
}

// Raw is the socket, to look at; nil where there is none. It is known from Start on.
func (c *Conn) Raw() syscall.RawConn { return c.raw }

// Blocked tells whether Send would refuse: bytes are waiting, or the connection takes no more.
func (c *Conn) Blocked() bool { return c.blocked.Load() }

// Ready is the opposite of Blocked. While another goroutine is at the connection it may be ready and refuse a Send all the same.
func (c *Conn) Ready() bool { return !c.blocked.Load() }

// Sent returns what the connection took through Send, its own or that of a Sender above it, and what Count was told.
func (c *Conn) Sent() outgoing.Sent {
	c.mu.Lock()
	defer c.unlock()
	return c.sent
}

// Count adds a frame of so many bytes that was given to Write, or to what lies above.
func (c *Conn) Count(bytes int) {
	c.mu.Lock()
	defer c.unlock()
	c.sent.Frame(bytes)
}

// Pending is how many bytes are waiting for the kernel to take them.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.unlock()
	return len(c.kept) - c.head
}

// Cause is why the connection takes nothing any more: outgoing.ErrWriteTimeout, outgoing.ErrOverflow, net.ErrClosed after
// Close, or the error of the socket. nil while it does. The first cause stays.
func (c *Conn) Cause() error {
	c.mu.Lock()
	defer c.unlock()
	return c.cause
}

// Send hands one frame to the socket without waiting. It returns false, and takes nothing, while
// anything is pending, while another goroutine is at the connection, or when it takes no more. frame may be reused at once.
//
// It does not even wait for mu: whoever holds it may have lost its processor to thousands of others, and then all connections of
// the worker that sends would wait for it with this one.
func (c *Conn) Send(frame []byte) bool {
	if c.blocked.Load() || !c.lockAtOnce() {
		return false
	}
	taken := !c.blocked.Load() && c.put(frame, true)
	if taken {
		c.sent.Frame(len(frame))
	}
	c.unlock() // not deferred, which costs as much as all else here
	return taken
}

// lockAtOnce locks mu where nobody else has it. Otherwise it has whoever does call drained afterwards.
func (c *Conn) lockAtOnce() bool {
	if c.mu.TryLock() {
		return true
	}
	c.missed.Store(true)
	return c.mu.TryLock() // it may have been let go of ahead of the line above
}

// unlock lets go of mu, and tells of it where a Send missed it.
func (c *Conn) unlock() {
	c.mu.Unlock()
	c.retell()
}

// retell calls drained once more where a Send was kept from the connection, unless that has ended, or draining will end with such a
// call.
func (c *Conn) retell() {
	for c.missed.Load() && c.missed.Swap(false) {
		c.mu.Lock()
		if !c.ended && !c.draining && c.drained != nil {
			c.drains.Go(c.drained)
		}
		c.mu.Unlock()
	}
}

// Write takes b whole, behind what is pending, and never waits. Beyond outgoing.Options.MaxQueued pending bytes it
// takes nothing and returns outgoing.ErrOverflow; from then on the connection takes only the frame given to Finish.
func (c *Conn) Write(b []byte) (int, error) {
	if c.opt == nil {
		return c.Conn.Write(b)
	}
	c.mu.Lock()
	defer c.unlock()
	switch {
	case c.cause != nil:
		return 0, c.cause
	case c.finished:
		return 0, outgoing.ErrFinished
	case len(c.kept)-c.head == 0 && !c.draining:
		if !c.put(b, false) {
			return 0, c.cause
		}
	case len(c.kept)-c.head+len(b) > c.opt.Queue()+c.spare:
		c.cause = outgoing.ErrOverflow
		c.opt.Dropped(drop.ControlOverflow)
		return 0, c.cause
	default:
		c.keep(b)
	}
	return len(b), nil
}

// Finish takes the last frame of the connection, whatever the bound says, and shuts the sending direction
// down once it and all before it are with the kernel. It returns false when that cannot happen any more.
// The reading direction stays open until Close.
func (c *Conn) Finish(last []byte) bool {
	c.mu.Lock()
	defer c.unlock()
	if c.finished || c.ended { // after an overflow the last frame may still get through
		return false
	}
	c.finished = true
	c.wakeWaiters()
	switch {
	case len(c.kept)-c.head > 0 || c.draining:
		c.keep(last)
	case !c.put(last, true):
		return false
	}
	c.blocked.Store(true)
	if !c.draining {
		c.startDrain() // it finds nothing and shuts down
	}
	return true
}

// Close ends the connection at once, with what is pending, and returns when no goroutine of the outbox
// is left. It may be called more than once.
func (c *Conn) Close() error {
	if c.opt == nil {
		return c.Conn.Close()
	}
	c.mu.Lock()
	c.fail(net.ErrClosed)
	c.unlock()
	sever(c.Conn)
	c.drains.Wait()
	return nil
}

// SetWriteDeadline does nothing once the outbox is started: writes do not wait.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.opt == nil {
		return c.Conn.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline sets the read deadline; see SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	if c.opt == nil {
		return c.Conn.SetDeadline(t)
	}
	return c.SetReadDeadline(t)
}

// put hands b to the kernel and keeps what it refuses. mu is held and nothing is pending. whole tells
// that the rest of b counts as a frame, not as queued answers.
func (c *Conn) put(b []byte, whole bool) bool {
	n := 0
	if c.raw != nil && len(b) > 0 {
		// To the descriptor itself, past the locks and deadlines of the poller, which a single attempt needs as little:
		// mu is held, and the socket is closed only after the connection was marked as ended under mu.
		var err error
		if n, err = attempt(c.fd, b); err != nil {
			// Closing waits for the reader to let go of the socket, which is not for a worker to wait for.
			c.drains.Go(func() { sever(c.Conn) })
			c.fail(err)
			return false
		}
	}
	if n == len(b) {
		return true
	}
	if whole {
		c.spare = len(b) - n
	}
	c.keep(b[n:])
	c.blocked.Store(true)
	c.opt.Blocked(+1)
	if !c.draining {
		c.startDrain()
	}
	return true
}

// keep appends b to what is pending. The drain goroutine may be reading kept[head:], so a full buffer is
// replaced rather than moved within.
func (c *Conn) keep(b []byte) {
	if len(c.kept)+len(b) > cap(c.kept) && c.head > 0 {
		rest := make([]byte, 0, len(c.kept)-c.head+2*len(b))
		c.kept, c.head = append(rest, c.kept[c.head:]...), 0
	}
	c.kept = append(c.kept, b...)
}

// fail notes that the connection ends for err, unless it ends already. mu is held; the caller severs the
// connection once it is not.
func (c *Conn) fail(err error) {
	if c.cause == nil {
		c.cause = err
	}
	c.ended = true
	c.blocked.Store(true)
	c.release()
}

// release forgets what is pending. mu is held.
func (c *Conn) release() {
	if len(c.kept) > 0 {
		c.opt.Blocked(-1)
	}
	c.kept, c.head, c.spare = nil, 0, 0
	c.wakeWaiters()
}

// Drained waits until nothing is pending, or was not for a moment since the call. It returns false once the
// connection takes no more.
func (c *Conn) Drained() bool {
	c.mu.Lock()
	defer c.unlock()
	if len(c.kept)-c.head > 0 && c.cause == nil && !c.finished {
		if c.emptied == nil {
			c.emptied = make(chan struct{})
		}
		emptied := c.emptied
		c.unlock()
		<-emptied
		c.mu.Lock()
	}
	return c.cause == nil && !c.finished
}

// wakeWaiters ends the waits in Drained. mu is held.
func (c *Conn) wakeWaiters() {
	if c.emptied != nil {
		close(c.emptied)
		c.emptied = nil
	}
}

// sever closes nc without the farewell of TLS, which would wait for a peer that does not read.
func sever(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close() // there is nobody left to tell
}
