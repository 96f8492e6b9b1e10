package session

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// Refusal is why a request was not carried out.
type Refusal struct {
	Code feedv1.ErrorCode
	Text string // what was wrong and what would be right
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Snapshot carries out a subscribe for somebody who stays only for the beginning: it returns one ServerFrame with the
// answer and, as of now, the rows that a new subscriber would begin with, statuses included, so that whatever reads a
// session's frames reads this one too. It fails with a Refusal
// where the request is not in order, names a channel that does not exist or finds nothing, and with a
// fanout.TooLargeError where the rows take more than limit bytes. who asks for it, and gets what that one may have; nil
// asks on a server that does not want to know. It may be called from any goroutine.
func (e *Env) Snapshot(who *entitlement.Identity, m *feedv1.Subscribe, encoding fanout.Encoding, limit int) ([]byte, error) {
	if who == nil {
		who = e.stranger()
	}
	t := e.Policy.Policy().Tier(who.Tier)
	s := &Session{
		env: e, encoding: encoding, brief: true, standing: standing{wish: throttle.NoWish},
		allowance: rate.NewLimiter(rate.Limit(t.RequestsPerSecond), max(t.RequestBurst, maxPatterns+maxSuggestions)),
	}
	s.who.Store(who)
	s.terms.Store(t)
	if code, text := s.checkSubscribe(m); text != "" {
		return nil, &Refusal{code, text}
	}
	r := s.gather(m, new(paper))
	defer s.releaseAll()
	if err := r.findings(); err != nil {
		return nil, err
	}
	items := r.moves.all()
	n := e.feedOfHandle(items[0].Handle)
	if slices.ContainsFunc(items, func(it fanout.Item) bool { return e.feedOfHandle(it.Handle) != n }) {
		return nil, &Refusal{feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, "some of this is for you in real time and some delayed, which one frame cannot hold: ask for each by itself, with timeliness"}
	}
	s.awaitState()
	rows, err := e.feed(n).Engine.Snapshot(items, encoding, limit)
	if err != nil {
		return nil, err
	}
	answer := &feedv1.ServerFrame{Subscribed: new(feedv1.Subscribed)}
	r.parts(0, func(part *feedv1.ServerFrame) bool {
		answer.Subscribed.Results = append(answer.Subscribed.Results, part.Subscribed.Results...)
		answer.Subscribed.Instruments = append(answer.Subscribed.Instruments, part.Subscribed.Instruments...)
		answer.Grants = append(answer.Grants, part.Grants...)
		return true
	})
	payload, err := encode(encoding, answer)
	if err != nil {
		return nil, fmt.Errorf("a snapshot cannot be encoded: %w", err)
	}
	return merge(encoding, payload, rows), nil
}

// stateWithin is how long a snapshot waits for instruments that the node did not carry until now. What is not there by
// then is told as syncing.
const stateWithin = 3 * time.Second

// awaitState waits for the state of what is held.
func (s *Session) awaitState() {
	if s.env.Interest == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stateWithin)
	defer cancel()
	for i := range s.held.instruments {
		if id := s.held.instruments[i].id; feedOf(id) == 0 {
			s.env.Interest.Await(ctx, idAlone(id))
		}
	}
}

// findings returns a Refusal where a channel does not exist, or where nothing was found.
func (r *request) findings() error {
	if i := slices.IndexFunc(r.channels, func(w channelWish) bool { return w.code != 0 }); i >= 0 {
		return &Refusal{r.channels[i].code, r.channels[i].text}
	}
	if slices.ContainsFunc(r.results, func(res result) bool { return res.handle != 0 }) {
		return nil
	}
	return &Refusal{r.results[0].code, r.results[0].text}
}

// all returns the items of all cadences.
func (m *moves) all() []fanout.Item { return slices.Concat(m.items[:]...) }
