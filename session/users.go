package session

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// userRate and userBurst bound how often one user's sessions may begin: a desk of many screens comes back at once, and
	// nobody opens sessions all day.
	userRate  = 10 // a second
	userBurst = 100
	// manyUsers is how many are remembered before those are forgotten of whom there is nothing to remember.
	manyUsers = 1024
)

// Users counts the sessions that users have on this node. Its methods may be called from any goroutine; on nil they let
// everybody in.
type Users struct {
	mu      sync.Mutex
	of      map[string]*userSessions
	sweepAt int // how many there may be until the next sweep
}

type userSessions struct {
	open int
	pace *rate.Limiter
}

// NewUsers returns a count without anybody.
func NewUsers() *Users { return &Users{of: make(map[string]*userSessions), sweepAt: manyUsers} }

// why somebody is not let in.
type crowd uint8

const (
	room crowd = iota
	tooManySessions
	tooOften
)

// enter counts one more session of a user at now, in microseconds, unless that one has limit of them (0: no limit), or begins
// them too often. Those of nobody are not counted: addresses are, by the transport.
func (u *Users) enter(user string, limit int, now int64) crowd {
	if u == nil || user == "" {
		return room
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.of[user]
	if s == nil {
		u.sweep(now)
		s = &userSessions{pace: rate.NewLimiter(userRate, userBurst)}
		u.of[user] = s
	}
	switch {
	case !s.pace.AllowN(time.UnixMicro(now), 1):
		return tooOften
	case limit > 0 && s.open >= limit:
		return tooManySessions
	}
	s.open++
	return room
}

func (u *Users) leave(user string) {
	if u == nil || user == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.of[user].open--
}

// sweep forgets users without sessions whose pace has recovered, now and then, so that it costs each entry little.
func (u *Users) sweep(now int64) {
	if len(u.of) < u.sweepAt {
		return
	}
	for user, s := range u.of {
		if s.open == 0 && s.pace.TokensAt(time.UnixMicro(now)) >= userBurst {
			delete(u.of, user)
		}
	}
	u.sweepAt = max(manyUsers, 2*len(u.of))
}
