package stream

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/feedd/feedd/transport/gate"
)

const (
	// pollRoom is how many bytes may wait for a poll before frames are refused: most of an answer.
	pollRoom = 64 << 10
	// pollLinger is how long an answer waits for more once there is something: a cut may bring several frames, and answers to
	// requests are followed by rows.
	pollLinger = 10 * time.Millisecond
)

// pollParameters are those of every poll.
var pollParameters = []string{"wait_ms"}

// poll is what a client that polls has of the protocol: answers are numbered, and the last one is kept until the client says,
// with its next poll, that it has it. So nothing is lost with a response that does not arrive.
type poll struct {
	turn sync.Mutex // held while something is collected

	mu      sync.Mutex
	number  uint64 // of the last answer
	answer  []byte // the last answer; nil once the client has it
	over    bool   // nothing will come behind it
	waiting int    // polls that are being answered
	cancel  func() // ends the wait of the last that came
	heard   time.Time
}

// servePoll opens a connection with the client's first messages, and answers with what there is then.
func (s *Server) servePoll(w http.ResponseWriter, r *http.Request) *gate.Refusal {
	wait, wrong := s.pollWait(r)
	if wrong != nil {
		return wrong
	}
	c, wrong := s.open(Poll, w, r)
	if wrong != nil {
		return wrong
	}
	w.Header().Set(headerSecret, c.secret)
	return c.answerPoll(w, r, 0, wait)
}

// serveNextPoll takes what a client has to say, if anything, and answers with what there is for it.
func (s *Server) serveNextPoll(w http.ResponseWriter, r *http.Request) *gate.Refusal {
	c := s.find(Poll, r.PathValue("secret"))
	if c == nil {
		return unknown("/v1/poll")
	}
	if wrong := checkParameters(r, append([]string{"after", "send"}, pollParameters...)...); wrong != nil {
		return wrong
	}
	if r.URL.Query().Get("after") == "" {
		return &gate.Refusal{Status: http.StatusBadRequest, Text: "want after=N, the number of the last answer that arrived: the header " + headerAnswer + " says it"}
	}
	after, wrong := numberOf(r, "after")
	if wrong != nil {
		return wrong
	}
	wait, wrong := s.pollWait(r)
	if wrong != nil {
		return wrong
	}
	if wrong := s.takeMessages(c, w, r); wrong != nil && wrong.Status != http.StatusGone { // then the last answer says why
		return wrong
	}
	return c.answerPoll(w, r, after, wait)
}

// pollWait is how long a poll may wait.
func (s *Server) pollWait(r *http.Request) (time.Duration, *gate.Refusal) {
	ms, wrong := numberOf(r, "wait_ms")
	if wrong != nil || r.URL.Query().Get("wait_ms") == "" {
		return s.opt.PollWait, wrong
	}
	return min(s.opt.PollWait, time.Duration(min(ms, 1<<30))*time.Millisecond), nil
}

// answerPoll answers one poll.
func (c *Conn) answerPoll(w http.ResponseWriter, r *http.Request, after uint64, wait time.Duration) *gate.Refusal {
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	c.poll.arrive(cancel)
	defer c.poll.depart()
	body, number, wrong := c.collect(ctx, after)
	if wrong != nil {
		return wrong
	}
	h := w.Header()
	h.Set(headerAnswer, strconv.FormatUint(number, 10))
	if body == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h.Set("Content-Type", c.framing.kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(c.srv.opt.WriteTimeout)) // the write tells what is wrong with the connection
	if _, err := w.Write(body); err == nil && rc.Flush() == nil {
		_ = rc.SetWriteDeadline(time.Time{}) // or it would end the next request on the connection
	}
	return nil
}

// collect returns the answer behind the one that the client has, and its number: the last one once more, or a new one. nil: there
// is none yet.
func (c *Conn) collect(ctx context.Context, after uint64) (body []byte, number uint64, wrong *gate.Refusal) {
	p := &c.poll
	p.turn.Lock()
	defer p.turn.Unlock()
	again, number, wrong := p.acknowledge(after)
	switch {
	case wrong != nil:
		return nil, 0, wrong
	case again != nil:
		c.srv.resent.Add(1)
		return again, number, nil
	}
	body, over := c.out.Collect(ctx, pollLinger)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over = over; len(body) == 0 {
		if over {
			return nil, 0, ended()
		}
		return nil, p.number, nil
	}
	p.number++
	p.answer = body
	return body, p.number, nil
}

// acknowledge takes note of the last answer that the client has. It returns the one behind that, where it was given already.
func (p *poll) acknowledge(after uint64) (again []byte, number uint64, wrong *gate.Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case after+1 == p.number && p.answer != nil:
		return p.answer, p.number, nil
	case after != p.number:
		return nil, 0, &gate.Refusal{Status: http.StatusConflict, Text: fmt.Sprintf(
			"after=%d, while the last answer was number %d: want the number of the last answer that arrived; what came before is not kept, so open a new connection", after, p.number)}
	}
	p.answer = nil
	if p.over {
		return nil, 0, ended()
	}
	return nil, p.number, nil
}

func ended() *gate.Refusal {
	return &gate.Refusal{Status: http.StatusGone, Text: "the connection has ended, as its last message said; open a new one with POST /v1/poll"}
}

// arrive notes that a poll is being answered, and ends the wait of the one before: its client has given up on it.
func (p *poll) arrive(cancel func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
	}
	p.cancel = cancel
	p.waiting++
}

func (p *poll) depart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	p.heard = time.Now()
}

// away is how long the client has not been here.
func (p *poll) away(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting > 0 {
		return 0
	}
	return now.Sub(p.heard)
}
