package stream

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outlet"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/ws"
)

// Server serves the client protocol over plain HTTP. Make it with New and end it with Shutdown. Its methods may be called from
// any goroutine.
type Server struct {
	// Constant.
	opt     Options
	outlets [Ways]outlet.Options
	mux     *http.ServeMux

	totals [Ways]totals

	mu      sync.Mutex
	conns   []*Conn // that have not come to their end; each knows its index
	secrets map[string]*Conn
	stopped bool // no connection begins any more

	running sync.WaitGroup // connections, and the sweeper; grows under mu while stopped is false
	stop    chan struct{}  // closed by Shutdown, ends the sweeper
}

// New returns a Server that is ready to serve. An error names the option that is wrong.
func New(opt Options) (*Server, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	s := &Server{opt: opt, mux: http.NewServeMux(), secrets: make(map[string]*Conn), stop: make(chan struct{})}
	for w := range Ways {
		s.outlets[w] = outlet.Options{MaxQueued: opt.MaxQueued, WriteTimeout: opt.WriteTimeout, Drops: opt.Drops, Stats: &s.totals[w].outlet}
	}
	// What waits for a poll goes out in one answer, which may be larger than what fits a socket's buffer.
	s.outlets[Poll].Room, s.outlets[Poll].MaxQueued = pollRoom, 3*opt.MaxQueued
	s.route()
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		s.sweep()
	}()
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
	c := &Conn{srv: s, way: way, entry: entry, remote: r.RemoteAddr, framing: f, born: time.Now(), intake: newIntake(), ended: make(chan struct{})}
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
		defer s.running.Done()
		c.run()
	}()
	return c
}

// add registers a connection that is about to run; false: the server has stopped.
func (s *Server) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.running.Add(1)
	c.index = len(s.conns)
	s.conns = append(s.conns, c)
	if c.secret != "" {
		s.secrets[c.secret] = c
	}
	s.totals[c.way].opened.Add(1)
	return true
}

// remove is the counterpart of add. A client that polls may still come for the last answer.
func (s *Server) remove(c *Conn, code uint16) {
	s.mu.Lock()
	last := s.conns[len(s.conns)-1]
	s.conns[c.index], last.index = last, c.index
	s.conns[len(s.conns)-1] = nil
	s.conns = s.conns[:len(s.conns)-1]
	if c.way != Poll {
		delete(s.secrets, c.secret)
	}
	s.mu.Unlock()
	s.totals[c.way].end(code, c.out.Sent())
	c.entry.Leave()
}

// forget ends the time in which a client that polls may come.
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

// all returns the connections of this moment.
func (s *Server) all() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Conn(nil), s.conns...)
}

// Each calls fn with the handler of each connection that has one, from the calling goroutine. A handler may come to its end
// meanwhile.
func (s *Server) Each(fn func(Handler)) {
	for _, c := range s.all() {
		if h := c.current(); h != nil {
			fn(h)
		}
	}
}

// sweep is the sweeper's goroutine: one for all connections, from New to Shutdown.
func (s *Server) sweep() {
	tick := time.NewTicker(max(time.Millisecond, min(time.Second, s.opt.PollGrace/4)))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.endAway(now)
		case <-s.stop:
			return
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
		if c.claim(ws.CodeNoProgress) {
			s.opt.Drops.Add(drop.PollTimeout, 1)
		}
		c.lost(ws.CodeNoProgress)
		s.forget(c)
	}
}

// CloseAll closes the connections of this moment as ws.Server does: in slices, spread over a time.
func (s *Server) CloseAll(ctx context.Context, code uint16, reason string, over time.Duration) {
	ws.InSlices(ctx, s.all(), over, func(c *Conn) { c.Close(code, reason) })
}

// Shutdown lets nobody in any more, closes what is open with 1001, and returns when every goroutine of the server has ended. When
// ctx ends first, connections are cut off.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.stop)
	}
	s.mu.Unlock()
	s.CloseAll(ctx, ws.CodeGoingAway, "the server stops", 0)
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		for _, c := range s.all() {
			c.lost(ws.CodeGoingAway)
		}
		<-ended
	}
}
