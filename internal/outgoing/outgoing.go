package outgoing

import (
	"cmp"
	"errors"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/drop"
)

// Why nothing more is taken for a client. After Close it is net.ErrClosed.
var (
	// ErrWriteTimeout: the client took nothing for the whole write timeout.
	ErrWriteTimeout = errors.New("outgoing: the client takes nothing")
	// ErrOverflow: answers pile up because the client does not read them.
	ErrOverflow = errors.New("outgoing: the client does not read its answers")
	// ErrFinished is what a write behind the last frame gets.
	ErrFinished = errors.New("outgoing: write after the last frame")
)

// Options are shared by all connections of a server and must not change once one has started. Zero fields mean the default.
type Options struct {
	// Room is how many bytes an outlet keeps before it refuses further frames. Default outlet.Room. An outbox has the kernel's buffer
	// for that, and refuses while anything is kept.
	Room int
	// MaxQueued bounds the bytes of answers that wait; see Queue. Default 64 KiB.
	MaxQueued int
	// WriteTimeout is how long a client may take nothing while something waits for it; whatever it takes
	// renews it. Default 20 s: a page that stands still for ten is not gone.
	WriteTimeout time.Duration
	// Drops counts ControlOverflow and WriteTimeout. nil: not counted.
	Drops *drop.Counters
	// Stats sums up the connections. nil: not counted.
	Stats *Stats
}

// Queue is how many bytes of answers may wait.
func (o *Options) Queue() int { return cmp.Or(o.MaxQueued, 64<<10) }

// Timeout is how long a client may take nothing.
func (o *Options) Timeout() time.Duration { return cmp.Or(o.WriteTimeout, 20*time.Second) }

// Dropped counts a reason.
func (o *Options) Dropped(r drop.Reason) {
	if o.Drops != nil {
		o.Drops.Add(r, 1)
	}
}

// Blocked notes that a connection began (+1) or ceased (-1) to refuse frames, since earlier ones wait.
func (o *Options) Blocked(by int64) {
	if o.Stats == nil {
		return
	}
	o.Stats.Blocked.Add(by)
	if by > 0 {
		o.Stats.Stalls.Add(1)
	}
}

// Stats sums up connections. The fields may be read at any time.
type Stats struct {
	// Blocked is how many connections refuse frames now, since earlier ones wait.
	Blocked atomic.Int64
	// Stalls is how often one began to.
	Stalls atomic.Uint64
}

// Sent is what was taken for a client.
type Sent struct{ Frames, Bytes uint64 }

// Add adds what was taken for another client.
func (s *Sent) Add(o Sent) {
	s.Frames += o.Frames
	s.Bytes += o.Bytes
}

// Frame adds a frame of so many bytes.
func (s *Sent) Frame(bytes int) {
	s.Frames++
	s.Bytes += uint64(bytes)
}
