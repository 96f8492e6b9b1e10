package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/internal/config"
	"github.com/feedd/feedd/internal/footprint"
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
  feedd --listen 0.0.0.0:8080 --anonymous        reachable from other machines, for everybody
  feedd --auth-dev-key dev.key                   for those with a token that "feedd token --key dev.key" makes
  feedd --config /etc/feedd.yaml                 what differs from the defaults in a file

The first interrupt drains: clients are told when to come back, and feedd ends within a few seconds. The
second one ends it at once.
`

// serveOptions is the configuration, and what follows from it.
type serveOptions struct {
	*config.Config
	dataDir  string // of checkpoints and the embedded NATS; empty: there is no place for any
	simulate bool
	market   sim.Config
	lists    *lists.File // nil: none
	edge     edge
	auth     auth.Config
	log      *slog.Logger
}

func serveCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseServe(args, stderr)
	if err != nil {
		return err
	}
	footprint.LimitMemory()
	defer footprint.DefaultGarbage.Await()()
	s := newServer(o, stdout)
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	select {
	case <-ctx.Done():
	case <-s.quit:
	case err = <-s.failed:
	}
	return errors.Join(err, s.stop())
}

// parseServe reads the configuration and checks everything that can be checked without touching anything.
func parseServe(args []string, stderr io.Writer) (*serveOptions, error) {
	c, err := readConfig("serve", serveUsage, args)
	if err != nil {
		return nil, err
	}
	return newServeOptions(c, stderr)
}

// newServeOptions opens what the configuration refers to. The error joins one for each thing that is wrong.
func newServeOptions(c *config.Config, stderr io.Writer) (*serveOptions, error) {
	o := &serveOptions{Config: c, dataDir: c.Data.Dir, log: newLogger(stderr, c.Log.Level, c.Log.Format)}
	o.simulate = c.Sim.Mode == "on" || c.Sim.Mode == "auto" && c.NATS.URL == ""
	o.market = sim.Config{Instruments: c.Sim.Instruments, Rate: c.Sim.Rate, Seed: c.Sim.Seed}
	return o, errors.Join(o.checkMarket(), o.openLists(c.Lists), o.openEdge(), o.checkAuth(), o.findDataDir())
}

func (o *serveOptions) checkMarket() error {
	if !o.simulate {
		return nil
	}
	if err := o.market.Validate(); err != nil {
		return usagef("%w: see --sim-instruments and --sim-rate", err)
	}
	return nil
}

// findDataDir chooses a place where none is named. Only the NATS inside cannot do without.
func (o *serveOptions) findDataDir() error {
	if o.dataDir != "" || o.NATS.URL != "" && o.Checkpoint.Every == 0 {
		return nil
	}
	dir, err := stateDir()
	switch {
	case err == nil:
		o.dataDir = dir
	case o.NATS.URL == "":
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
	_ = least.UnmarshalText([]byte(level)) // cannot fail: the setting admits only the names of levels
	o := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
