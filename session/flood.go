package session

import (
	"fmt"
	"time"

	"github.com/feedd/feedd/internal/drop"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

const (
	// maxFlood is how long a client may go on asking too often.
	maxFlood = 3 * time.Second
	// calm is a time without a refusal after which a flood is over.
	calm = time.Second
	// reportEvery is the shortest time between two answers about it: an answer to each of too many requests
	// would be a flood of its own.
	reportEvery = time.Second
)

// flood follows requests that were ignored because they were too many. Times are microseconds on Env.Clock.
type flood struct {
	since, last int64
	ignored     int // not reported yet
	reported    int64
}

// ignore notes one more and returns for how long this has been going on.
func (f *flood) ignore(now int64) time.Duration {
	if f.last == 0 || now-f.last > calm.Microseconds() {
		f.since = now
	}
	f.last = now
	f.ignored++
	return time.Duration(now-f.since) * time.Microsecond
}

// report returns how many are to be reported now.
func (f *flood) report(now int64) int {
	if f.ignored == 0 || (f.reported != 0 && now-f.reported < reportEvery.Microseconds()) {
		return 0
	}
	n := f.ignored
	f.ignored, f.reported = 0, now
	return n
}

// admit reports whether a request may be handled. Where not, it tells the client now and then, and ends a
// session that does not stop.
func (s *Session) admit(id uint32) bool {
	now := s.env.Clock()
	if s.allow(now) {
		return true
	}
	s.env.Counters.Add(drop.RefusedRequest, 1)
	s.mu.Lock()
	lasted := s.mu.flood.ignore(now)
	ignored := s.mu.flood.report(now)
	s.mu.Unlock()
	if lasted >= maxFlood {
		s.env.Counters.Add(drop.RequestFlood, 1)
		s.close(CloseTooManyRequests, fmt.Sprintf("more than %d requests a second for %v", s.tier().RequestsPerSecond, maxFlood))
		return false
	}
	if ignored > 0 {
		s.answer(&feedv1.ServerFrame{ReplyTo: id, Error: s.tooManyRequests(ignored)})
	}
	return false
}

// allow takes one from the allowance, if it has one left.
func (s *Session) allow(now int64) bool { return s.allowance.AllowN(time.UnixMicro(now), 1) }

func (s *Session) tooManyRequests(ignored int) *feedv1.Error {
	requests := "1 request was"
	if ignored > 1 {
		requests = fmt.Sprintf("%d requests were", ignored)
	}
	return &feedv1.Error{
		Code: feedv1.ErrorCode_ERROR_CODE_TOO_MANY_REQUESTS,
		Text: fmt.Sprintf("%s ignored: at most %d a second are allowed, %d at once after a quiet time", requests, s.tier().RequestsPerSecond, s.tier().RequestBurst),
	}
}
