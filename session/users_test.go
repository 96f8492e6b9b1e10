package session

import (
	"fmt"
	"testing"
)

func TestUsers(t *testing.T) {
	u, now := NewUsers(), int64(1_700_000_000_000_000)
	for n := range 3 {
		if got := u.enter("ada", 3, now); got != room {
			t.Fatalf("session %d: %v", n+1, got)
		}
	}
	if got := u.enter("ada", 3, now); got != tooManySessions {
		t.Errorf("a fourth: %v", got)
	}
	if u.enter("bob", 3, now) != room || u.enter("", 1, now) != room || u.enter("", 1, now) != room {
		t.Error("others are kept out")
	}
	u.leave("ada")
	if got := u.enter("ada", 3, now); got != room {
		t.Errorf("when one has gone: %v", got)
	}
	for n := range 200 {
		switch got := u.enter("eve", 0, now); {
		case n < userBurst && got != room, n >= userBurst && got != tooOften:
			t.Fatalf("attempt %d at once: %v", n, got)
		}
	}
	if got := u.enter("eve", 0, now+1_000_000); got != room {
		t.Errorf("a second later: %v", got)
	}
	var nobody *Users
	if nobody.enter("ada", 1, now) != room {
		t.Error("where nobody counts, somebody is kept out")
	}
	nobody.leave("ada")
}

// Users who have gone are forgotten, but not so soon that coming and going costs them nothing.
func TestUsersAreForgotten(t *testing.T) {
	u, now := NewUsers(), int64(1_700_000_000_000_000)
	for n := range 100_000 {
		now += 10_000
		user := fmt.Sprint("user ", n)
		u.enter(user, 0, now)
		u.leave(user)
	}
	if n := len(u.of); n > 2*manyUsers {
		t.Errorf("%d users are remembered", n)
	}
}
