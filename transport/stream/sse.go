package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/params"
)

// asked is what the URL of an event stream says.
type asked struct {
	hello     *feedv1.Hello
	rate      *feedv1.SetRate // nil: nothing
	subscribe *feedv1.Subscribe
	resumed   map[string]position
	left      int // symbols for which the last id had no room
}

// ids of the requests that an event stream begins with.
const (
	helloID     = 1
	subscribeID = 2
	rateID      = 3
)

func parseSSE(r *http.Request) (asked, error) {
	q := params.New(r.URL.RawQuery)
	a := asked{hello: &feedv1.Hello{}, subscribe: q.Subscribe()}
	q.Stream(a.subscribe)
	if n := q.Number("max_bytes_per_second", 0, 1<<32-1, 0); n > 0 {
		most := uint32(n)
		a.rate = &feedv1.SetRate{MaxBytesPerSecond: &most}
	}
	a.hello.Client, _ = q.Text("client")
	a.hello.Client = clip(cmp.Or(a.hello.Client, r.UserAgent()))
	last, _ := q.Text("last_event_id")
	if err := q.End(); err != nil {
		return a, err
	}
	if len(a.subscribe.Symbols) == 0 {
		return a, errors.New("want symbols, such as symbols=sim:BTC-USD,sim:ETH-*,@majors")
	}
	var err error
	a.resumed, a.left, err = parseID(cmp.Or(r.Header.Get("Last-Event-ID"), last))
	if slices.Contains(a.subscribe.Channels, "trade") && !a.subscribe.TradeSummary {
		a.subscribe.Resume = resumes(a.resumed)
	}
	return a, err
}

// clip shortens a client's name to what a hello may hold.
func clip(name string) string {
	if len(name) <= 128 {
		return name
	}
	return string(bytes.ToValidUTF8([]byte(name[:128]), nil))
}

// messages are the requests that the URL stands for.
func (a *asked) messages() (all [][]byte) {
	frames := []*feedv1.ClientFrame{{Id: helloID, Request: &feedv1.ClientFrame_Hello{Hello: a.hello}}}
	if a.rate != nil {
		frames = append(frames, &feedv1.ClientFrame{Id: rateID, Request: &feedv1.ClientFrame_SetRate{SetRate: a.rate}})
	}
	frames = append(frames, &feedv1.ClientFrame{Id: subscribeID, Request: &feedv1.ClientFrame_Subscribe{Subscribe: a.subscribe}})
	for _, f := range frames {
		b, _ := protojson.Marshal(f) // fails only for text that is not UTF-8, which is then refused as malformed
		all = append(all, b)
	}
	return all
}

// serveSSE answers with an event stream. What is wrong with the subscription is told by a status, as an EventSource shows
// nothing else of a stream that does not begin.
func (s *Server) serveSSE(w http.ResponseWriter, r *http.Request) *gate.Refusal {
	entry, wrong := s.enter(r)
	if wrong != nil {
		return wrong
	}
	ask, err := parseSSE(r)
	if err != nil {
		entry.Leave()
		s.opt.Gate.CountRefused(http.StatusBadRequest)
		return &gate.Refusal{Status: http.StatusBadRequest, Text: err.Error()}
	}
	if s.opt.Strict && entry.Identity() == nil {
		entry.Leave()
		s.opt.Gate.CountRefused(http.StatusUnauthorized)
		return gate.Unauthenticated("this server wants to know who you are: send Authorization: Bearer TOKEN, or the cookie "+tokenCookie, "")
	}
	c := s.begin(SSE, entry, r, events, ask.messages())
	if c == nil {
		return gate.Stopping()
	}
	first, wrong := c.firstAnswer(r.Context())
	if wrong != nil {
		s.opt.Gate.CountRefused(wrong.Status)
		c.lost(conns.CodeNormal)
		close(c.written)
		<-c.ended
		return wrong
	}
	if len(ask.subscribe.Resume) > 0 {
		c.resumed = ask.resumed
		c.tellLeft(ask.left)
	}
	c.last(w, r, append(appendRetry(nil, firstRetry), first...))
	return nil
}

