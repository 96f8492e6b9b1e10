package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/fleet"
	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/internal/checkpoint"
	"github.com/feedd/feedd/internal/checkpoint/contents"
	"github.com/feedd/feedd/internal/dirlock"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/flight"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/tracing"
	"github.com/feedd/feedd/policy/live"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/sim"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/stream"
	"github.com/feedd/feedd/transport/webtransport"
	"github.com/feedd/feedd/transport/ws"
	"github.com/feedd/feedd/usage"
)

const (
	// heartbeat is the longest silence towards a client.
	heartbeat = 5 * time.Second
	// bootWithin is how long connections wait for the state at start-up. Clients that come back after a
	// restart ask for their symbols at once and should find them; beyond this they are served all the
	// same, so that the page can say what is wrong.
	bootWithin = 5 * time.Second
	// marketLook is how often the start looks whether the simulated market has arrived.
	marketLook = 5 * time.Millisecond
	// streamWithin bounds making the stream that records ticks.
	streamWithin = 10 * time.Second
)

// server is feedd as it serves. start begins its parts in the order in which they feed each other; stop
// ends what was started, the other way round.
type server struct {
	options  *serveOptions
	stdout   io.Writer
	drops    drop.Counters
	failed   chan error    // the first part that ended by itself
	quit     chan struct{} // an operator wants it to end
	began    time.Time
	stops    []func() error
	draining atomic.Bool

	// Made by start, in this order.
	public, private net.Listener
	datagrams       net.PacketConn              // nil: no WebTransport
	shown           *tls.Config                 // to those who connect over it
	offered         func() *feedv1.WebTransport // what clients are told of it
	nats            *natsserver.Server          // nil with a NATS from elsewhere
	natsURL         string
	dataLock        *dirlock.Lock // nil where the NATS inside has it, or nobody
	loaded          contents.State
	keeper          *checkpoint.Keeper // nil: no checkpoints
	store           *snapshot.Store
	engine          *fanout.Engine
	conn            *nats.Conn
	feed            *ingest.Feed
	delayed         []delayedFeed
	past            func(context.Context) ([]ingest.Past, int64, error) // of feed, also when it has stopped
	origin          contents.Origin                                     // of the keeper's goroutine
	policy          *live.Keeper
	access          *auth.Verifier // nil: nobody asks who clients are
	meter           *usage.Meter   // nil: nobody counts
	sessions        *session.Env
	gate            *gate.Gate
	sockets         *ws.Server
	streams         *stream.Server
	lookout         *lookout
	member          *fleet.Member
	frameRate       *rate
	byteRate        *rate
	tracer          *tracing.Tracer  // nil: nothing is traced
	flight          *flight.Recorder // nil: nothing is recorded
	echo            *ws.Server       // nil: not wanted
}

func newServer(o *serveOptions, stdout io.Writer) *server {
	return &server{options: o, stdout: stdout, failed: make(chan error, 1), quit: make(chan struct{}, 1), began: time.Now().UTC()}
}

// started notes how to end a part.
func (s *server) started(stop func() error) { s.stops = append(s.stops, stop) }

// stop ends every part that was started, the last one first, and returns what went wrong.
func (s *server) stop() (err error) {
	for i := len(s.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, s.stops[i]())
	}
	s.stops = nil
	return err
}

// fail has the server end because a part did. Only the first reason is kept: others follow from it.
func (s *server) fail(part string, err error) {
	select {
	case s.failed <- fmt.Errorf("%s: %w", part, err):
	default:
	}
}

// start returns when the server takes connections, or with what kept it from that.
func (s *server) start(ctx context.Context) error {
	for _, step := range []func() error{
		s.listen, s.startObservers, s.startNATS, s.loadState, s.startEngine, s.startIngest, s.startKeeper, s.startDelayed, s.startPolicy, s.startAccess, s.startSockets, s.startAdmin,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	booted := s.awaitBoot(ctx)
	if ctx.Err() != nil {
		return nil // interrupted while booting: nothing is wrong
	}
	if err := s.startMarket(ctx); err != nil {
		return err
	}
	s.startPublic()
	s.tellWhereToLook()
	if booted {
		fmt.Fprintln(s.stdout, "ready")
		return nil
	}
	s.options.log.Warn("serving without the state at start-up: it has not arrived from NATS yet", "nats", redact(s.natsURL))
	s.run("boot", func(ctx context.Context) error {
		select {
		case <-s.feed.Booted():
			fmt.Fprintln(s.stdout, "ready")
		case <-ctx.Done():
		}
		return nil
	})
	return nil
}

// run has f run until stop, which waits for it. An error of f ends the server.
func (s *server) run(part string, f func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			s.fail(part, err)
		}
	})
	s.started(func() error {
		cancel()
		wg.Wait()
		return nil
	})
}

// listen takes the ports before anything else, since a port in use is the likeliest reason to stop here.
func (s *server) listen() (err error) {
	if s.public, err = s.open("listen", s.options.Listen); err != nil {
		return err
	}
	if s.private, err = s.open("admin-listen", s.options.Admin.Listen); err != nil {
		return err
	}
	return s.listenWebTransport()
}

