package session

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

const (
	// helloTimeout is how long a connection may stay without asking for anything.
	helloTimeout = 10 * time.Second
	// maxMalformed messages end a session: its client will not get better.
	maxMalformed = 10
)

// Session is one client. Receive belongs to the connection's read goroutine; the other methods may be called
// from any goroutine, at any time.
type Session struct {
	// Never changed after New.
	env      *Env
	conn     Conn
	encoding fanout.Encoding
	engine   Subscriber
	id       string
	opened   int64 // on Env.Clock
	brief    bool  // it stays only for the beginning: see Env.Snapshot

	who       atomic.Pointer[entitlement.Identity] // nil: not known yet; replaced under work
	terms     atomic.Pointer[throttle.Tier]        // what it may have; replaced under work
	allowance *rate.Limiter                        // of requests and searches; safe by itself
	malformed int                                  // owned by Receive

	// Under work, which is held while a request is carried out, waits for the client included, and while what is
	// new in the directory is told. The engine and the connection never wait for it.
	work       sync.Mutex
	tierName   string // of the plan that its user is on; "" is the policy's default tier
	standing   standing
	easing     throttle.Easing
	lagged     lagged
	limited    int    // bytes a second, as the engine was told; 0: no ceiling
	ownCeiling uint32 // the client's, written by Receive alone; 0: none
	held       holdings
	live       *live     // nil: none
	seen       revisions // what was told is up to here
	rematch    bool      // patterns may have more than they had, though the directory is the same

	mu struct {
		sync.Mutex
		greeted bool  // a welcome was sent
		warned  int64 // of which expiry the client was warned
		closing bool  // the session has asked the connection to end
		ended   bool
		flood   flood
		pace    pace
		client  string // name and version of its software, as it says
		cancel  func() // cuts short what a request waits for; nil: it waits for nothing
	}
}

// standing is what holds for subscriptions to come that say nothing of it.
type standing struct {
	wish       throttle.Wish
	visibility throttle.Visibility
}

// New begins the session of a connection whose frames have the given framing. who is whom its handshake proved it to be;
// nil where that said nothing. End must be called for it.
func New(env *Env, conn Conn, framing fanout.Framing, who *entitlement.Identity) *Session {
	s := &Session{
		env: env, conn: conn, encoding: framing.Encoding(), id: env.newID(), opened: env.Clock(),
		standing: standing{wish: throttle.NoWish}, seen: env.revisions(),
	}
	t := s.seen.policy.Tier("")
	s.terms.Store(t)
	s.allowance = rate.NewLimiter(rate.Limit(t.RequestsPerSecond), t.RequestBurst)
	s.engine = env.attach(conn, framing)
	s.limit()
	switch {
	case env.Access == nil:
		s.who.Store(anybody)
	case who != nil:
		s.take(who)
	}
	return s
}

// Tier is the name of the plan that its user is on.
func (s *Session) Tier() string { return s.tier().Name }

// ID is the session's name in its welcome and in logs.
func (s *Session) ID() string { return s.id }

// Receive takes one message from the client and answers it.
func (s *Session) Receive(payload []byte) {
	if s.over() {
		return
	}
	f, err := decode(s.encoding, payload)
	if err != nil {
		s.receiveMalformed(f.Id, err)
		return
	}
	if !s.admit(f.Id) {
		return
	}
	if f.Request == nil {
		s.refuse(f.Id, feedv1.ErrorCode_ERROR_CODE_UNKNOWN_REQUEST, "a ClientFrame without a request that this server knows: it takes one of %s", requestNames())
		return
	}
	if hello := f.GetHello(); hello != nil {
		s.hello(f.Id, hello)
		return
	}
	if s.greet() && !(s.enter(f.Id, "") && s.answer(s.welcome())) {
		return
	}
	s.work.Lock()
	defer s.work.Unlock()
	switch r := f.Request.(type) {
	case *feedv1.ClientFrame_Subscribe:
		done := s.env.trace(s.id, "subscribe", len(r.Subscribe.Symbols))
		s.subscribe(f.Id, r.Subscribe)
		done()
	case *feedv1.ClientFrame_Unsubscribe:
		s.unsubscribe(f.Id, r.Unsubscribe)
	case *feedv1.ClientFrame_SetRate:
		s.setRate(f.Id, r.SetRate)
	case *feedv1.ClientFrame_Ping:
		s.answer(&feedv1.ServerFrame{ReplyTo: f.Id, Pong: &feedv1.Pong{ClientTimeUs: r.Ping.ClientTimeUs, ServerTimeUs: s.env.Clock()}})
	case *feedv1.ClientFrame_RefreshToken:
		s.refresh(f.Id, r.RefreshToken)
	}
}

