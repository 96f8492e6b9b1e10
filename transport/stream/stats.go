package stream

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/feedd/feedd/internal/outlet"
)

// Stats is a reading of the counts of one way.
type Stats struct {
	// Open is how many connections there are now, Blocked how many of them have more waiting than they take, and Pending how many
	// bytes wait. A client between two polls is not blocked.
	Open, Blocked int
	Pending       int
	// Opened is how many there have been.
	Opened uint64
	// Closed is how many have ended, by close code.
	Closed map[uint16]uint64
	// Stalls is how often a client began to have more waiting than it takes.
	Stalls uint64
	// FramesOut and BytesOut are the frames taken, as they are written; MessagesIn and BytesIn the messages received.
	FramesOut, BytesOut uint64
	MessagesIn, BytesIn uint64
	// Resent is how many answers to polls were given once more, since they had not arrived.
	Resent uint64
}

// totals are the counts behind Stats.
type totals struct {
	opened, resent      atomic.Uint64
	messagesIn, bytesIn atomic.Uint64
	outlet              outlet.Stats

	mu     sync.Mutex
	sent   outlet.Sent // by connections that have ended
	closed map[uint16]uint64
}

func (t *totals) received(n int) {
	t.messagesIn.Add(1)
	t.bytesIn.Add(uint64(n))
}

func (t *totals) end(code uint16, sent outlet.Sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent.Add(sent)
	if t.closed == nil {
		t.closed = make(map[uint16]uint64)
	}
	t.closed[code]++
}

// Stats returns the counts of this moment, by way.
func (s *Server) Stats() (all [Ways]Stats) {
	open := s.all()
	for w := range Ways {
		t, st := &s.totals[w], &all[w]
		t.mu.Lock()
		sent := t.sent
		st.Closed = maps.Clone(t.closed)
		t.mu.Unlock()
		st.FramesOut, st.BytesOut = sent.Frames, sent.Bytes
		st.Opened, st.Resent = t.opened.Load(), t.resent.Load()
		st.MessagesIn, st.BytesIn = t.messagesIn.Load(), t.bytesIn.Load()
		st.Blocked, st.Stalls = int(t.outlet.Blocked.Load()), t.outlet.Stalls.Load()
	}
	for _, c := range open {
		st, sent := &all[c.way], c.out.Sent()
		st.Open++
		st.Pending += c.out.Pending()
		st.FramesOut += sent.Frames
		st.BytesOut += sent.Bytes
	}
	return all
}
