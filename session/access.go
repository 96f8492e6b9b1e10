package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// Access tells who clients are. Its methods may be called from any goroutine.
type Access interface {
	// Authenticate returns whom a token speaks for, or what is wrong with it, in words that hold nothing of it. It may
	// wait for a few seconds. Errors that are entitlement.ErrUnavailable or ErrRevoked are told apart.
	Authenticate(token string) (*entitlement.Identity, error)
	// Anonymous returns who those are that bring no token; nil: they must have one.
	Anonymous() *entitlement.Identity
	// Revoked reports whether somebody who was let in has been shut out since.
	Revoked(id *entitlement.Identity) bool
}

const (
	// warnAhead is how long before its end a client is told that its token expires; some up to warnSpread earlier, so
	// that those who came together do not all renew in one second.
	warnAhead  = 60 * time.Second
	warnSpread = 15 * time.Second
)

// anybody is everyone's identity on a server that does not ask; nobody that of a client who has not said yet.
var (
	anybody = &entitlement.Identity{May: entitlement.Everything()}
	nobody  = &entitlement.Identity{}
)

const needsToken = "this server wants to know who you are: give a token in the first request, hello, in the header Authorization: Bearer TOKEN, or with a WebSocket as the subprotocol bearer.TOKEN"

// Identity is whom the session is taken for; nil: that is not known yet.
func (s *Session) Identity() *entitlement.Identity { return s.who.Load() }

// stranger is who says nothing of himself.
func (e *Env) stranger() *entitlement.Identity {
	if e.Access == nil {
		return anybody
	}
	return nobody
}

// user is the same, and never nil.
func (s *Session) user() *entitlement.Identity {
	if who := s.who.Load(); who != nil {
		return who
	}
	return nobody
}

// mustProve reports whether the client has yet to say who it is, and must.
func (s *Session) mustProve() bool { return s.who.Load() == nil && s.env.Access.Anonymous() == nil }

// enter finds out who a client is, from the token of its first request, which is answered under id. False: it is not let
// in, and the session ends.
func (s *Session) enter(id uint32, token string) bool {
	who := s.who.Load()
	switch {
	case s.env.Access == nil:
		return true
	case token != "":
		said, err := s.env.Access.Authenticate(token)
		if err == nil && who != nil && who.User != said.User {
			err = errors.New("the tokens of the handshake and of hello are of two users: give one")
		}
		if err != nil {
			s.shutOut(id, err)
			return false
		}
		who = said
	case who == nil:
		if who = s.env.Access.Anonymous(); who == nil {
			s.shutOut(id, errors.New(needsToken))
			return false
		}
	}
	s.work.Lock()
	defer s.work.Unlock()
	return s.take(who)
}

// take has the session be somebody's from now on. work is held, or nobody knows of the session yet. False: that one is
// not let in, and the session ends.
func (s *Session) take(who *entitlement.Identity) bool {
	before := s.who.Load()
	t := s.seen.policy.Tier(who.Tier)
	if before == nil {
		why := ""
		switch s.env.Users.enter(who.User, t.SessionsPerUser, s.env.Clock()) {
		case tooManySessions:
			why = fmt.Sprintf("user %q has %d sessions here, as many as one may have", clip(who.User, maxUserName), t.SessionsPerUser)
		case tooOften:
			why = fmt.Sprintf("user %q begins sessions too often", clip(who.User, maxUserName))
		}
		if why != "" {
			s.env.Counters.Add(drop.TooManySessions, 1)
			s.close(CloseTooManySessions, why)
			return false
		}
	}
	s.who.Store(who)
	s.tierName = who.Tier
	if before == nil {
		s.follow(t)
		s.conn.Admitted()
	}
	// Whoever revokes notes it first and goes through the sessions then. One of the two sees the other.
	if s.env.Access.Revoked(who) {
		s.Revoke(entitlement.ErrRevoked.Error())
		return false
	}
	return true
}

// leave ends what take began.
func (s *Session) leave() {
	if who := s.who.Load(); who != nil {
		s.env.Users.leave(who.User)
	}
}

// shutOut tells a client why it is not let in, and ends the session.
func (s *Session) shutOut(id uint32, err error) {
	code, reason := CloseUnauthenticated, "no token, or one that is no good; the error says why"
	switch {
	case errors.Is(err, entitlement.ErrUnavailable):
		code, reason = CloseAccessUnavailable, err.Error()
	case errors.Is(err, entitlement.ErrRevoked):
		code, reason = CloseRevoked, err.Error()
	}
	s.env.Counters.Add(drop.RefusedToken, 1)
	s.refuse(id, feedv1.ErrorCode_ERROR_CODE_UNAUTHENTICATED, "%v", err)
	s.close(code, reason)
}

