package carrier

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/feedd/feedd/internal/outbox"
)

// Conn is a network connection that carries requests. Its methods may be called from any goroutine, and on a nil Conn, which
// stands for one that is not known.
type Conn struct {
	nc    net.Conn
	tuned sync.Once
}

// Context is for http.Server.ConnContext.
func Context(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, key{}, &Conn{nc: nc})
}

type key struct{}

// Of returns the connection that carries a request; nil: it is not known.
func Of(r *http.Request) *Conn {
	c, _ := r.Context().Value(key{}).(*Conn)
	return c
}

// Tune sets the options of the socket, once.
func (c *Conn) Tune(log *slog.Logger) {
	if c == nil {
		return
	}
	c.tuned.Do(func() {
		if err := outbox.Tune(c.nc); err != nil {
			log.Debug("socket options refused", "remote", c.nc.RemoteAddr(), "error", err)
		}
	})
}

// Close ends the connection with all that it carries.
func (c *Conn) Close() {
	if c != nil {
		_ = c.nc.Close() // what fails then has ended already
	}
}
