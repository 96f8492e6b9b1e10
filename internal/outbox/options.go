package outbox

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/drop"
)

// Why a connection takes nothing any more; see Conn.Cause.
var (
	// ErrWriteTimeout is the cause when the peer took nothing for the whole write timeout.
	ErrWriteTimeout = errors.New("outbox: the peer takes nothing from the socket")
	// ErrOverflow is the cause when answers pile up because the peer does not read them.
	ErrOverflow = errors.New("outbox: the peer does not read its answers")
	// ErrFinished is what Write returns after Finish.
	ErrFinished = errors.New("outbox: write after the last frame")
)

// Options are shared by all connections of a server and must not change once one has started. Zero
// fields mean the default.
type Options struct {
	// MaxQueued bounds the bytes that Write may queue beyond the rest of one frame. Default 64 KiB.
	MaxQueued int
	// WriteTimeout is how long a peer may take nothing while something waits for it; every byte that it
	// takes renews it. Default 20 s: a page that stands still for ten is not gone.
	WriteTimeout time.Duration
	// Drops counts ControlOverflow and WriteTimeout. nil: not counted.
	Drops *drop.Counters
	// Stats sums up the connections. nil: not counted.
	Stats *Stats
}

// Stats sums up connections. The fields may be read at any time.
type Stats struct {
	// Blocked is how many connections have bytes waiting now.
	Blocked atomic.Int64
	// Stalls is how often the kernel did not take all of a frame at once.
	Stalls atomic.Uint64
}

const (
	defaultMaxQueued    = 64 << 10
	defaultWriteTimeout = 20 * time.Second
)

func (o *Options) maxQueued() int {
	if o.MaxQueued > 0 {
		return o.MaxQueued
	}
	return defaultMaxQueued
}

func (o *Options) writeTimeout() time.Duration {
	if o.WriteTimeout > 0 {
		return o.WriteTimeout
	}
	return defaultWriteTimeout
}

func (o *Options) dropped(r drop.Reason) {
	if o.Drops != nil {
		o.Drops.Add(r, 1)
	}
}

// blocked notes that a connection began (+1) or ceased (-1) to have bytes waiting.
func (o *Options) blocked(by int64) {
	if o.Stats == nil {
		return
	}
	o.Stats.Blocked.Add(by)
	if by > 0 {
		o.Stats.Stalls.Add(1)
	}
}
