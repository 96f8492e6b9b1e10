package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/feedd/feedd/admin"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/footprint"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/transport/carrier"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/listen"
	"github.com/feedd/feedd/transport/rest"
	"github.com/feedd/feedd/transport/stream"
	"github.com/feedd/feedd/transport/ws"
	"github.com/feedd/feedd/web"
)

const (
	clientFrame = 16 << 10 // bytes of the largest message from a client
	serverFrame = 64 << 10 // bytes of the largest message to a client; twice what the engine fills
	// strangers is how many clients may have yet to say who they are, where they must, and strangerFrame the largest
	// message, in bytes, with which they may do so.
	strangers, strangerFrame = 1000, 4 << 10
	// closeShare is the part of the time to drain over which connections are closed, so that clients do not all connect
	// elsewhere in one moment. The rest is for their farewells.
	closeShare = 0.7
	// answersWithin is what HTTP requests that are being answered get at the end.
	answersWithin = time.Second
	// reconnectMin is how soon clients are asked to come back at the earliest.
	reconnectMin = 500 * time.Millisecond
)

// streamBounds are those of a connection of HTTP/2. Browsers open another one for more streams: so a lost packet, or one worker that writes
// for all of them, holds up no more than that. What clients send is short; a session that reads nothing for a while leaves
// the others room in the connection's window.
var streamBounds = http.HTTP2Config{
	MaxConcurrentStreams: 100, MaxReadFrameSize: 16 << 10, MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 1 << 20,
	WriteByteTimeout: 20 * time.Second,
}

// startSockets makes what clients connect to; startPublic lets them.
func (s *server) startSockets() error {
	env, err := s.environment()
	if err != nil {
		return err
	}
	s.sessions = env
	if s.gate, err = gate.New(s.admission()); err != nil {
		return err
	}
	s.sockets, err = ws.New(ws.Options{
		NewHandler: func(c *ws.Conn, f fanout.Framing) conns.Handler { return session.New(env, conn{c}, f, c.Identity()) },
		Gate:       s.gate, Deflate: compression[s.options.Deflate], Drops: &s.drops, Log: s.options.log,
	})
	if err != nil {
		return err
	}
	s.streams, err = stream.New(stream.Options{
		NewHandler: func(c *stream.Conn, f fanout.Framing) conns.Handler {
			return session.New(env, conn{c}, f, c.Identity())
		},
		Gate: s.gate, Strict: s.strict(), Drops: &s.drops, Log: s.options.log,
	})
	if err != nil {
		return err
	}
	s.started(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), s.options.Drain.Within)
		defer cancel()
		s.shutClients(ctx)
		return nil
	})
	if s.access != nil {
		s.run("revocations", s.followRevocations)
	}
	s.run("sessions", s.sweepSessions)
	s.run("directory", s.watchDirectory)
	s.lookout = newLookout(s)
	s.run("load", s.lookout.run)
	s.startFleet()
	return s.startEcho()
}

// environment is what all sessions share.
func (s *server) environment() (*session.Env, error) {
	env := &session.Env{
		Engine: engine{s.engine}, Directory: s.store, Backfill: session.NewBackfill(s.feed), Policy: s.policy.InForce(),
		Server: "feedd " + build.Version(), ClientFrame: clientFrame, ServerFrame: serverFrame, Heartbeat: heartbeat,
		Clock: func() int64 { return time.Now().UnixMicro() }, Counters: &s.drops, Log: s.options.log, Trace: s.traceRequest(),
		WebTransport: s.offered,
	}
	if s.options.onDemand() {
		env.Interest = s.feed
	}
	for _, d := range s.delayed {
		env.Delayed = append(env.Delayed, session.Feed{
			Delay: d.delay, Engine: engine{d.engine}, Directory: d.store, Backfill: session.NewBackfill(d.feed), FirstHandle: d.first,
		})
	}
	if s.access != nil {
		env.Access, env.Users = s.access, session.NewUsers()
		s.startUsage()
		env.Usage = s.meter
	}
	if l := s.options.lists; l != nil {
		env.Lists = l
		s.run("lists", s.rereadLists)
	}
	return env, env.Validate()
}

// admission is who may come in.
func (s *server) admission() gate.Options {
	bounds := gate.Options{
		Origins: s.options.Origins, NodeRate: float64(s.options.Admission.Rate), MaxPerAddress: s.options.Admission.Address,
		AcceptRate: float64(s.options.Admission.AddressRate), AcceptBurst: 2 * s.options.Admission.AddressRate, MaxMessage: clientFrame, Drops: &s.drops,
	}
	bounds.MaxConns, _ = descriptors(footprint.Descriptors())
	if s.access != nil {
		bounds.Authenticate = s.access.Authenticate
	}
	if s.strict() {
		bounds.Strangers.MaxConns, bounds.Strangers.MaxMessage = strangers, strangerFrame
	}
	return bounds
}

// strict tells whether everybody must say who he is.
func (s *server) strict() bool { return s.access != nil && s.access.Anonymous() == nil }

// descriptors says how many clients there may be, and from which descriptor on nobody is let in at all, where the process may have
// so many; 0 where that is not known. What lies above is for operators, NATS and files, which must go on when clients have taken
// all that they can get; what lies between is for handshakes, which learn that the server is full.
func descriptors(limit int) (clients, ceiling int) {
	if limit == 0 {
		return 0, 0
	}
	ceiling = limit - min(256, limit/4)
	return min(mostClients, ceiling-min(512, ceiling/8+32)), ceiling
}