func (s *Session) receiveMalformed(id uint32, err error) {
	s.malformed++
	if s.malformed < maxMalformed && !s.mustProve() {
		s.refuse(id, feedv1.ErrorCode_ERROR_CODE_MALFORMED, "%v", err)
		return
	}
	s.env.Counters.Add(drop.RefusedRequest, 1)
	s.close(CloseMalformed, fmt.Sprintf("%d messages were not a ClientFrame", s.malformed))
}

// Wake says that the connection takes frames again.
func (s *Session) Wake() { s.engine.Wake() }

// Tick does what is due at now, in microseconds on Env.Clock. Call it about once a second.
func (s *Session) Tick(now int64) {
	s.mu.Lock()
	late := !s.mu.greeted && now-s.opened >= helloTimeout.Microseconds()
	ignored := s.mu.flood.report(now)
	load, took := s.mu.pace.measure(now, s.engine.Load())
	over := s.mu.closing || s.mu.ended
	expires := s.expiring(now)
	s.mu.Unlock()
	switch {
	case over:
	case s.expired(now):
		s.env.Counters.Add(drop.ExpiredToken, 1)
		s.close(CloseTokenExpired, "the token has expired")
	case expires != 0:
		s.send(&feedv1.ServerFrame{TokenExpiring: &feedv1.TokenExpiring{ExpiresUs: expires}})
	case late:
		s.close(CloseHelloTimeout, fmt.Sprintf("nothing was asked within %v", helloTimeout))
	case ignored > 0:
		s.send(&feedv1.ServerFrame{Error: s.tooManyRequests(ignored)})
	}
	if !over {
		s.ease(now, load, took)
	}
}

// GoAway tells the client that its connection will end, and to come back between the two waits. Ending it is
// the caller's part.
func (s *Session) GoAway(reason string, waitMin, waitMax time.Duration) {
	if s.over() {
		return
	}
	s.mu.Lock()
	cancel := s.mu.cancel
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	s.send(&feedv1.ServerFrame{Goaway: &feedv1.GoAway{
		Reason: reason, ReconnectMinMs: uint32(waitMin.Milliseconds()), ReconnectMaxMs: uint32(waitMax.Milliseconds()),
		Alternates: s.env.alternates(),
	}})
}

// Cut ends the session for an operator, who says why.
func (s *Session) Cut(reason string) { s.close(CloseCut, reason) }

// Shed ends the session since the server has more to carry than it can, and asks the client to come back between the two
// waits.
func (s *Session) Shed(waitMin, waitMax time.Duration) {
	const reason = "the server has more to carry than it can"
	if s.over() {
		return
	}
	s.env.Counters.Add(drop.ShedSession, 1)
	s.GoAway(reason, waitMin, waitMax)
	s.close(CloseOverload, reason)
}

// Priority is that of the session's tier: see throttle.Tier.
func (s *Session) Priority() int { return s.tier().Priority }

// End ends the session: nothing is sent afterwards. Call it when the connection is over, after the last
// Receive; more than once does no harm. The first call returns what the log should say of the session.
func (s *Session) End() []slog.Attr {
	s.mu.Lock()
	ended := s.mu.ended
	s.mu.ended = true
	s.mu.Unlock()
	if ended {
		return nil
	}
	s.work.Lock() // Refresh may be about to subscribe something
	defer s.work.Unlock()
	without := s.engine.Detach()
	s.countEnd()
	s.releaseAll()
	s.held, s.live = holdings{}, nil // a look at the directory that was about to begin finds nothing to do
	s.leave()
	return []slog.Attr{
		slog.String("session", s.id), slog.String("tier", s.tier().Name), slog.Uint64("conflated", without.Conflated), slog.Uint64("lost", without.Lost),
		slog.Uint64("missed_frames", without.Missed),
	}
}

func (s *Session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closing || s.mu.ended
}

// greeted reports whether a welcome was sent, or is about to be.
func (s *Session) greeted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.greeted
}

// greet reports whether the client is still to be welcomed, and that it will be now.
func (s *Session) greet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.mu.greeted
	s.mu.greeted = true
	return first
}

func (s *Session) close(code CloseCode, reason string) {
	s.mu.Lock()
	closing := s.mu.closing
	s.mu.closing = true
	s.mu.Unlock()
	if !closing {
		s.conn.Close(code, reason)
	}
}
