package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/params"
)

// serveStream answers a client's first messages with a response that does not end.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) *gate.Refusal {
	c, wrong := s.open(Stream, w, r)
	if wrong != nil {
		return wrong
	}
	w.Header().Set(headerSecret, c.secret)
	c.last(w, r, nil)
	return nil
}

// open lets in a client whose first messages are the request's body.
func (s *Server) open(way Way, w http.ResponseWriter, r *http.Request) (*Conn, *gate.Refusal) {
	f, wrong := framingFor(r)
	if wrong != nil {
		s.opt.Gate.CountRefused(wrong.Status)
		return nil, wrong
	}
	entry, wrong := s.enter(r)
	if wrong != nil {
		return nil, wrong
	}
	messages, wrong := s.firstMessages(w, r, f, way, entry.MaxMessage())
	if wrong == nil && len(messages) == 0 {
		wrong = &gate.Refusal{Status: http.StatusBadRequest, Text: `the body is empty: want the client's first messages, such as {"subscribe":{"symbols":["sim:BTC-USD"]}}`}
	}
	if wrong != nil {
		entry.Leave()
		s.opt.Gate.CountRefused(wrong.Status)
		return nil, wrong
	}
	c := s.begin(way, entry, r, f, messages)
	if c == nil {
		return nil, gate.Stopping()
	}
	return c, nil
}

// firstMessages reads what a client begins with. A subscription in the URL, as event streams have it, would go unseen here.
func (s *Server) firstMessages(w http.ResponseWriter, r *http.Request, f *framing, way Way, maxMessage int) ([][]byte, *gate.Refusal) {
	known := []string(nil)
	if way == Poll {
		known = pollParameters
	}
	if wrong := checkParameters(r, known...); wrong != nil {
		wrong.Text += "; what a client wants stands in the body"
		return nil, wrong
	}
	return s.readMessages(w, r, f, maxMessage)
}

// checkParameters refuses what a URL has beside the known parameters.
func checkParameters(r *http.Request, known ...string) *gate.Refusal {
	q := params.New(r.URL.RawQuery)
	for _, name := range known {
		q.Text(name)
	}
	if err := q.End(); err != nil {
		return &gate.Refusal{Status: http.StatusBadRequest, Text: err.Error()}
	}
	return nil
}

// last writes the response to its end, on the goroutine of the HTTP handler, and returns when all is over. begin comes ahead of
// everything else.
func (c *Conn) last(w http.ResponseWriter, r *http.Request, begin []byte) {
	h := w.Header()
	h.Set("Content-Type", c.framing.kind)
	if r.ProtoMajor == 1 {
		h.Set("Connection", "close") // whoever comes again should come through the load balancer again
	}
	w.WriteHeader(http.StatusOK)
	stop := context.AfterFunc(r.Context(), c.out.Close) // the client is gone; Run says what else is known
	to := &response{w: w, rc: http.NewResponseController(w), tracks: c.framing == events}
	to.positions.at = c.resumed
	if err := to.start(begin, c.srv.opt.WriteTimeout); err != nil {
		c.lost(conns.CodeAbnormal)
	}
	err := c.out.Run(to)
	stop()
	close(c.written)
	switch {
	case errors.Is(err, outgoing.ErrWriteTimeout):
		c.lost(conns.CodeNoProgress)
	case err != nil:
		c.lost(conns.CodeAbnormal)
	}
	<-c.ended
}

// response is an HTTP response as an outlet writes to it.
type response struct {
	w         http.ResponseWriter
	rc        *http.ResponseController
	tracks    bool // it is an event stream, whose ids say how far it came
	positions positions
}

// start writes what comes ahead of the rest, if only the headers.
func (r *response) start(begin []byte, timeout time.Duration) error {
	_ = r.rc.SetWriteDeadline(time.Now().Add(timeout)) // the write tells what is wrong with the connection
	if len(begin) > 0 {
		begin = append(begin, r.Behind(begin)...)
	}
	_, err := r.Write(begin)
	return err
}

// Write brings out all of b.
func (r *response) Write(b []byte) (int, error) {
	if len(b) > 0 {
		if n, err := r.w.Write(b); err != nil {
			return n, err
		}
	}
	return len(b), r.rc.Flush()
}

// SetWriteDeadline bounds writes, the one that waits included.
func (r *response) SetWriteDeadline(t time.Time) error { return r.rc.SetWriteDeadline(t) }

// Behind returns the id that goes behind a batch with trades.
func (r *response) Behind(batch []byte) []byte {
	if !r.tracks || !r.positions.follow(batch) {
		return nil
	}
	r.positions.scratch = r.positions.appendID(r.positions.scratch[:0])
	return r.positions.scratch
}

// serveMessages takes further messages of a client that streams.
func (s *Server) serveMessages(w http.ResponseWriter, r *http.Request) *gate.Refusal {
	c := s.find(Stream, r.PathValue("secret"))
	if c == nil {
		return unknown("/v1/stream")
	}
	if wrong := checkParameters(r, "send"); wrong != nil {
		return wrong
	}
	if wrong := s.takeMessages(c, w, r); wrong != nil {
		return wrong
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveLeave ends the connection of a client that says it is done, which one that polls could not tell otherwise.
func (s *Server) serveLeave(way Way) answer {
	return func(w http.ResponseWriter, r *http.Request) *gate.Refusal {
		c := s.find(way, r.PathValue("secret"))
		if c == nil {
			return unknown("/v1/" + way.String())
		}
		c.lost(conns.CodeNormal)
		s.forget(c)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// unknown says that there is no connection with a secret.
func unknown(path string) *gate.Refusal {
	return &gate.Refusal{Status: http.StatusNotFound,
		Text: "no such connection on this node: it has ended, or is with another node, whose requests a load balancer must keep together; open a new one with POST " + path}
}

// takeMessages hands the messages in a request's body, if any, to a connection.
func (s *Server) takeMessages(c *Conn, w http.ResponseWriter, r *http.Request) *gate.Refusal {
	number, wrong := numberOf(r, "send")
	if wrong != nil {
		return wrong
	}
	messages, wrong := s.readMessages(w, r, c.framing, c.entry.MaxMessage())
	switch {
	case wrong != nil:
		return wrong
	case len(messages) == 0:
		return nil
	}
	switch c.intake.put(messages, number) {
	case full:
		return gate.RetryAfter(1, http.StatusTooManyRequests, "earlier messages are still being handled, since their answers wait to be read")
	case early:
		return &gate.Refusal{Status: http.StatusConflict, Text: fmt.Sprintf("send=%d, while send=%d has not arrived: send the messages of one request at a time", number, number-1)}
	case tooLate:
		return &gate.Refusal{Status: http.StatusGone, Text: "the connection is ending; its last message says why"}
	}
	return nil
}

// numberOf reads a parameter that is a whole number; 0 where it is not given.
func numberOf(r *http.Request, name string) (uint64, *gate.Refusal) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, &gate.Refusal{Status: http.StatusBadRequest, Text: fmt.Sprintf("%s=%q: want a whole number", name, text)}
	}
	return n, nil
}
