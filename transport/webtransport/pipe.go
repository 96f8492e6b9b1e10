package webtransport

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/stream"
)

// pipe is the client's stream. It implements stream.Pipe.
type pipe struct {
	*webtransport.Stream
	conn *conn
}

// CloseWrite tells the client that nothing follows.
func (p pipe) CloseWrite() error { return p.Stream.Close() }

// Read reads what the client says. An error tells how the client ended it.
func (p pipe) Read(b []byte) (int, error) {
	n, err := p.Stream.Read(b)
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if code := p.why(err); code != 0 {
		err = &stream.EndedError{Code: code}
	}
	return n, err
}

// why returns the close code that the end of the stream counts as; 0: it is not known.
func (p pipe) why(err error) uint16 {
	if ended, ok := errors.AsType[*webtransport.SessionError](err); ok && ended.Remote {
		return countPeer(uint32(ended.ErrorCode))
	}
	if _, ok := errors.AsType[*http3.Error](err); ok {
		select { // the session broke, which the end of the connection does a moment ahead of its reason
		case <-p.conn.Context().Done():
		case <-time.After(closeWithin):
		}
	}
	// A stream may break with the reason of its connection before the connection's context has it.
	return countConn(errors.Join(err, context.Cause(p.conn.Context())))
}

// countConn is what the end of a connection is counted under; 0: it is not known.
func countConn(err error) uint16 {
	if _, silent := errors.AsType[*quic.IdleTimeoutError](err); silent {
		return conns.CodeNoPong
	}
	if hungUp, ok := errors.AsType[*quic.ApplicationError](err); ok && hungUp.Remote {
		return conns.CodeNone
	}
	return 0
}

// countPeer is what a client's own code is counted under: there are too many to count each.
func countPeer(code uint32) uint16 {
	switch {
	case code == 0:
		return conns.CodeNormal
	case code == uint32(conns.CodeNormal), code == uint32(conns.CodeGoingAway):
		return uint16(code)
	}
	return conns.CodeOwn
}
