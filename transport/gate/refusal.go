package gate

import (
	"math/rand/v2"
	"net/http"
	"strconv"
)

// Refusal is an answer to a request that is not served. Its text says what would be right.
type Refusal struct {
	Status        int
	Text          string
	Header, Value string // one more header; "" for none
}

// Write answers a request with the refusal.
func (f *Refusal) Write(w http.ResponseWriter) {
	if f.Header != "" {
		w.Header().Set(f.Header, f.Value)
	}
	http.Error(w, f.Text, f.Status)
}

// RetryAfter refuses for now: the client may come again after so many seconds.
func RetryAfter(seconds, status int, text string) *Refusal {
	return &Refusal{status, text, "Retry-After", strconv.Itoa(seconds)}
}

// Stopping refuses since the server is about to stop.
func Stopping() *Refusal {
	return RetryAfter(1, http.StatusServiceUnavailable, "the server is about to stop; connect again, to another node if there is one")
}

// Unauthenticated refuses since it is not known who the client is; challenge is the parameters behind "Bearer", if any.
func Unauthenticated(text, challenge string) *Refusal {
	scheme := "Bearer"
	if challenge != "" {
		scheme += " " + challenge
	}
	return &Refusal{http.StatusUnauthorized, text, "WWW-Authenticate", scheme}
}

// The most that a client is asked to wait, in seconds. Each is told a time of its own, so that they do not come back
// together.
const (
	crowdWait    = 5
	overloadWait = 30
)

// comeBack is a wait at random, from 1 to most.
func comeBack(most int) int { return 1 + rand.IntN(most) }
