package auth

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/feedd/feedd/entitlement"
)

// MaxLifetime is how long a token may be good, and so how long revocations are remembered.
const MaxLifetime = 30 * 24 * time.Hour

// MaxRevocations is how many are kept; the oldest make room.
const MaxRevocations = 100_000

// Revocation takes tokens back. Exactly one of Token, User and Session is given.
type Revocation struct {
	Token   string `json:"token,omitempty"`   // one token, by its id
	User    string `json:"user,omitempty"`    // all tokens of a user that were made up to Time
	Session string `json:"session,omitempty"` // one connection, by the name in its welcome; its token stays good
	Time    int64  `json:"time"`              // when, in microseconds since the Unix epoch
	Until   int64  `json:"until"`             // when it may be forgotten: no token that it concerns is good by then
	Reason  string `json:"reason,omitempty"`  // for the client's eyes
}

// Validate reports what is wrong with one.
func (r *Revocation) Validate() error {
	given := 0
	for _, name := range []string{r.Token, r.User, r.Session, r.Reason} {
		if !nameOK(name) {
			return fmt.Errorf("revocation: want names and a reason of at most %d bytes of printable text", maxName)
		}
	}
	for _, name := range []string{r.Token, r.User, r.Session} {
		if name != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("revocation: want exactly one of a token, a user and a session")
	case r.Time <= 0 || r.Until < r.Time:
		return errors.New("revocation: want a time, and one after it until when it is remembered")
	}
	return nil
}

// Concerns reports whether a session's identity falls under r; session is its name.
func (r *Revocation) Concerns(id *entitlement.Identity, session string) bool {
	switch {
	case r.Session != "":
		return r.Session == session
	case id == nil:
		return false
	case r.Token != "":
		return r.Token == id.Token
	}
	return r.User == id.User && id.Issued <= r.Time
}

// Revocations are those in force. Its methods may be called from any goroutine.
type Revocations struct {
	mu    sync.RWMutex
	known bool // what there was has been told
	token map[string]Revocation
	user  map[string]Revocation
}

// NewRevocations returns an empty list.
func NewRevocations() *Revocations {
	return &Revocations{token: make(map[string]Revocation), user: make(map[string]Revocation)}
}

// Add takes in one. Of a user the latest counts. It reports whether another one in force had to make room.
func (l *Revocations) Add(r Revocation) (overflow bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case r.Token != "":
		return put(l.token, r.Token, r)
	case r.User != "" && l.user[r.User].Time <= r.Time:
		return put(l.user, r.User, r)
	}
	return false
}

// put keeps the list within its bound.
func put(m map[string]Revocation, name string, r Revocation) (overflow bool) {
	if _, there := m[name]; !there && len(m) >= MaxRevocations {
		overflow = true
		oldest := ""
		for other, o := range m {
			if oldest == "" || o.Until < m[oldest].Until {
				oldest = other
			}
		}
		delete(m, oldest)
	}
	m[name] = r
	return overflow
}

// Known says that what was revoked before is among them. Until then no token can be found to be good.
func (l *Revocations) Known() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = true
}

// Ready reports whether Known was called.
func (l *Revocations) Ready() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.known
}

// Forget lets go of those that no good token can fall under any more.
func (l *Revocations) Forget(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range []map[string]Revocation{l.token, l.user} {
		for name, r := range m {
			if r.Until <= now {
				delete(m, name)
			}
		}
	}
}

// Len is how many there are.
func (l *Revocations) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.token) + len(l.user)
}

// Holds reports whether somebody has been shut out. A token that does not say when it was made counts as older than
// any revocation.
func (l *Revocations) Holds(id *entitlement.Identity) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if _, ok := l.token[id.Token]; ok && id.Token != "" {
		return true
	}
	r, ok := l.user[id.User]
	return ok && id.User != "" && id.Issued <= r.Time
}
