package ws

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/lxzan/gws"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outbox"
)

// verdict is why a connection ends that our side did not close.
type verdict struct {
	count  uint16 // the code that it is counted under
	code   uint16 // the code of the close frame; 0: one without a code
	reason string
	mute   bool // there is nobody to send a close frame to
}

// gwsInternal is what gws answers when it cannot inflate a message.
const gwsInternal = 1011

// judge finds the verdict once the reading is over.
func (c *Conn) judge() verdict {
	if closed := c.peerClosed(); closed != nil {
		code := c.reply
		if code == CodeNormal {
			code = closed.Code // an echo is what RFC 6455 expects; gws makes 1000 of every code below 1016
		}
		return verdict{count: countPeer(closed.Code, c.reply), code: code}
	}
	if refused := c.guard.Refused(); refused != nil {
		c.srv.opt.Drops.Add(refused.Drop, 1)
		return verdict{count: refused.Code, code: refused.Code, reason: refused.Text}
	}
	var status interface{ Uint16() uint16 } // an error of gws that is a close code
	switch {
	case errors.Is(c.out.Cause(), outbox.ErrWriteTimeout):
		return verdict{count: CodeNoProgress, mute: true}
	case errors.Is(c.readErr, syscall.ETIMEDOUT): // the kernel was the first to notice, and told the reader
		c.srv.opt.Drops.Add(drop.WriteTimeout, 1)
		return verdict{count: CodeNoProgress, mute: true}
	case errors.As(c.readErr, &status) && status.Uint16() == CodeTooBig:
		return said(CodeTooBig, fmt.Sprintf("message larger than %d bytes", c.srv.opt.MaxMessage))
	case errors.As(c.readErr, &status):
		return said(status.Uint16(), "violation of the WebSocket protocol")
	case c.reply == CodeBadText:
		return said(CodeBadText, "text that is not valid UTF-8")
	case c.reply == gwsInternal:
		return said(CodeBadText, "compressed message that cannot be decompressed")
	}
	return verdict{count: CodeAbnormal, mute: true}
}

func said(code uint16, reason string) verdict {
	return verdict{count: code, code: code, reason: reason}
}

// peerClosed returns the client's close frame, if it sent one.
func (c *Conn) peerClosed() *gws.CloseError {
	var closed *gws.CloseError
	if errors.As(c.readErr, &closed) {
		return closed
	}
	return nil
}

// countPeer is what the client's close code is counted under; reply is our answer to it. Clients can invent
// thousands of codes, which must not become thousands of counts.
func countPeer(code, reply uint16) uint16 {
	switch {
	case reply == CodeProtocol || reply == CodeBadText:
		return reply // the close frame itself was wrong
	case code == 0:
		return CodeNone
	case code >= CodeOwn:
		return CodeOwn
	}
	return code
}

// settle sees the client off: it sends the close frame, if that was not done, and waits a moment for it to
// arrive. A socket that is closed while bytes of the client are unread is reset, and the close frame is lost.
func (c *Conn) settle() {
	v := c.judge()
	switch {
	case !c.claim(v.count):
		if c.peerClosed() != nil {
			return // that was the answer to our close frame
		}
	case v.mute:
		return
	default:
		c.farewell(v.code, v.reason)
	}
	_, _ = io.Copy(io.Discard, c.nc) // until the client goes, or the deadline that farewell set
}
