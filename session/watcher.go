package session

import (
	"context"
	"time"
)

// lookEvery is the time between two looks at the directory. New instruments join as late as that, and a directory
// that changes without end costs each session no more than a look in that time.
const lookEvery = 200 * time.Millisecond

// Watch tells the sessions of env what is new in the directory and the lists, until ctx ends. each calls a function
// for every session of the moment. A session that could not take all is looked at again.
//
// The directory is asked for its revision rather than listened to: the answer is a number, and nothing has to be
// taken back at the end.
func Watch(ctx context.Context, env *Env, each func(func(*Session))) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	seen, unfinished := env.revisions(), false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := env.revisions()
		if now == seen && !unfinished {
			continue
		}
		seen, unfinished = now, false
		each(func(s *Session) {
			if !s.Refresh() {
				unfinished = true
			}
		})
	}
}
