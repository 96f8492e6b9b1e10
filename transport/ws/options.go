package ws

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Options of a Server. NewHandler must be set; other fields that are zero mean the default.
type Options struct {
	// NewHandler begins the handling of a connection, on its goroutine, before the first message is read.
	// What is sent with f's frames goes through Conn.Send.
	NewHandler func(c *Conn, f fanout.Framing) conns.Handler

	// Gate decides who may come in, and bounds their messages. nil: one of the server's own, with its defaults.
	Gate *gate.Gate

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
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 20*time.Second)
	o.PingInterval = cmp.Or(o.PingInterval, 25*time.Second)
	o.PongWait = cmp.Or(o.PongWait, 20*time.Second)
	o.CloseWait = cmp.Or(o.CloseWait, time.Second)
	o.DeflateShare = cmp.Or(o.DeflateShare, float64(runtime.GOMAXPROCS(0))/5)
	if o.Drops == nil {
		o.Drops = new(drop.Counters)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for name, v := range map[string]float64{
		"MaxQueued": float64(o.MaxQueued), "WriteTimeout": float64(o.WriteTimeout),
		"PingInterval": float64(o.PingInterval), "PongWait": float64(o.PongWait), "CloseWait": float64(o.CloseWait),
		"DeflateShare": o.DeflateShare,
	} {
		if v < 0 {
			return fmt.Errorf("ws: Options.%s is negative", name)
		}
	}
	if o.Gate == nil {
		own, err := gate.New(gate.Options{Drops: o.Drops})
		if err != nil {
			return err
		}
		o.Gate = own
	}
	return nil
}
