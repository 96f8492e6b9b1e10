package session

import (
	"fmt"
	"sync"

	"github.com/feedd/feedd/internal/drop"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

const noTokens = "this server takes no tokens, so none can be given or renewed; leave the token out"

// maxClientName bounds Hello.client in bytes.
const maxClientName = 128

func (s *Session) hello(id uint32, m *feedv1.Hello) {
	if len(m.Client) > maxClientName {
		s.refuse(id, feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, "client of %d bytes: at most %d are allowed", len(m.Client), maxClientName)
		return
	}
	if !s.greet() {
		s.refuse(id, feedv1.ErrorCode_ERROR_CODE_TOO_LATE, "hello must be the first request of a session, and the only one")
		return
	}
	s.mu.Lock()
	s.mu.client = m.Client
	s.mu.Unlock()
	s.env.Log.Debug("hello", "session", s.id, "client", m.Client)
	if !s.enter(id, m.Token) {
		return
	}
	f := s.welcome()
	f.ReplyTo = id
	if m.Token != "" && s.env.Access == nil {
		// The session goes on, but a client that believes it has proven who it is must hear otherwise.
		s.env.Counters.Add(drop.RefusedRequest, 1)
		f.Error = &feedv1.Error{Code: feedv1.ErrorCode_ERROR_CODE_NOT_SUPPORTED, Text: noTokens}
	}
	s.answer(f)
}

// welcome returns the frame that says what the session may do, and for whom it is taken.
func (s *Session) welcome() *feedv1.ServerFrame {
	t := s.tier()
	w := &feedv1.Welcome{
		Session: s.id, ServerTimeUs: s.env.Clock(), Server: s.env.Server, HeartbeatMs: uint32(s.env.Heartbeat.Milliseconds()),
		Limits: s.wireLimits(t), Alternates: s.env.alternates(), Webtransport: s.env.webTransport(),
	}
	for c := t.FastestAnywhere(); c < throttle.Cadences; c++ {
		w.CadencesMs = append(w.CadencesMs, millis(c))
	}
	return &feedv1.ServerFrame{Welcome: w, Identity: s.wireIdentity()}
}

func (s *Session) wireLimits(t *throttle.Tier) *feedv1.Limits {
	return &feedv1.Limits{
		ClientFrameBytes: uint32(s.env.ClientFrame), ServerFrameBytes: uint32(s.env.ServerFrame),
		Subscriptions: uint32(t.Subscriptions), SymbolsPerRequest: uint32(t.SymbolsPerRequest), RequestsPerSecond: uint32(t.RequestsPerSecond),
		BytesPerSecond: uint32(s.ceiling(t)),
	}
}

// millis is a cadence as the wire has it; 0 for Paused, which the grant's reason tells.
func millis(c throttle.Cadence) uint32 { return uint32(c.Interval().Milliseconds()) }

func wireGrant(g decision) *feedv1.Grant {
	return &feedv1.Grant{
		CadenceMs: millis(g.Cadence), Depth: uint32(g.Depth), Reason: feedv1.GrantReason(g.Reason), Policy: g.Revision,
		DelayMs: uint32(g.delay.Milliseconds()), SizeCadenceMs: millis(g.SizeChanges),
	}
}

// refuse answers a request with an error, and counts it.
func (s *Session) refuse(id uint32, code feedv1.ErrorCode, format string, args ...any) {
	s.answer(&feedv1.ServerFrame{ReplyTo: id, Error: s.refusal(code, format, args...)})
}

// refusal counts a refused request and says why.
func (s *Session) refusal(code feedv1.ErrorCode, format string, args ...any) *feedv1.Error {
	s.env.Counters.Add(drop.RefusedRequest, 1)
	return &feedv1.Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// answer sends one frame from within Receive, once the connection has room for it. False: it has ended.
func (s *Session) answer(f *feedv1.ServerFrame) bool {
	return s.conn.Drained() && s.send(f)
}

// send hands one frame to the connection. A frame without content is not sent: there was no answer to wait
// for.
func (s *Session) send(f *feedv1.ServerFrame) bool {
	buf := encoded.Get().(*[]byte)
	defer encoded.Put(buf)
	b, err := appendEncoded((*buf)[:0], s.encoding, f)
	if cap(b) <= largestEncoded {
		*buf = b
	}
	if err != nil {
		s.env.Log.Error("answer cannot be encoded", "session", s.id, "error", err)
		s.close(CloseInternalError, "an answer could not be encoded")
		return false
	}
	if len(b) == 0 || string(b) == "{}" {
		return true
	}
	return s.conn.SendControl(b)
}

// encoded holds buffers for frames that are handed on at once; largestEncoded bounds those that are kept.
var encoded = sync.Pool{New: func() any { return new([]byte) }}

const largestEncoded = 64 << 10
