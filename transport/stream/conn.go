package stream

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/internal/outlet"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Conn is one client's connection. Its exported methods may be called from any goroutine; all but Drained return at once.
type Conn struct {
	// Constant.
	srv     *Server
	way     Way
	secret  string // under which further requests come; "" for none
	entry   *gate.Entry
	remote  string
	http    string // the version that it began over
	framing *framing
	born    time.Time
	out     *outlet.Conn
	intake  intake
	pipe    Pipe          // nil: over HTTP, where messages come by intake
	from    *bufio.Reader // of pipe
	written chan struct{} // closed when nothing more is written; nil where answers come one by one
	ended   chan struct{} // closed when all is over

	resumed map[string]position // where an event stream goes on; before it begins

	poll poll

	seat     int // in srv.conns, which keeps it
	handling conns.Handling
	ending   conns.Ending

	mu     sync.Mutex
	reason string      // why the connection ends, if it was us
	cut    *time.Timer // ends the wait for the last message to get out
}

// Way is how a connection's messages travel.
type Way uint8

// Ways.
const (
	SSE          Way = iota // an event stream
	Stream                  // an answer that never ends
	Poll                    // one request after the other
	WebTransport            // a stream of QUIC
	Ways
)

var wayNames = [Ways]string{SSE: "sse", Stream: "stream", Poll: "poll", WebTransport: "webtransport"}

// String names a way as metrics and operators do.
func (w Way) String() string { return wayNames[w] }

// Remote is the client's address.
func (c *Conn) Remote() string { return c.remote }

// Transport names what the connection runs over.
func (c *Conn) Transport() string { return c.way.String() }

// Identity is whom the token in the request speaks for; nil: there was none.
func (c *Conn) Identity() *entitlement.Identity { return c.entry.Identity() }

// Admitted says that it is known who the client is, so that bounds for those of whom it is not no longer hold.
func (c *Conn) Admitted() { c.entry.Admitted() }

// Send takes one frame, made by the connection's Framing. It returns false, and takes nothing, while the client is not ready and
// once the connection ends. Handler.Wake is called when it is ready again. frame may be reused at once.
func (c *Conn) Send(frame []byte) bool { return c.out.Send(frame) }

// Outlet is where Send hands frames to. Whoever sends many spares a step by going there.
func (c *Conn) Outlet() fanout.Conn { return c.out }

// Ready tells whether Send would take a frame.
func (c *Conn) Ready() bool { return c.out.Ready() }

// Drained waits until the client is ready for more answers, or was for a moment since the call. It returns false once the
// connection ends.
func (c *Conn) Drained() bool { return c.out.Drained() }

// SendControl frames one payload and sends it behind what waits. When too much waits already, it returns false, takes nothing,
// and the connection ends with conns.CodeOverflow. It also returns false once the connection ends for another reason. payload may be
// reused at once.
func (c *Conn) SendControl(payload []byte) bool {
	_, err := c.out.Write(c.framing.AppendFrame(make([]byte, 0, len(payload)+64), payload, fanout.UseControl, 1))
	if errors.Is(err, outgoing.ErrOverflow) {
		c.Close(conns.CodeOverflow, "too many answers wait to be read")
	}
	return err == nil
}

// Close ends the connection: its last message says why, nothing more is sent, and messages are no longer handled. Only the
// first call counts.
func (c *Conn) Close(code uint16, reason string) {
	if c.ending.Claim(code) {
		c.farewell(code, reason)
	}
}

// farewell sends the last message, and bounds the time that it has to get out.
func (c *Conn) farewell(code uint16, reason string) {
	c.out.Finish(c.lastFrame(code, reason)) // false: there is nobody to tell
	c.deafen(c.srv.opt.CloseWait)
	if c.way == Poll {
		return // the client has the usual time to come and ask for it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reason = reason
	c.cut = time.AfterFunc(c.srv.opt.CloseWait, c.out.Close)
}

// lastFrame is the message that a connection ends with.
func (c *Conn) lastFrame(code uint16, reason string) []byte {
	payload := c.framing.encode(&feedv1.ServerFrame{Close: &feedv1.Close{Code: uint32(code), Reason: strings.ToValidUTF8(reason, "\uFFFD")}})
	var frame []byte
	if c.framing == events {
		frame = appendRetry(frame, waitAfter(code))
	}
	return c.framing.AppendFrame(frame, payload, fanout.UseControl, 1)
}

// waitAfter is how long a client that comes back by itself, as an EventSource does, is asked to wait after a close code: a
// minute where coming back is of no use. 0: as long as it was asked to before.
func waitAfter(code uint16) wait {
	for _, row := range session.CloseCodes() {
		switch {
		case uint16(row.Code) != code:
		case !row.Reconnect:
			return wait{60_000, 90_000}
		default:
			return wait{uint32(row.WaitMin.Milliseconds()), uint32(row.WaitMax.Milliseconds())}
		}
	}
	return wait{}
}

// lost ends a connection whose client is gone or takes nothing.
func (c *Conn) lost(code uint16) {
	c.ending.Claim(code)
	c.out.Close()
	c.deafen(0)
}

// cutOff ends the connection at once, since the server stops.
func (c *Conn) cutOff() { c.lost(conns.CodeGoingAway) }

// run is the connection's own goroutine: it handles what the client says, one message after the other.
func (c *Conn) run() {
	c.guarded(c.open)
	for {
		m, more := c.next()
		if !more {
			break
		}
		c.guarded(func() { c.receive(m) })
	}
	c.finish()
}

// open makes the handler.
func (c *Conn) open() {
	c.handling.Begin(c.srv.opt.NewHandler(c, c.framing))
}

func (c *Conn) receive(message []byte) {
	if c.ending.Code() == 0 {
		c.srv.totals[c.way].Receive(len(message))
		c.handling.Receive(message)
	}
}

// finish does what is to be done once nothing is handled any more.
func (c *Conn) finish() {
	defer close(c.ended)
	silence := conns.Silence{Sent: c.out.Silent()} // what the client says comes by other requests
	var more []slog.Attr
	c.guarded(func() { more = c.handling.End() })
	if c.written != nil {
		<-c.written // the last message may be on its way
	}
	code := c.ending.Code()
	if code == conns.CodeAbnormal && c.way != Poll {
		c.srv.cuts.Ended(time.Now(), silence, c.srv.opt.Drops, c.srv.opt.Log)
		more = append(more, slog.Duration("silent", silence.Sent))
	}
	c.srv.remove(c, code)
	sent := c.out.Sent()
	attrs := []slog.Attr{
		slog.String("remote", c.remote), slog.String("transport", c.way.String()), slog.String("http", c.http), slog.Int("code", int(code)), slog.Any("cause", c.out.Cause()),
		slog.Duration("lasted", time.Since(c.born)), slog.Uint64("frames", sent.Frames), slog.Uint64("bytes", sent.Bytes),
	}
	c.srv.opt.Log.LogAttrs(context.Background(), slog.LevelInfo, "connection ended", append(attrs, more...)...)
}

// guarded calls f, and ends the connection when that panics.
func (c *Conn) guarded(f func()) {
	defer func() {
		if fault := recover(); fault != nil {
			conns.Failed(fault, c.remote, c.srv.opt.Drops, c.srv.opt.Log)
			c.Close(conns.CodeInternal, "internal error")
		}
	}()
	f()
}

// wake tells the handler that the client is ready again.
func (c *Conn) wake() {
	c.guarded(c.handling.Wake)
}
