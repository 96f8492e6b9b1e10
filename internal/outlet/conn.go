package outlet

import (
	"cmp"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
)

// Stream is what Run writes to. SetWriteDeadline may be called while a Write waits, from another goroutine, and ends that
// wait when the deadline is past; both hold for the streams of HTTP (http.ResponseController) and QUIC.
type Stream interface {
	// Write brings out all of b, what lies between included: it flushes.
	Write(b []byte) (int, error)
	SetWriteDeadline(t time.Time) error
}

// A Trailer is a Stream that has something to say of what was written, behind whole frames.
type Trailer interface {
	// Behind returns what is to be written behind batch, which is the frames written since the last time. batch is valid only
	// during the call.
	Behind(batch []byte) []byte
}

// Conn takes frames for one client. Its methods may be called from any goroutine; all but Run and Drained return at
// once.
type Conn struct {
	// Constant.
	opt     *outgoing.Options
	drained func()

	// blocked is true while Send would refuse. Written under mu; read without it, so that a worker passes a blocked
	// connection at the price of one load.
	blocked atomic.Bool

	mu       sync.Mutex
	sent     outgoing.Sent
	kept     *[]byte       // what waits for Run; nil: nothing does
	waiting  amount        // in kept
	leaving  amount        // that Run is writing
	full     bool          // there is no room
	held     bool          // no frames are wanted at the moment; see Collect
	running  Stream        // what Run writes to; nil: it does not run
	wrote    time.Time     // when its last write began; zero: there was none
	finished bool          // Finish was called
	cause    error         // why no more is taken
	cut      bool          // nothing more is written either
	work     chan struct{} // capacity 1: there is something for Run to do
	emptied  chan struct{} // there while somebody waits in Drained; closed when there is room
}

// Room is how many bytes are kept, by default, before further frames are refused: as many as a served socket's kernel
// keeps unsent. One frame may go beyond it.
const Room = 4 << 10

func (c *Conn) room() int { return cmp.Or(c.opt.Room, Room) }

// amount is bytes by what they are.
type amount struct{ frames, answers int }

func (a amount) sum() int { return a.frames + a.answers }

// New returns a connection that keeps what it takes until Run is there. drained is called from Run's goroutine each time
// that there is room again for frames; it must not wait for Run.
func New(opt *outgoing.Options, drained func()) *Conn {
	return &Conn{opt: opt, drained: drained, work: make(chan struct{}, 1)}
}

// Send takes one frame. It returns false, and takes nothing, while Room bytes or more wait, and once the
// connection takes no more; drained is called when there is room again. frame may be reused at once.
func (c *Conn) Send(frame []byte) bool {
	if c.blocked.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked.Load() {
		return false
	}
	c.waiting.frames += len(frame)
	c.keep(frame)
	return true
}

// Ready tells whether Send would take a frame.
func (c *Conn) Ready() bool { return !c.blocked.Load() }

// Blocked is the opposite of Ready.
func (c *Conn) Blocked() bool { return c.blocked.Load() }

// Write takes one answer behind what waits. Beyond outgoing.Options.MaxQueued bytes of answers it takes nothing and returns outgoing.ErrOverflow;
// from then on the connection takes only the frame given to Finish. b may be reused at once.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cause != nil:
		return 0, c.cause
	case c.finished:
		return 0, outgoing.ErrFinished
	case c.answers() > 0 && c.answers()+len(b) > c.opt.Queue():
		c.end(outgoing.ErrOverflow)
		c.opt.Dropped(drop.ControlOverflow)
		return 0, c.cause
	}
	c.waiting.answers += len(b)
	c.keep(b)
	return len(b), nil
}

// Finish takes the last frame, whatever the bounds say. Run returns when it and all before it are out. Finish returns
// false when that cannot happen any more, or did already.
func (c *Conn) Finish(last []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished || c.cut {
		return false
	}
	c.finished = true // ahead of what may find the connection full
	c.keep(last)
	c.refuse()
	return true
}

// Close ends the connection at once, with what waits. It may be called more than once.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sever(net.ErrClosed)
}

// Silent is for how long nothing was written to the client; 0: nothing ever was.
func (c *Conn) Silent() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrote.IsZero() {
		return 0
	}
	return time.Since(c.wrote)
}

// Cause is why the connection takes nothing any more: outgoing.ErrWriteTimeout, outgoing.ErrOverflow, net.ErrClosed, or the error of the
// stream. nil while it does, and after Finish. The first cause stays.
func (c *Conn) Cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Sent returns what the connection took.
func (c *Conn) Sent() outgoing.Sent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// Pending is how many bytes wait for the client.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending()
}

// Drained waits until there is room for frames, or was for a moment since the call. It returns false once the connection
// takes no more.
func (c *Conn) Drained() bool {
	c.mu.Lock()
	if c.full && c.open() {
		if c.emptied == nil {
			c.emptied = make(chan struct{})
		}
		emptied := c.emptied
		c.mu.Unlock()
		<-emptied
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	return c.open()
}

// answers is the bytes of answers that wait. mu is held.
func (c *Conn) answers() int { return c.waiting.answers + c.leaving.answers }

// pending is the bytes that wait. mu is held.
func (c *Conn) pending() int { return c.waiting.sum() + c.leaving.sum() }

// open tells whether anything is taken. mu is held.
func (c *Conn) open() bool { return c.cause == nil && !c.finished }

// keep appends b to what waits. mu is held.
func (c *Conn) keep(b []byte) {
	c.sent.Frame(len(b))
	if c.kept == nil {
		c.kept = buffers.Get().(*[]byte)
	}
	*c.kept = append(*c.kept, b...)
	if !c.full && c.pending() >= c.room() && c.open() {
		c.full = true
		c.judge()
		c.opt.Blocked(+1)
	}
	c.signal()
}

func (c *Conn) signal() {
	select {
	case c.work <- struct{}{}:
	default:
	}
}

// end notes why nothing more is taken. mu is held.
func (c *Conn) end(cause error) {
	if c.cause == nil {
		c.cause = cause
	}
	c.refuse()
}

// refuse has nothing more taken, and lets go whoever waits for room. mu is held.
func (c *Conn) refuse() {
	c.makeRoom()
	c.judge()
	c.signal()
}

// judge decides whether Send refuses. mu is held.
func (c *Conn) judge() { c.blocked.Store(c.full || c.held || !c.open()) }

// sever ends the connection for a cause, without what waits. mu is held.
func (c *Conn) sever(cause error) {
	c.end(cause)
	c.cut = true
	if c.kept != nil {
		recycle(c.kept)
		c.kept = nil
	}
	c.waiting, c.leaving = amount{}, amount{}
	if c.running != nil {
		_ = c.running.SetWriteDeadline(past) // fails only where no write waits any more
	}
}

// past is a deadline that ends a write that waits.
var past = time.Unix(1, 0)

// makeRoom notes that there is room. mu is held.
func (c *Conn) makeRoom() (was bool) {
	if was = c.full; was {
		c.full = false
		c.judge()
		c.opt.Blocked(-1)
	}
	if c.emptied != nil {
		close(c.emptied)
		c.emptied = nil
	}
	return was
}

// largestKept is the largest buffer, in bytes, that is used again.
const largestKept = 64 << 10

// buffers hold what waits: connections for which nothing does have none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func recycle(b *[]byte) {
	if cap(*b) <= largestKept {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
