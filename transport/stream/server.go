package stream

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
	"github.com/feedd/feedd/internal/outlet"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// Server serves the client protocol over plain HTTP. Make it with New and end it with Shutdown. Its methods may be called from
// any goroutine.
type Server struct {
	// Constant.
	opt     Options
	outlets [Ways]outgoing.Options
	mux     *http.ServeMux

	conns  *conns.Set[*Conn]
	totals [Ways]conns.Totals
	cuts   conns.Cuts
	resent atomic.Uint64 // answers to polls that were given once more

	mu      sync.Mutex
	secrets map[string]*Conn // of the connections that have one, and of polls that have ended and may still be asked for their last answer
}

// New returns a Server that is ready to serve. An error names the option that is wrong.
func New(opt Options) (*Server, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	s := &Server{opt: opt, mux: http.NewServeMux(), conns: conns.NewSet((*Conn).Close, (*Conn).cutOff), secrets: make(map[string]*Conn)}
	for w := range Ways {
		s.outlets[w] = outgoing.Options{MaxQueued: opt.MaxQueued, WriteTimeout: opt.WriteTimeout, Drops: opt.Drops, Stats: &s.totals[w].Out}
	}
	// What waits for a poll goes out in one answer, which may be larger than what fits a socket's buffer.
	s.outlets[Poll].Room, s.outlets[Poll].MaxQueued = pollRoom, 3*opt.MaxQueued
	s.route()
	s.conns.Sweep(max(time.Millisecond, min(time.Second, opt.PollGrace/4)), s.endAway)
	return s, nil
}

func (s *Server) route() {
	for path, serve := range map[string]map[string]answer{
		"/v1/sse":             {http.MethodGet: s.serveSSE},
		"/v1/stream":          {http.MethodPost: s.serveStream},
		"/v1/stream/{secret}": {http.MethodPost: s.serveMessages, http.MethodDelete: s.serveLeave(Stream)},
		"/v1/poll":            {http.MethodPost: s.servePoll},
		"/v1/poll/{secret}":   {http.MethodPost: s.serveNextPoll, http.MethodDelete: s.serveLeave(Poll)},
	} {
		s.mux.Handle(path, s.entrance(serve))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("nothing at %q: want /v1/sse, /v1/stream or /v1/poll, the latter two with /SECRET for further messages", r.URL.Path), http.StatusNotFound)
	})
}

// ServeHTTP serves requests for /v1/sse, /v1/stream and /v1/poll, and what lies below the latter two.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// begin makes a connection of a request that was let in, and starts its goroutine. It returns nil where the server has stopped.
func (s *Server) begin(way Way, entry *gate.Entry, r *http.Request, f *framing, messages [][]byte) *Conn {
	c := &Conn{srv: s, way: way, entry: entry, remote: r.RemoteAddr, http: version(r), framing: f, born: time.Now(), intake: newIntake(), ended: make(chan struct{})}
	c.out = outlet.New(&s.outlets[way], c.wake)
	if way == Poll {
		c.out.Hold()
	} else {
		c.written = make(chan struct{})
	}
	if way != SSE {
		c.secret = rand.Text()
	}
	c.poll.heard = time.Now()
	c.intake.put(messages, 0)
	if !s.add(c) {
		entry.Leave()
		return nil
	}
	go func() {
		defer s.conns.Ended()
		c.run()
	}()
	return c
}

// version is that of the protocol of a request, as metrics name it.
func version(r *http.Request) string {
	if r.ProtoMajor == 2 {
		return "2"
	}
	return "1.1"
}

// add registers a connection that is about to run; false: the server has stopped.
func (s *Server) add(c *Conn) bool {
	if !s.conns.Add(c, &c.seat, s.totals[c.way].Open) {
		return false
	}
	if c.secret != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.secrets[c.secret] = c
	}
	return true
}

// remove is the counterpart of add. A client that polls may still come for the last answer.
func (s *Server) remove(c *Conn, code uint16) {
	if c.way != Poll {
		s.forget(c)
	}
	s.conns.Remove(&c.seat, func() { s.totals[c.way].Close(code, c.out.Sent()) })
	c.entry.Leave()
}

// forget ends the time in which a client may come with its secret.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets, c.secret)
}

// find returns the connection with a secret; nil: there is none.
func (s *Server) find(way Way, secret string) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.secrets[secret]; c != nil && c.way == way {
		return c
	}
	return nil
}

// Each calls fn with the handler of each connection that has one, from the calling goroutine. A handler may come to its end
// meanwhile.
func (s *Server) Each(fn func(conns.Handler)) {
	for _, c := range s.conns.All() {
		if h := c.handling.Current(); h != nil {
			fn(h)
		}
	}
}

// endAway ends clients that poll and have not come for too long, and forgets those of them that have ended.
func (s *Server) endAway(now time.Time) {
	s.mu.Lock()
	var away []*Conn
	for _, c := range s.secrets {
		if c.way == Poll && c.poll.away(now) > s.opt.PollGrace {
			away = append(away, c)
		}
	}
	s.mu.Unlock()
	for _, c := range away {
		if c.ending.Claim(conns.CodeNoProgress) {
			s.opt.Drops.Add(drop.PollTimeout, 1)
		}
		c.lost(conns.CodeNoProgress)
		s.forget(c)
	}
}

// CloseAll closes the connections of this moment: see conns.Set.CloseAll.
func (s *Server) CloseAll(ctx context.Context, code uint16, reason string, over time.Duration) {
	s.conns.CloseAll(ctx, code, reason, over)
}

// Shutdown lets nobody in any more, closes what is open with 1001, and returns when every goroutine of the server has ended. When
// ctx ends first, connections are cut off.
func (s *Server) Shutdown(ctx context.Context) { s.conns.Shutdown(ctx) }
