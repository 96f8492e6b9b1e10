package ws

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/outbox"
	"github.com/feedd/feedd/internal/outlet"
)

// Stats is a reading of a Server's counts.
type Stats struct {
	// Open is how many connections there are now, Blocked how many of them have bytes waiting, and Pending how many bytes.
	Open, Blocked int
	Pending       int
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
	// DeflateTime is what compressing took, of frames that then went out uncompressed as well.
	DeflateTime time.Duration
	// DeflateHeld is how many frames were not compressed, although that would have paid, since compressing had its share
	// of the processor.
	DeflateHeld uint64
}

// totals are the counts behind Stats.
type totals struct {
	opened              atomic.Uint64
	messagesIn, bytesIn atomic.Uint64
	outbox              outbox.Stats
	outlet              outlet.Stats
	sent                outbox.Sent // by connections that have ended; under Server.mu

	mu     sync.Mutex
	closed map[uint16]uint64
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
	t, d := &s.totals, &s.deflate.stats
	t.mu.Lock()
	closed := maps.Clone(t.closed)
	t.mu.Unlock()
	st := Stats{
		Blocked: int(t.outbox.Blocked.Load() + t.outlet.Blocked.Load()), Opened: t.opened.Load(), Closed: closed,
		Stalls:     t.outbox.Stalls.Load() + t.outlet.Stalls.Load(),
		MessagesIn: t.messagesIn.Load(), BytesIn: t.bytesIn.Load(),
		DeflatedIn: d.in.Load(), DeflatedOut: d.out.Load(), DeflateTime: time.Duration(d.took.Load()), DeflateHeld: d.held.Load(),
	}
	s.mu.Lock()
	st.Open = len(s.conns)
	all := t.sent
	for _, c := range s.conns {
		all.Add(c.out.Sent())
		if c.out.Blocked() {
			st.Pending += c.out.Pending()
		}
	}
	s.mu.Unlock()
	st.FramesOut, st.BytesOut = all.Frames, all.Bytes
	return st
}