func (s *server) open(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, usagef("cannot listen on %s: the port is in use by another process; choose another with --%s, or port 0 for a free one", address, flag)
	case err != nil:
		return nil, usagef("cannot listen on %s: %w; choose another with --%s", address, err, flag)
	}
	// The HTTP server closes it as well; the second time does nothing.
	s.started(func() error { l.Close(); return nil })
	return l, nil
}

func (s *server) startNATS() error {
	s.natsURL = s.options.NATS.URL
	if s.natsURL != "" {
		return nil
	}
	ns, err := natsserver.Start(natsserver.Options{StoreDir: s.options.dataDir, MaxStore: s.options.streamBytes() * 2, Log: s.options.log})
	if err != nil {
		return usagef("%w; see --data-dir and --nats-url", err)
	}
	s.started(func() error { ns.Stop(); return nil })
	s.nats, s.natsURL = ns, ns.URL()
	return nil
}

// startIngest connects to NATS and feeds the store. The NATS inside gets the stream that records ticks; to
// make one in somebody else's NATS is that one's decision.
func (s *server) startIngest() error {
	nc, err := s.connectNATS("feedd " + build.Version())
	if err != nil {
		return err
	}
	s.conn = nc
	s.started(func() error { nc.Close(); return nil })
	if s.nats != nil {
		ctx, cancel := context.WithTimeout(context.Background(), streamWithin)
		defer cancel()
		if err := ingest.EnsureStream(ctx, nc, ingest.StreamOptions{MaxAge: s.options.streamAge(), MaxBytes: s.options.streamBytes(), Raise: true}, s.options.log); err != nil {
			return err
		}
	}
	s.feed, err = ingest.Start(nc, s.store, ingest.Options{
		Past: s.loaded.Past, PastTime: s.loaded.Place.Time, OnDemand: s.options.onDemand(), Linger: s.options.Interest.Linger,
	}, &s.drops, s.options.log)
	if err != nil {
		return err
	}
	s.loaded.Past = nil // ingest has taken it over
	s.past = s.feed.Past
	s.started(s.stopIngest)
	return nil
}

// connectNATS connects under a name that the NATS server shows to its operators.
func (s *server) connectNATS(name string) (*nats.Conn, error) {
	c := s.options.NATS
	var options []nats.Option
	if c.Creds != "" {
		options = append(options, nats.UserCredentials(c.Creds))
	}
	if c.CA != "" {
		options = append(options, nats.RootCAs(c.CA))
	}
	if c.Cert != "" {
		options = append(options, nats.ClientCert(c.Cert, c.Key))
	}
	return ingest.Connect(s.natsURL, name, s.options.log, options...)
}

func (s *server) startEngine() error {
	s.engine = fanout.New(s.store, fanout.Options{Heartbeat: heartbeat, Counters: &s.drops})
	s.engine.Start()
	s.started(func() error { s.engine.Close(); return nil })
	return nil
}

// startMarket publishes the simulated market to the same NATS that ingest reads from, over a connection of
// its own, as any publisher would. It begins once the past is read, so that no tick is met ahead of its
// definition, and returns when its instruments are known, so that the first client finds them.
func (s *server) startMarket(ctx context.Context) error {
	if !s.options.simulate {
		return nil
	}
	nc, err := s.connectNATS("feedd simulated market")
	if err != nil {
		return err
	}
	s.started(func() error { nc.Close(); return nil })
	s.run("simulated market", func(ctx context.Context) error {
		return sim.Run(ctx, nc, s.options.market, s.options.log)
	})
	look := time.NewTicker(marketLook)
	defer look.Stop()
	timeout := time.After(bootWithin)
	for s.store.Counts().Instruments < s.options.market.Instruments {
		select {
		case <-look.C:
		case <-timeout: // NATS is away: serve without
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (s *server) awaitBoot(ctx context.Context) (booted bool) {
	timeout := time.NewTimer(bootWithin)
	defer timeout.Stop()
	select {
	case <-s.feed.Booted():
		s.awaitDelayed(ctx, timeout.C)
		return true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

// tellWhereToLook prints a line "name  place" for each place; programs that start feedd read them.
func (s *server) tellWhereToLook() {
	line := func(name, place string) { fmt.Fprintf(s.stdout, "%-9s  %s\n", name, place) }
	public := reachable(s.public.Addr())
	secure := ""
	if s.options.edge.certificate != nil {
		secure = "s"
	}
	line("dashboard", "http"+secure+"://"+public+"/")
	line("websocket", "ws"+secure+"://"+public+"/v1/ws")
	if s.datagrams != nil {
		line("webtransport", "https://"+reachable(s.datagrams.LocalAddr())+webtransport.Path)
	}
	line("admin", "http://"+reachable(s.private.Addr())+"/")
	line("nats", redact(s.natsURL))
	if s.nats != nil || s.keeper != nil {
		line("data", s.options.dataDir)
	}
}

// redact hides the passwords in a list of URLs, which ends up on terminals and in logs.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, text := range list {
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil {
			list[i] = u.Redacted()
		}
	}
	return strings.Join(list, ",")
}

// reachable turns the address of a listener into one that can be opened: one that listens on every
// interface is reached on this machine.
func reachable(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err == nil && at.Addr().IsUnspecified() {
		return fmt.Sprintf("localhost:%d", at.Port())
	}
	return a.String()
}
