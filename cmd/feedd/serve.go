package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/lists"
	"github.com/feedd/feedd/sim"
)

const serveUsage = `
Usage: feedd [serve] [flags]

Takes ticks from NATS and serves the dashboard and clients over WebSocket. Without --nats-url it runs a
NATS server of its own, and a simulated market in it, so that there is something to see.

Examples:
  feedd                                          everything in one process, on this machine only
  feedd --sim off                                the same without the simulated market
  feedd --nats-url nats://10.0.0.5:4222          a node of a cluster
  FEEDD_LISTEN=0.0.0.0:8080 feedd                reachable from other machines: there are no accounts yet

The first interrupt drains: clients are told when to come back, and feedd ends within a few seconds. The
second one ends it at once.
`

// gcPercent takes the place of Go's 100 unless GOGC is set. What lives is thousands of silent connections and
// their stacks, what becomes garbage only the messages from NATS: collecting four times as often costs next to
// nothing, and saves a third of the memory.
const gcPercent = 25

// serveOptions is what the flags of serve say.
type serveOptions struct {
	listen, adminListen string
	edge                edgeOptions
	natsURL             string // empty: NATS is embedded
	dataDir             string // of checkpoints and the embedded NATS; empty: there is no place for any
	checkpointEvery     time.Duration
	simulate            bool
	market              sim.Config
	lists               *lists.File // nil: none
	log                 *slog.Logger
}

func serveCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseServe(args, stderr)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s := newServer(o, stdout)
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	return errors.Join(err, s.stop())
}

// parseServe reads the flags and checks everything that can be checked without touching anything.
func parseServe(args []string, stderr io.Writer) (*serveOptions, error) {
	o := &serveOptions{}
	fs := newFlagSet("serve", serveUsage)
	fs.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`HOST:PORT` for the dashboard and WebSocket; port 0 takes a free one")
	fs.StringVar(&o.adminListen, "admin-listen", "127.0.0.1:8081", "`HOST:PORT` for health, metrics and profiles; keep it private")
	o.edge.define(fs)
	fs.StringVar(&o.natsURL, "nats-url", "", "`URL` of the NATS to take ticks from; empty runs one inside")
	fs.StringVar(&o.dataDir, "data-dir", "", "`DIRECTORY` of checkpoints and of the NATS inside; empty means $XDG_STATE_HOME/feedd or ~/.local/state/feedd")
	fs.DurationVar(&o.checkpointEvery, "checkpoint-every", 5*time.Second, "`DURATION` from one checkpoint of the state to the next, at least; 0 keeps none, and starts from none")
	simulate := choice(fs, "sim", "auto", []string{"on", "off", "auto"}, "simulated market: on, off, or auto for on when NATS is inside")
	fs.IntVar(&o.market.Instruments, "sim-instruments", 40, "how many `instruments` the simulated market has")
	fs.IntVar(&o.market.Rate, "sim-rate", 2000, "how many `ticks` a second it makes, over all instruments")
	fs.Uint64Var(&o.market.Seed, "seed", 1, "`number` that decides what the simulated market does")
	listsFile := fs.String("lists", "", "`FILE` with named lists of instruments, which clients subscribe as @NAME; read again on SIGHUP")
	level := choice(fs, "log-level", "info", []string{"debug", "info", "warn", "error"}, "least important log lines to write: debug, info, warn or error")
	format := choice(fs, "log-format", "text", []string{"text", "json"}, "form of log lines: text or json")
	if err := parseFlags(fs, args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, usagef("serve takes no arguments, got %q; a command goes ahead of its flags: feedd %s --flag", fs.Arg(0), fs.Arg(0))
	}
	o.simulate = *simulate == "on" || *simulate == "auto" && o.natsURL == ""
	o.log = newLogger(stderr, *level, *format)
	if err := o.openLists(*listsFile); err != nil {
		return nil, err
	}
	return o, o.validate()
}

func (o *serveOptions) validate() error {
	for _, l := range []struct{ flag, address string }{{"listen", o.listen}, {"admin-listen", o.adminListen}} {
		if _, _, err := net.SplitHostPort(l.address); err != nil {
			return usagef("bad value %q for --%s: want HOST:PORT, such as 127.0.0.1:8080", l.address, l.flag)
		}
	}
	if err := o.edge.open(o.log); err != nil {
		return err
	}
	for address := range strings.SplitSeq(o.natsURL, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		if o.natsURL != "" && (err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme)) {
			return usagef("bad value %q for --nats-url: want nats://HOST:PORT, or several separated by commas", o.natsURL)
		}
	}
	if o.simulate {
		if err := o.market.Validate(); err != nil {
			return usagef("%w: see --sim-instruments and --sim-rate", err)
		}
	}
	if o.checkpointEvery < 0 {
		return usagef("bad value %s for --checkpoint-every: want a duration such as 5s, or 0 for no checkpoints", o.checkpointEvery)
	}
	return o.findDataDir()
}

// findDataDir chooses a place where none is named. Only the NATS inside cannot do without.
func (o *serveOptions) findDataDir() error {
	if o.dataDir != "" || o.natsURL != "" && o.checkpointEvery == 0 {
		return nil
	}
	dir, err := stateDir()
	switch {
	case err == nil:
		o.dataDir = dir
	case o.natsURL == "":
		return usagef("no place for data: %w; name one with --data-dir", err)
	default:
		o.log.Warn("no place for checkpoints: name one with --data-dir", slog.Any("err", err))
	}
	return nil
}

// stateDir is where a user's programs keep what should outlive a restart.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "feedd"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "feedd"), nil
}

func newLogger(w io.Writer, level, format string) *slog.Logger {
	var least slog.Level
	_ = least.UnmarshalText([]byte(level)) // cannot fail: choice admits only the names of levels
	o := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