// mostClients of a node, whatever its limits are.
const mostClients = 19_000

// compression is what the setting deflate may say.
var compression = map[string]ws.Deflate{"off": ws.DeflateOff, "auto": ws.DeflateAuto, "always": ws.DeflateAlways}

// startEcho makes the place for conformance suites, if it is wanted.
func (s *server) startEcho() (err error) {
	if !s.options.Echo {
		return nil
	}
	if s.echo, err = ws.NewEcho(ws.Options{Drops: &s.drops, Log: s.options.log}); err != nil {
		return err
	}
	s.started(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), s.options.Drain.Within)
		defer cancel()
		s.echo.Shutdown(ctx)
		return nil
	})
	return nil
}

// startAdmin answers the operator from before the state has arrived until after the last client is gone.
func (s *server) startAdmin() error {
	registry := admin.NewRegistry(build.Version(), s.figures, &s.drops)
	control, err := s.control()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", admin.Handler(s.probes(), registry))
	mux.Handle("/v1/", s.tracer.Writes(control))
	mux.HandleFunc("GET /debug/flight", s.serveFlight)
	mux.Handle("/ops/", http.StripPrefix("/ops", web.Ops()))
	mux.Handle("GET /ops", http.RedirectHandler("/ops/", http.StatusMovedPermanently))
	s.serveHTTP("admin", s.private, mux)
	return nil
}

// nothing answers requests for what the API does not have.
func nothing(w http.ResponseWriter, r *http.Request) {
	http.Error(w, fmt.Sprintf("nothing at %q: clients connect to /v1/ws, /v1/sse, /v1/stream or /v1/poll; /v1/snapshot, /v1/instruments and /v1/lists answer once",
		r.URL.Path), http.StatusNotFound)
}

func (s *server) startPublic() {
	var access rest.Access // of no type where there is none
	if s.access != nil {
		access = s.access
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/ws", s.tracer.Connections(s.sockets))
	for _, path := range []string{"/v1/sse", "/v1/stream", "/v1/poll"} {
		mux.Handle(path, s.tracer.Connections(s.streams))
		mux.Handle(path+"/", s.streams) // a secret is part of the path, and none of a trace
	}
	mux.Handle("/v1/instruments", rest.Instruments(s.store, s.sessions.Lists, access))
	mux.Handle("/v1/lists", rest.NamedLists(s.sessions.Lists, access))
	mux.Handle("/v1/snapshot", rest.Snapshot(s.sessions, access))
	mux.HandleFunc("/v1/", nothing)
	mux.Handle("/", web.Handler())
	if s.echo != nil {
		mux.Handle("/v1/echo", s.echo)
	}
	e := &s.options.edge
	if e.certificate != nil {
		s.run("certificate", func(ctx context.Context) error { e.certificate.Run(ctx); return nil })
	}
	_, ceiling := descriptors(footprint.Descriptors())
	public := listen.Reserve(listen.Behind(s.public), ceiling, func() { s.drops.Add(drop.NoDescriptors, 1) })
	s.serveHTTP("http", listen.On(public, e.listener()), listen.Forwarded(e.trusted, mux))
	s.startWebTransport()
	s.started(s.drain)
}

// serveHTTP serves h on l until stop. What was upgraded to WebSocket is not the HTTP server's any more.
func (s *server) serveHTTP(part string, l net.Listener, h http.Handler) {
	hs := &http.Server{
		Handler: h, ErrorLog: slog.NewLogLogger(s.options.log.Handler(), slog.LevelDebug), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ConnContext: carrier.Context, HTTP2: &streamBounds,
	}
	s.run(part, func(ctx context.Context) error {
		closed := make(chan struct{})
		defer context.AfterFunc(ctx, func() {
			defer close(closed)
			// Requests are short, and one of them may be what ends all; a profile that is being taken need not hold up the end.
			ctx, cancel := context.WithTimeout(context.Background(), answersWithin)
			defer cancel()
			_ = hs.Shutdown(ctx)
			_ = hs.Close()
		})()
		if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving on %s: %w", l.Addr(), err)
		}
		<-closed
		return nil
	})
}

// drain sees every client off: no new ones, a word on when to come back, and closes spread over a while.
func (s *server) drain() error {
	within := s.options.Drain.Within
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	s.draining.Store(true)
	s.member.Tell()
	s.gate.Drain()
	if open := s.clients().Connections; open > 0 {
		window := s.window(open)
		over := min(window, time.Duration(closeShare*float64(within)))
		s.options.log.Info("draining", "clients", open, "reconnect_window", window, "close_over", over)
		s.eachSession(func(x *session.Session) { x.GoAway("the server is stopping", reconnectMin, reconnectMin+window) })
		var closing sync.WaitGroup
		closing.Go(func() { s.streams.CloseAll(ctx, uint16(session.CloseDraining), "the server is stopping", over) })
		s.sockets.CloseAll(ctx, uint16(session.CloseDraining), "the server is stopping", over)
		closing.Wait()
	}
	s.shutClients(ctx)
	return nil
}

// shutClients ends what clients connect to, and returns when all of it has ended.
func (s *server) shutClients(ctx context.Context) {
	var ending sync.WaitGroup
	ending.Go(func() { s.streams.Shutdown(ctx) })
	s.sockets.Shutdown(ctx)
	ending.Wait()
}