// firstRetry is how soon an EventSource comes back that was told nothing better.
var firstRetry = wait{500, 3000}

// tellLeft says of how many symbols the last id did not tell where they were.
func (c *Conn) tellLeft(n int) {
	if n == 0 {
		return
	}
	c.SendControl(c.framing.encode(&feedv1.ServerFrame{Error: &feedv1.Error{
		Code: feedv1.ErrorCode_ERROR_CODE_NOT_SUPPORTED,
		Text: fmt.Sprintf("the last event id had no room for the positions of %d symbols: their trades begin anew, and what came between may be lost; spread symbols over several streams", n),
	}}))
}

// answerWithin is how long an event stream waits for the answer to its subscription before it begins.
const answerWithin = 10 * time.Second

// firstAnswer waits for the answer to the subscription, and returns what came up to it, or why the stream does not begin.
func (c *Conn) firstAnswer(ctx context.Context) (begin []byte, wrong *gate.Refusal) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for {
		batch, over := c.out.Collect(ctx, 0)
		begin = append(begin, batch...)
		for line := range bytes.SplitSeq(batch, []byte("\n")) {
			payload, ok := bytes.CutPrefix(line, []byte("data: "))
			f := new(feedv1.ServerFrame)
			if !ok || (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(payload, f) != nil {
				continue
			}
			if done, wrong := judge(f); done {
				return begin, wrong
			}
		}
		if over || len(batch) == 0 {
			return begin, nil
		}
	}
}

// judge finds in a frame whether the stream begins: done once that is known.
func judge(f *feedv1.ServerFrame) (done bool, wrong *gate.Refusal) {
	switch {
	case f.Close != nil:
		return true, refusedBy(f.Close)
	case f.ReplyTo == rateID && f.Error != nil:
		return true, &gate.Refusal{Status: http.StatusBadRequest, Text: f.Error.Text}
	case f.ReplyTo != subscribeID:
		return false, nil
	case f.Subscribed == nil && f.Error != nil:
		return true, &gate.Refusal{Status: statusOf(f.Error.Code), Text: f.Error.Text}
	case f.Subscribed == nil || f.Subscribed.Partial:
		return true, nil
	}
	for _, res := range f.Subscribed.Results {
		if res.Handle != 0 || res.Code == feedv1.ErrorCode_ERROR_CODE_NO_MATCH { // the latter may come to fit something
			return true, nil
		}
	}
	for _, res := range f.Subscribed.Results {
		return true, &gate.Refusal{Status: statusOf(res.Code), Text: cmp.Or(res.Text, res.Symbol+": "+res.Code.String())}
	}
	return true, nil
}

// statusOf is the status that says what an error says.
func statusOf(code feedv1.ErrorCode) int {
	switch code {
	case feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, feedv1.ErrorCode_ERROR_CODE_NO_MATCH:
		return http.StatusNotFound
	case feedv1.ErrorCode_ERROR_CODE_NOT_ENTITLED:
		return http.StatusForbidden
	case feedv1.ErrorCode_ERROR_CODE_UNAUTHENTICATED:
		return http.StatusUnauthorized
	case feedv1.ErrorCode_ERROR_CODE_TOO_MANY_REQUESTS:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

// refusedBy is the answer for a session that ended before its stream began.
func refusedBy(end *feedv1.Close) *gate.Refusal {
	switch {
	case end.Code == 4510 || end.Code == 4511:
		return gate.Unauthenticated(end.Reason, "")
	case end.Code == 4012:
		return gate.RetryAfter(10, http.StatusTooManyRequests, end.Reason)
	case end.Code < 4500:
		return gate.RetryAfter(1, http.StatusServiceUnavailable, end.Reason)
	}
	return &gate.Refusal{Status: http.StatusForbidden, Text: end.Reason}
}
