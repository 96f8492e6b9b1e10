package ws

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/guard"
	"github.com/feedd/feedd/internal/inbox"
	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Conn is one client's connection. Its exported methods may be called from any goroutine, and never wait.
type Conn struct {
	// Constant.
	srv         *Server
	remote      string
	entry       *gate.Entry
	subprotocol string
	framing     *framing
	born        int64 // on the server's clock
	nc          net.Conn
	link        link
	out         out
	guard       *guard.Conn

	heard atomic.Int64 // when the client's last bytes came, on the server's clock

	seat   int   // in srv.conns, which keeps it
	beat   pulse // belongs to the sweeper
	looked int64 // the same: when it last asked whether the peer is there, on the server's clock

	// Belongs to the connection's own goroutine, or to what runs apart while that waits.
	inbox   inbox.Inbox
	readErr error           // why the reading is over
	raw     syscall.RawConn // see look
	first   [1]byte         // scratch of await
	came    int             // bytes that await read into first

	handling conns.Handling
	ending   conns.Ending
}

// link is what frames are written to: the outbox, or TLS above it.
type link interface {
	Send(frame []byte) bool
	Ready() bool
	Write(b []byte) (int, error)
	Finish(last []byte) bool
}

// out is where what is sent waits for the client: the outbox of a socket, or the outlet of a stream.
type out interface {
	Blocked() bool
	Pending() int
	Cause() error
	Drained() bool
	Sent() outgoing.Sent
	Silent() time.Duration
	Close() error
}

// Remote is the client's address.
func (c *Conn) Remote() string { return c.remote }

// Identity is whom the token in the handshake speaks for; nil: there was none.
func (c *Conn) Identity() *entitlement.Identity { return c.entry.Identity() }

// Admitted says that it is known who the client is, so that the bounds of strangers no longer hold for it. It must be called from
// within NewHandler or Handler.Receive.
func (c *Conn) Admitted() {
	if c.entry.Admitted() {
		c.guard.SetLimits(&c.srv.limits)
	}
}

// Subprotocol is what was agreed on; "" when the client offered none and got JSON.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Send hands one frame, made by the connection's Framing, to the socket without waiting. It returns false,
// and takes nothing, while an earlier frame is pending and once the connection ends. Handler.Wake is called
// when the pending frame is out. frame may be reused at once.
func (c *Conn) Send(frame []byte) bool { return c.link.Send(frame) }

// Outlet is where Send hands frames to. Whoever sends many spares a step by going there.
func (c *Conn) Outlet() fanout.Conn { return c.link }

// SendControl frames one payload and sends it behind what is pending. When more than Options.MaxQueued bytes
// are pending then, it returns false, takes nothing, and the connection ends with conns.CodeOverflow. It also
// returns false once the connection ends for another reason. payload may be reused at once.
func (c *Conn) SendControl(payload []byte) bool {
	buf := scratch.Get().(*[]byte)
	*buf = c.framing.AppendFrame((*buf)[:0], payload, fanout.UseControl, 1)
	ok := c.write(*buf)
	if cap(*buf) <= 64<<10 {
		scratch.Put(buf)
	}
	return ok
}

// scratch holds buffers for frames that go out at once.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// write sends a frame that must not be skipped.
func (c *Conn) write(frame []byte) bool {
	if _, err := c.link.Write(frame); err != nil {
		if errors.Is(c.out.Cause(), outgoing.ErrOverflow) {
			c.Close(conns.CodeOverflow, "too many answers wait to be read")
		}
		return false
	}
	if o, ok := c.out.(*outbox.Conn); ok { // an outlet counts by itself
		o.Count(len(frame))
	}
	return true
}

// Close ends the connection: the close frame goes out behind what is pending, nothing more is sent, messages
// are no longer handled, and the client has Options.CloseWait to answer. Only the first call counts. code must
// be one that may be sent: 1000 to 1003, 1007 to 1011 or 3000 to 4999; reason is cut to 123 bytes.
func (c *Conn) Close(code uint16, reason string) {
	if c.ending.Claim(code) {
		c.farewell(code, reason)
	}
}

// cutOff ends the connection at once.
func (c *Conn) cutOff() { _ = c.out.Close() }

// farewell sends the close frame and bounds the time that the client has left.
func (c *Conn) farewell(code uint16, reason string) {
	c.link.Finish(closeFrame(code, reason))                       // false: there is nobody to tell
	_ = c.nc.SetReadDeadline(time.Now().Add(c.srv.opt.CloseWait)) // fails only on a closed connection
}

// run is the connection's goroutine, from the answer to the handshake to the end of the socket. Nearly all
// its time it waits for a silent client, and its stack is most of what that client costs: what needs room runs
// apart, so that the stack stays at 2 KB. (Once grown, it would stay so for good: the runtime halves a stack
// only when less than a quarter is in use.)
func (c *Conn) run(h *handshake) {
	open := false
	c.apart(func() { open = c.open(h) })
	for open && c.await() {
		open = false // should it panic
		c.apart(func() { open = c.takeIn() })
	}
	c.apart(c.finish)
}

// apart runs f on a stack of its own and returns when it is done.
func (c *Conn) apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.rescue()
		f()
	}()
	<-done
}

// finish does what is to be done once nothing is read any more.
func (c *Conn) finish() {
	silence := c.silence()
	more := c.endHandler()
	c.settle()
	c.cutOff()
	code := c.ending.Code()
	if code == conns.CodeAbnormal {
		c.srv.cuts.Ended(time.Now(), silence, c.srv.opt.Drops, c.srv.opt.Log)
		more = append(more, slog.Duration("silent", silence.Sent))
	}
	c.srv.remove(c, code)
	sent := c.out.Sent()
	attrs := []slog.Attr{
		slog.String("remote", c.remote), slog.String("transport", c.Transport()), slog.String("http", c.httpVersion()), slog.Int("code", int(code)), slog.Any("cause", c.readErr),
		slog.Duration("lasted", time.Duration(c.srv.now()-c.born)*time.Microsecond),
		slog.String("subprotocol", c.subprotocol), slog.Uint64("frames", sent.Frames), slog.Uint64("bytes", sent.Bytes),
	}
	c.srv.opt.Log.LogAttrs(context.Background(), slog.LevelInfo, "connection ended", append(attrs, more...)...)
}

// silence is how long nothing had passed when the reading was over.
func (c *Conn) silence() conns.Silence {
	last := max(c.heard.Load(), c.born)
	return conns.Silence{Sent: c.out.Silent(), Heard: time.Duration(c.srv.now()-last) * time.Microsecond}
}

// open answers the handshake and makes the handler. It returns false where the client is gone already.
func (c *Conn) open(h *handshake) bool {
	if h.key != "" {
		if _, err := c.link.Write(h.response()); err != nil {
			return false
		}
	}
	c.handling.Begin(c.srv.opt.NewHandler(c, c.framing))
	return true
}

// rescue ends the connection when its handling panics.
func (c *Conn) rescue() {
	if fault := recover(); fault != nil {
		conns.Failed(fault, c.remote, c.srv.opt.Drops, c.srv.opt.Log)
		c.Close(conns.CodeInternal, "internal error")
	}
}

// wake tells the handler that the outbox has nothing pending.
func (c *Conn) wake() {
	defer c.rescue()
	c.handling.Wake()
}

func (c *Conn) endHandler() (more []slog.Attr) {
	defer c.rescue()
	return c.handling.End()
}

// hear is the guard's clock, which it reads whenever bytes have come.
func (c *Conn) hear() int64 {
	now := c.srv.now()
	c.heard.Store(now)
	return now
}
