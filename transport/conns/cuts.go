package conns

import (
	"log/slog"
	"sync"
	"time"

	"github.com/feedd/feedd/internal/drop"
)

// Silence is how long nothing had been sent to a client, and nothing had come from it, when its connection ended. 0: not known.
type Silence struct{ Sent, Heard time.Duration }

// Cuts finds out whether something between clients and here, such as a load balancer, ends connections that are silent for longer than it
// bears. Nobody says so: such connections just break. But they do so again and again behind the same silence, where clients that go
// or lose their link do so at any time. The zero value is ready, and its methods may be called from any goroutine.
type Cuts struct {
	mu          sync.Mutex
	sent, heard pattern
	told        time.Time // when the log was
}

const (
	// Busy connections are never silent for so long, so that how they end tells nothing.
	leastSilence = 900 * time.Millisecond
	// Of so many silences most must be alike. Of silences at random, between two heartbeats, one in several thousand finds that.
	cutsKept  = 8
	cutsAlike = 5
	// Connections that break together break for another reason, and tell no more than one of them would.
	cutsApart = time.Second
	// tellCuts is how often the log is told, at most.
	tellCuts = time.Minute
)

// Ended notes a connection that broke without a farewell at a time. Where it was cut for its silence that is counted, and told.
func (c *Cuts) Ended(at time.Time, s Silence, drops *drop.Counters, log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, heard := c.sent.ended(at, s.Sent), c.heard.ended(at, s.Heard)
	if !sent && !heard {
		return
	}
	drops.Add(drop.IdleCut, 1)
	if !c.told.IsZero() && at.Sub(c.told) < tellCuts {
		return
	}
	c.told = at
	silence, whose := s.Sent, "the server's"
	if !sent {
		silence, whose = s.Heard, "the client's"
	}
	log.Warn("something between clients and here cuts connections that are silent: raise its timeout above the ping interval of 25 s (nginx: proxy_read_timeout; HAProxy: timeout tunnel)",
		slog.Duration("cut_after", silence.Round(10*time.Millisecond)), slog.String("silence", whose))
}

// pattern is the silences behind which connections broke, the last few.
type pattern struct {
	silences [cutsKept]time.Duration
	next     int
	last     time.Time
}

// ended notes a silence, and reports whether most of those before were like it.
func (p *pattern) ended(at time.Time, silence time.Duration) bool {
	if silence < leastSilence {
		return false
	}
	alike := 0
	for _, s := range p.silences {
		if (s - silence).Abs() <= max(150*time.Millisecond, silence/20) {
			alike++
		}
	}
	if p.last.IsZero() || at.Sub(p.last) >= cutsApart {
		p.silences[p.next], p.last = silence, at
		p.next = (p.next + 1) % cutsKept
	}
	return alike >= cutsAlike
}
