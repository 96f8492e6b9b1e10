package ws

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/feedd/feedd/internal/outbox"
)

// Stats is a reading of a Server's counts.
type Stats struct {
	// Open is how many connections there are now, Blocked how many of them have bytes waiting.
	Open, Blocked int
	// Opened is how many there have been.
	Opened uint64
	// Closed is how many have ended, by close code; see the codes for those that are never sent.
	Closed map[uint16]uint64
	// Stalls is how often a frame did not go out at once.
	Stalls uint64
	// FramesOut and BytesOut are the frames sent, without what TLS adds; MessagesIn and BytesIn the messages
	// received, decompressed.
	FramesOut, BytesOut uint64
	MessagesIn, BytesIn uint64
	// DeflatedIn and DeflatedOut are the bytes of the frames that were compressed, before and after. A frame
	// that many connections share counts once.
	DeflatedIn, DeflatedOut uint64
}

// totals are the counts behind Stats.
type totals struct {
	opened              atomic.Uint64
	framesOut, bytesOut atomic.Uint64
	messagesIn, bytesIn atomic.Uint64
	deflated            deflateStats
	outbox              outbox.Stats

	mu     sync.Mutex
	closed map[uint16]uint64
}

func (t *totals) sent(n int) {
	t.framesOut.Add(1)
	t.bytesOut.Add(uint64(n))
}

func (t *totals) received(n int) {
	t.messagesIn.Add(1)
	t.bytesIn.Add(uint64(n))
}

func (t *totals) close(code uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed[code]++
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	t := &s.totals
	t.mu.Lock()
	closed := maps.Clone(t.closed)
	t.mu.Unlock()
	return Stats{
		Open: s.gate.count(), Blocked: int(t.outbox.Blocked.Load()), Opened: t.opened.Load(), Closed: closed,
		Stalls: t.outbox.Stalls.Load(), FramesOut: t.framesOut.Load(), BytesOut: t.bytesOut.Load(),
		MessagesIn: t.messagesIn.Load(), BytesIn: t.bytesIn.Load(),
		DeflatedIn: t.deflated.in.Load(), DeflatedOut: t.deflated.out.Load(),
	}
}
