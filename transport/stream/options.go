package stream

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Options of a Server. Zero fields mean the default.
type Options struct {
	// NewHandler begins the handling of a connection, on its goroutine, before its first message. What is sent with f's
	// frames goes through Conn.Send.
	NewHandler func(c *Conn, f fanout.Framing) conns.Handler
	Gate       *gate.Gate
	// Strict: nobody is served without saying who that is, so an event stream without a token is refused with a status.
	Strict bool

	// MaxBody bounds a request's body, in bytes. Default 64 KiB.
	MaxBody int
	// MaxQueued bounds the answers that wait for a client, in bytes. Default 64 KiB, and three times that for one that polls.
	MaxQueued int
	// WriteTimeout is how long a client may take nothing of what waits for it. Default 20 s.
	WriteTimeout time.Duration
	// PollWait is how long a poll waits for something to answer, PollGrace how long a client may stay away between two polls.
	// Defaults 25 s, below what proxies allow, and 30 s.
	PollWait, PollGrace time.Duration
	// CloseWait is how long the last message may take to reach a client that streams. Default 1 s.
	CloseWait time.Duration

	// Drops counts what is refused and ended. nil: not counted.
	Drops *drop.Counters
	// Log gets a line for each connection that ends (at level info) and for each fault of ours (error). nil: nothing is
	// logged.
	Log *slog.Logger
}

func (o *Options) complete() error {
	if o.NewHandler == nil || o.Gate == nil {
		return errors.New("stream: Options.NewHandler and Options.Gate are needed")
	}
	for name, v := range map[string]int64{
		"MaxBody": int64(o.MaxBody), "MaxQueued": int64(o.MaxQueued), "WriteTimeout": int64(o.WriteTimeout), "PollWait": int64(o.PollWait),
		"PollGrace": int64(o.PollGrace), "CloseWait": int64(o.CloseWait),
	} {
		if v < 0 {
			return errors.New("stream: Options." + name + " is negative")
		}
	}
	o.MaxBody = cmp.Or(o.MaxBody, 64<<10)
	o.MaxQueued = cmp.Or(o.MaxQueued, 64<<10)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 20*time.Second)
	o.PollWait = cmp.Or(o.PollWait, 25*time.Second)
	o.PollGrace = cmp.Or(o.PollGrace, 30*time.Second)
	o.CloseWait = cmp.Or(o.CloseWait, time.Second)
	if o.Drops == nil {
		o.Drops = new(drop.Counters)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