// refresh takes a new token of the same user in place of the one before. What that one may no longer have ends, and what
// its patterns left out may join. A token that is no good changes nothing. work is held.
func (s *Session) refresh(id uint32, m *feedv1.RefreshToken) {
	who := s.user()
	switch {
	case s.env.Access == nil:
		s.refuse(id, feedv1.ErrorCode_ERROR_CODE_NOT_SUPPORTED, noTokens)
		return
	case m.Token == "":
		s.refuse(id, feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, "token is empty: give the new one")
		return
	}
	fresh, err := s.env.Access.Authenticate(m.Token)
	if err == nil && fresh.User != who.User {
		err = errors.New("the token is of another user: open a connection for that one")
	}
	if err != nil {
		s.env.Counters.Add(drop.RefusedToken, 1)
		s.refuse(id, feedv1.ErrorCode_ERROR_CODE_UNAUTHENTICATED, "%v; the one before is good until it expires", err)
		return
	}
	if s.take(fresh) && s.adopt(s.seen.policy, s.answer) {
		s.answer(&feedv1.ServerFrame{ReplyTo: id, Identity: s.wireIdentity()})
	}
}

func (s *Session) wireIdentity() *feedv1.Identity {
	who := s.who.Load()
	if who == nil || s.env.Access == nil {
		return nil
	}
	return &feedv1.Identity{User: who.User, Tier: s.tier().Name, ExpiresUs: who.Expires}
}

// maxUserName bounds the name of a user in what is shown, in bytes.
const maxUserName = 64

// Revoke ends a session whose user has been shut out.
func (s *Session) Revoke(reason string) {
	s.env.Counters.Add(drop.RevokedSession, 1)
	s.close(CloseRevoked, reason)
}

func (s *Session) expired(now int64) bool { return s.user().Expired(now) }

// expiring returns when the token expires, where the client is to be told now; else 0. mu is held.
func (s *Session) expiring(now int64) int64 {
	expires := s.user().Expires
	early := int64(0)
	for _, b := range []byte(s.id) { // the same for all of a session's tokens
		early = (early*31 + int64(b)) % warnSpread.Microseconds()
	}
	if expires == 0 || s.mu.warned == expires || now < expires-warnAhead.Microseconds()-early {
		return 0
	}
	s.mu.warned = expires
	return expires
}

// entitle narrows a decision down to what the session's user may have, and chooses the feed that it comes from.
func (s *Session) entitle(d *decision, symbol market.Symbol, sub *subscription) {
	var least time.Duration
	switch {
	case d.Timeliness == throttle.NoData:
		return
	case d.Timeliness == throttle.Delayed, sub.timeliness == isDelayed:
		least = someDelay
	}
	right := entitlement.Right{Delay: least}
	if may := s.user().May; !may.All() {
		view := market.View{Depth: sub.depth}
		if sub.grouped {
			view.Group = 1 // of whatever width
		}
		var ok bool
		if right, ok = may.Best(symbol.String(), sub.channel, view, least); !ok {
			d.deny(fmt.Sprintf("you are not entitled to its %v", sub.channel))
			if sub.grouped {
				d.deny("you are not entitled to the whole book, of which grouped levels are sums")
			}
			return
		}
	}
	if sub.channel == market.ChannelBook {
		d.Depth = right.Clamp(d.Depth)
	}
	if right.Delay > 0 && sub.timeliness == inRealTime {
		d.deny("you may have it delayed only; leave timeliness out")
		return
	}
	d.Timeliness = throttle.RealTime
	if right.Delay > 0 {
		d.Timeliness = throttle.Delayed
	}
	d.feed, d.delay, _ = s.env.feedWith(right.Delay)
}

func (d *decision) deny(why string) { d.Timeliness, d.denied = throttle.NoData, why }

// visible is the directory as far as somebody may know of it.
type visible struct {
	Directory
	may *entitlement.Set
}

// directory returns what patterns and searches of the session's user go through.
func (s *Session) directory() Directory {
	if may := s.user().May; !may.All() {
		return visible{s.env.Directory, may}
	}
	return s.env.Directory
}

func (v visible) Lookup(sym market.Symbol) (market.InstrumentID, bool) {
	id, ok := v.Directory.Lookup(sym)
	return id, ok && v.may.Knows(sym.String())
}

func (v visible) Match(pattern string, limit int) (ids []market.InstrumentID) {
	for _, id := range v.Directory.Match(pattern, maxInstruments) {
		if len(ids) == limit {
			break
		}
		if v.may.Knows(v.Directory.Instrument(id).Symbol.String()) {
			ids = append(ids, id)
		}
	}
	return ids
}

// maxInstruments is more than any directory holds.
const maxInstruments = 1 << 30
