package auth

import (
	"sync"

	"github.com/feedd/feedd/entitlement"
)

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

// Revocations are those in force. Its methods may be called from any goroutine.
type Revocations struct {
	mu    sync.RWMutex
	token map[string]Revocation
	user  map[string]Revocation
}

// NewRevocations returns an empty list.
func NewRevocations() *Revocations {
	return &Revocations{token: make(map[string]Revocation), user: make(map[string]Revocation)}
}

// Add takes in one. Of a user the latest counts.
func (l *Revocations) Add(r Revocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case r.Token != "":
		put(l.token, r.Token, r)
	case r.User != "" && l.user[r.User].Time <= r.Time:
		put(l.user, r.User, r)
	}
}

// put keeps the list within its bound.
func put(m map[string]Revocation, name string, r Revocation) {
	if _, there := m[name]; !there && len(m) >= MaxRevocations {
		oldest := ""
		for other, o := range m {
			if oldest == "" || o.Until < m[oldest].Until {
				oldest = other
			}
		}
		delete(m, oldest)
	}
	m[name] = r
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
