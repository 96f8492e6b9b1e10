package ws

import (
	"errors"
	"io"
	"syscall"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/inbox"
	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/transport/conns"
)

// verdict is why a connection ends that our side did not close.
type verdict struct {
	count  uint16 // the code that it is counted under
	code   uint16 // the code of the close frame; 0: one without a code
	reason string
	mute   bool // there is nobody to send a close frame to
}

// judge finds the verdict once the reading is over.
func (c *Conn) judge() verdict {
	if closed := c.peerClosed(); closed != nil {
		return verdict{count: countPeer(closed), code: closed.Reply}
	}
	if refused := c.guard.Refused(); refused != nil {
		c.srv.opt.Drops.Add(refused.Drop, 1)
		return verdict{count: refused.Code, code: refused.Code, reason: refused.Text}
	}
	var unreadable *inbox.Error
	switch {
	case errors.Is(c.out.Cause(), outgoing.ErrWriteTimeout):
		return verdict{count: conns.CodeNoProgress, mute: true}
	case errors.Is(c.readErr, syscall.ETIMEDOUT): // the kernel was the first to notice, and told the reader
		c.srv.opt.Drops.Add(drop.WriteTimeout, 1)
		return verdict{count: conns.CodeNoProgress, mute: true}
	case errors.As(c.readErr, &unreadable):
		return verdict{count: unreadable.Code, code: unreadable.Code, reason: unreadable.Text}
	}
	return verdict{count: conns.CodeAbnormal, mute: true}
}

// peerClosed returns the client's close frame, if it sent one.
func (c *Conn) peerClosed() *inbox.Closed {
	var closed *inbox.Closed
	if errors.As(c.readErr, &closed) {
		return closed
	}
	return nil
}

// countPeer is what the client's close code is counted under. Clients can invent thousands of codes, which must not
// become thousands of counts.
func countPeer(closed *inbox.Closed) uint16 {
	switch {
	case closed.Reply == conns.CodeProtocol || closed.Reply == conns.CodeBadText:
		return closed.Reply // the close frame itself was wrong, unless it says so of ours
	case closed.Code == 0:
		return conns.CodeNone
	case closed.Code >= conns.CodeOwn:
		return conns.CodeOwn
	}
	return closed.Code
}

// settle sees the client off: it sends the close frame, if that was not done, and waits a moment for it to
// arrive. A socket that is closed while bytes of the client are unread is reset, and the close frame is lost.
func (c *Conn) settle() {
	v, answered := c.judge(), false
	switch {
	case !c.ending.Claim(v.count):
		answered = c.peerClosed() != nil // our close frame
	case v.mute:
		return
	default:
		c.farewell(v.code, v.reason)
	}
	if st, ok := c.nc.(*stream); ok {
		// Its end does not overtake the close frame, nor cut off the write of one that was answered before that returned. What is unread
		// does no harm.
		st.await(c.srv.opt.CloseWait)
		return
	}
	if !answered {
		_, _ = io.Copy(io.Discard, c.nc) // until the client goes, or the deadline that farewell set
	}
}
