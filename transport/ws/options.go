package ws

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
)

// Handler is what a connection's messages are for. Receive and End are called from the connection's own
// goroutine; Wake from any other, but never before NewHandler has returned nor once End has begun.
type Handler interface {
	// Receive takes one message from the client. payload is valid only during the call.
	Receive(payload []byte)
	// Wake tells that the connection has brought out what it kept and takes frames again.
	Wake()
	// End tells that nothing more is received. Frames may still be sent until it returns, and are dropped. It returns
	// what the log should say of the connection beside what this package knows.
	End() []slog.Attr
}

// Options of a Server. NewHandler must be set; other fields that are zero mean the default.
type Options struct {
	// NewHandler begins the handling of a connection, on its goroutine, before the first message is read.
	// What is sent with f's frames goes through Conn.Send.
	NewHandler func(c *Conn, f fanout.Framing) Handler

	// Origins are the web pages that may connect, as "scheme://host[:port]", or "*" for any. None: pages of
	// the host that is asked, and pages of this machine (loopback names and addresses). A client that sends
	// no Origin is no browser and may always connect.
	Origins []string
	// Authenticate returns whom the token in a handshake speaks for; NewHandler finds it with Conn.Identity. nil: tokens
	// in handshakes are passed over. It may wait for some seconds.
	Authenticate func(token string) (*entitlement.Identity, error)
	// Strangers bounds clients until Conn.Admitted is called for them. The zero value: they are like everybody.
	Strangers struct {
		MaxConns   int // at a time
		MaxMessage int // bytes; 125 or more
	}
	// MaxConns bounds the connections. Default 19,000, for a limit of 20,000 open files.
	MaxConns int
	// MaxPerAddress bounds the connections from one IPv4 address or IPv6 /64. 0: no bound.
	MaxPerAddress int
	// AcceptRate bounds the handshakes per second from one address, AcceptBurst how many may come at once
	// (default: one second's worth, at least 1). 0: no bound.
	AcceptRate  float64
	AcceptBurst int

	// NodeRate bounds the handshakes per second from all addresses together, NodeBurst how many may come at once
	// (default: one second's worth, at least 1). 0: no bound.
	NodeRate  float64
	NodeBurst int

	// MaxMessage bounds a message from a client, as sent and decompressed. 125 bytes to 16 MiB, default 16 KiB.
	MaxMessage int
	// MaxQueued bounds the answers that wait for a client, in bytes. Default 64 KiB.
	MaxQueued int
	// WriteTimeout is how long a client may take nothing of what waits for it. Default 20 s.
	WriteTimeout time.Duration
	// PingInterval is the time between pings to a client, PongWait how long it may then stay silent.
	// Defaults 25 s and 20 s: a page in a debugger, or on a machine that swaps, comes back.
	PingInterval, PongWait time.Duration
	// CloseWait is how long a closed connection waits for the client's close frame. Default 1 s.
	CloseWait time.Duration

	// Deflate says what is compressed. Default DeflateAuto.
	Deflate Deflate
	// DeflateShare is how many cores compressing may take over time; beyond, frames go out as they are. 0 means a fifth
	// of the cores that there are.
	DeflateShare float64

	// Drops counts what is refused and ended. nil: not counted.
	Drops *drop.Counters
	// Log gets a line for each connection that ends (at level info) and for each fault of ours (error).
	// nil: nothing is logged.
	Log *slog.Logger
}

func (o *Options) complete() error {
	if o.NewHandler == nil {
		return errors.New("ws: Options.NewHandler is missing")
	}
	o.MaxConns = cmp.Or(o.MaxConns, 19_000)
	o.MaxMessage = cmp.Or(o.MaxMessage, 16<<10)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 20*time.Second)
	o.PingInterval = cmp.Or(o.PingInterval, 25*time.Second)
	o.PongWait = cmp.Or(o.PongWait, 20*time.Second)
	o.CloseWait = cmp.Or(o.CloseWait, time.Second)
	o.DeflateShare = cmp.Or(o.DeflateShare, float64(runtime.GOMAXPROCS(0))/5)
	o.AcceptBurst = cmp.Or(o.AcceptBurst, max(1, int(o.AcceptRate)))
	o.NodeBurst = cmp.Or(o.NodeBurst, max(1, int(o.NodeRate)))
	if o.Drops == nil {
		o.Drops = new(drop.Counters)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if n := o.Strangers.MaxMessage; n != 0 && (n < 125 || n > o.MaxMessage) {
		return fmt.Errorf("ws: Options.Strangers.MaxMessage is %d, must be 125 to MaxMessage", n)
	}
	if o.MaxMessage < 125 || o.MaxMessage > maxEcho {
		return fmt.Errorf("ws: Options.MaxMessage is %d, must be 125 to %d bytes", o.MaxMessage, maxEcho)
	}
	for name, v := range map[string]float64{
		"MaxConns": float64(o.MaxConns), "MaxPerAddress": float64(o.MaxPerAddress), "AcceptRate": o.AcceptRate,
		"AcceptBurst": float64(o.AcceptBurst), "NodeRate": o.NodeRate, "NodeBurst": float64(o.NodeBurst),
		"Strangers.MaxConns": float64(o.Strangers.MaxConns), "MaxQueued": float64(o.MaxQueued), "WriteTimeout": float64(o.WriteTimeout),
		"PingInterval": float64(o.PingInterval), "PongWait": float64(o.PongWait), "CloseWait": float64(o.CloseWait),
		"DeflateShare": o.DeflateShare,
	} {
		if v < 0 {
			return fmt.Errorf("ws: Options.%s is negative", name)
		}
	}
	return nil
}
