package conns

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/feedd/feedd/internal/outgoing"
)

// Stats is a reading of what connections have brought and taken.
type Stats struct {
	// Open is how many connections there are now, Blocked how many of them have more waiting than they take, and Pending how many
	// bytes wait. A client between two polls is not blocked.
	Open, Blocked int
	Pending       int
	// OverHTTP2 is how many of those that are open began over HTTP/2, and share a connection of it.
	OverHTTP2 int
	// Opened is how many there have been.
	Opened uint64
	// Closed is how many have ended, by close code; see the codes for those that are never sent.
	Closed map[uint16]uint64
	// Stalls is how often one began to be blocked.
	Stalls uint64
	// FramesOut and BytesOut are the frames taken for clients, without what TLS and HTTP add; MessagesIn and BytesIn the messages
	// received, decompressed.
	FramesOut, BytesOut uint64
	MessagesIn, BytesIn uint64
}

// Add adds what other connections have brought and taken.
func (s *Stats) Add(o Stats) {
	s.Open += o.Open
	s.Blocked += o.Blocked
	s.Pending += o.Pending
	s.OverHTTP2 += o.OverHTTP2
	s.Opened += o.Opened
	s.Stalls += o.Stalls
	s.FramesOut += o.FramesOut
	s.BytesOut += o.BytesOut
	s.MessagesIn += o.MessagesIn
	s.BytesIn += o.BytesIn
	if s.Closed == nil {
		s.Closed = make(map[uint16]uint64)
	}
	for code, n := range o.Closed {
		s.Closed[code] += n
	}
}

// There adds a connection that there is.
func (s *Stats) There(sent outgoing.Sent, pending int) {
	s.Open++
	s.Pending += pending
	s.FramesOut += sent.Frames
	s.BytesOut += sent.Bytes
}

// Totals counts the connections of one kind. The zero value is ready; its methods may be called from any goroutine.
type Totals struct {
	Out outgoing.Stats // for the outgoing.Options of the connections

	opened              atomic.Uint64
	messagesIn, bytesIn atomic.Uint64

	mu     sync.Mutex
	closed map[uint16]uint64
	sent   outgoing.Sent // by connections that have ended
}

// Open counts a connection that begins.
func (t *Totals) Open() { t.opened.Add(1) }

// Receive counts a message of so many bytes.
func (t *Totals) Receive(bytes int) {
	t.messagesIn.Add(1)
	t.bytesIn.Add(uint64(bytes))
}

// Close counts a connection that has ended, and what it took.
func (t *Totals) Close(code uint16, sent outgoing.Sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed == nil {
		t.closed = make(map[uint16]uint64)
	}
	t.closed[code]++
	t.sent.Add(sent)
}

// Read returns the counts of this moment, without the connections that there are: see Stats.There.
func (t *Totals) Read() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{
		Blocked: int(t.Out.Blocked.Load()), Stalls: t.Out.Stalls.Load(), Opened: t.opened.Load(), Closed: maps.Clone(t.closed),
		FramesOut: t.sent.Frames, BytesOut: t.sent.Bytes, MessagesIn: t.messagesIn.Load(), BytesIn: t.bytesIn.Load(),
	}
}
