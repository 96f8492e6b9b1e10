package natsserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/feedd/feedd/internal/dirlock"
)

// DefaultPort is where NATS clients look for a server.
const DefaultPort = 4222

// host is the loopback interface: see the package.
const host = "127.0.0.1"

// startWithin bounds the start, recovery of a full store included.
const startWithin = 30 * time.Second

// Options says where the server keeps its data and listens.
type Options struct {
	// StoreDir is the server's own directory; it is made where it is missing.
	StoreDir string
	// Port is the one to try first. When another process has it, the server takes a free one. 0:
	// DefaultPort. Below 0: a free one at once.
	Port int
	// MaxStore and MaxMemory bound what JetStream keeps on disk and in memory, in bytes. 0: 1 GiB and
	// 256 MiB.
	MaxStore, MaxMemory int64
	// Log takes the server's own words. nil: nobody hears them.
	Log *slog.Logger
}

// Server is a running nats-server.
type Server struct {
	server *server.Server
	lock   *dirlock.Lock
	url    string
}

// Start runs a server and returns when it takes connections.
func Start(o Options) (*Server, error) {
	if o.StoreDir == "" {
		return nil, errors.New("nats-server: no data directory given")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	lock, err := dirlock.Take(o.StoreDir)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	s, err := start(o)
	if err != nil {
		lock.Release()
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// start tries the wished port, and takes any where another process has that one. To have seen the port free means
// little: several processes that start at once see the same. Only having it counts.
func start(o Options) (*Server, error) {
	port := choosePort(o.Port)
	s, err := listen(o, port)
	if port != server.RANDOM_PORT && isListenError(err) {
		port = server.RANDOM_PORT
		s, err = listen(o, port)
	}
	if err == nil && port == server.RANDOM_PORT && o.Port >= 0 {
		o.Log.Info("nats port is taken; took a free one", "url", s.url)
	}
	return s, err
}

// listen runs a server on a port.
func listen(o Options, port int) (*Server, error) {
	l := &logger{log: o.Log, fatal: make(chan error, 1)}
	ns, err := server.NewServer(&server.Options{
		ServerName: "feedd",
		Host:       host,
		Port:       port,
		// The process has its own signal handling and exit.
		NoSigs: true,
		// Names JetStream's own subdirectory "jetstream".
		StoreDir:           o.StoreDir,
		JetStream:          true,
		JetStreamMaxStore:  orDefault(o.MaxStore, 1<<30),
		JetStreamMaxMemory: orDefault(o.MaxMemory, 256<<20),
	})
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	ns.SetLoggerV2(l, false, false, false)
	ns.Start()
	// Start has returned only when JetStream and the listener stand or have failed.
	select {
	case err = <-l.fatal:
	default:
		if !ns.ReadyForConnections(startWithin) {
			err = fmt.Errorf("not ready for connections within %v", startWithin)
		}
	}
	if err != nil {
		stop(ns)
		return nil, fmt.Errorf("nats-server in %s: %w", o.StoreDir, err)
	}
	return &Server{server: ns, url: ns.ClientURL()}, nil
}

// choosePort returns want unless it is known to be taken, else the number with which nats-server takes any. The look
// spares a start in vain, with a store that is opened twice.
func choosePort(want int) int {
	if want == 0 {
		want = DefaultPort
	}
	if want < 0 {
		return server.RANDOM_PORT
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(want)))
	if err != nil {
		return server.RANDOM_PORT
	}
	_ = l.Close() // nothing was ever accepted on it
	return want
}

// isListenError reports whether a server could not have its port.
func isListenError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "listen"
}

func orDefault(v, otherwise int64) int64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// URL returns where clients connect, such as nats://127.0.0.1:4222.
func (s *Server) URL() string { return s.url }

// Stop ends the server and returns when its data is on disk and another process may use the directory.
// Only the first call does anything.
func (s *Server) Stop() {
	if s.lock == nil {
		return
	}
	stop(s.server)
	s.lock.Release()
	s.lock = nil
}

func stop(ns *server.Server) {
	ns.Shutdown()
	ns.WaitForShutdown()
}
