package outlet

import (
	"cmp"
	"errors"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/drop"
)

// Why a connection takes nothing any more; see Conn.Cause.
var (
	// ErrWriteTimeout is the cause when the stream took nothing for the whole write timeout.
	ErrWriteTimeout = errors.New("outlet: the client takes nothing")
	// ErrOverflow is the cause when answers pile up because the client does not read them.
	ErrOverflow = errors.New("outlet: the client does not read its answers")
	// ErrFinished is what Write returns after Finish.
	ErrFinished = errors.New("outlet: write after the last frame")
	// ErrClosed is the cause after Close.
	ErrClosed = errors.New("outlet: closed")
)

// Room is how many bytes may be kept, by default, before further frames are refused: as many as a served socket's kernel
// keeps unsent. One frame may go beyond it.
const Room = 16 << 10

// Options are shared by all connections of a server and must not change once one was made. Zero fields mean
// the default.
type Options struct {
	// Room is how many bytes may be kept before further frames are refused. Default Room.
	Room int
	// MaxQueued bounds the bytes of answers that wait. A single larger one is taken when nothing waits. Default 64 KiB.
	MaxQueued int
	// WriteTimeout is how long a client may take nothing of what waits for it; each piece that it takes renews
	// it. Default 20 s.
	WriteTimeout time.Duration
	// Drops counts ControlOverflow and WriteTimeout. nil: not counted.
	Drops *drop.Counters
	// Stats sums up the connections. nil: not counted.
	Stats *Stats
}

// Stats sums up connections. The fields may be read at any time.
type Stats struct {
	// Blocked is how many connections refuse frames now, since earlier ones wait.
	Blocked atomic.Int64
	// Stalls is how often one began to.
	Stalls atomic.Uint64
}

func (o *Options) room() int { return cmp.Or(o.Room, Room) }

func (o *Options) maxQueued() int { return cmp.Or(o.MaxQueued, 64<<10) }

func (o *Options) writeTimeout() time.Duration { return cmp.Or(o.WriteTimeout, 20*time.Second) }

func (o *Options) dropped(r drop.Reason) {
	if o.Drops != nil {
		o.Drops.Add(r, 1)
	}
}

// blocked notes that a connection began (+1) or ceased (-1) to refuse frames.
func (o *Options) blocked(by int64) {
	if o.Stats == nil {
		return
	}
	o.Stats.Blocked.Add(by)
	if by > 0 {
		o.Stats.Stalls.Add(1)
	}
}
