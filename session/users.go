package session

import "sync"

// Users counts the sessions that users have on this node. Its methods may be called from any goroutine; on nil they let
// everybody in.
type Users struct {
	mu       sync.Mutex
	sessions map[string]int // of users who have any
}

// NewUsers returns a count without anybody.
func NewUsers() *Users { return &Users{sessions: make(map[string]int)} }

// enter counts one more session of a user, unless that one has limit of them; 0: no limit. Those of nobody are not
// counted: addresses are, by the transport.
func (u *Users) enter(user string, limit int) bool {
	if u == nil || user == "" {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if limit > 0 && u.sessions[user] >= limit {
		return false
	}
	u.sessions[user]++
	return true
}

func (u *Users) leave(user string) {
	if u == nil || user == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sessions[user]--; u.sessions[user] <= 0 {
		delete(u.sessions, user)
	}
}

// Len is how many users have sessions.
func (u *Users) Len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.sessions)
}
