package webtransport

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/feedd/feedd/transport/conns"
)

func TestHowAConnectionEnded(t *testing.T) {
	hungUp, silent := &quic.ApplicationError{Remote: true, ErrorCode: 0x100}, &quic.IdleTimeoutError{}
	for _, c := range []struct {
		stream, conn error // what the stream broke with, and why the connection ended as far as it is known by then
		code         uint16
	}{
		{hungUp, nil, conns.CodeNone},
		{errors.New("reset"), hungUp, conns.CodeNone},
		{fmt.Errorf("read: %w", hungUp), hungUp, conns.CodeNone},
		{silent, nil, conns.CodeNoPong},
		{errors.New("reset"), silent, conns.CodeNoPong},
		{errors.New("reset"), nil, 0},
		{&quic.ApplicationError{}, context.Canceled, 0}, // we closed it
	} {
		if got := countConn(errors.Join(c.stream, c.conn)); got != c.code {
			t.Errorf("%v, %v: counted as %d, want %d", c.stream, c.conn, got, c.code)
		}
	}
}
