package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// run is what scenarios have in common: the processes, where they run, and what they have used.
type run struct {
	options
	stderr io.Writer

	dir       string // temporary; gone when the run ends
	binary    string // of feedd
	serverOn  []int  // cores
	othersOn  []int
	children  []*proc.Child // in the order of their start
	market    feed.Config   // what the options do not say of it
	trust     string        // feedd's certificate in PEM; empty: no TLS
	source    *proc.Child
	stamped   bool // its quotes say when they were published
	where     feed.Where
	warnings  []string
	admin     string // URL of feedd's admin listener
	websocket string // host:port of feedd
}

// grace is how long a process may take to end in good order.
const grace = 8 * time.Second

func (r *run) progress(format string, args ...any) {
	fmt.Fprintf(r.stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

func (r *run) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// prepare builds the server and starts the market with it.
func (r *run) prepare(ctx context.Context, stamp bool) error {
	var err error
	if r.dir, err = os.MkdirTemp("", "feedd-bench-"); err != nil {
		return err
	}
	if err := r.pin(); err != nil {
		return err
	}
	if err := r.build(ctx); err != nil {
		return err
	}
	return r.openMarket(ctx, stamp)
}

// openMarket starts a market, which is the run's from now on.
func (r *run) openMarket(ctx context.Context, stamp bool) error {
	var err error
	if r.source, err = r.role("feed", r.othersOn); err != nil {
		return err
	}
	r.stamped = stamp
	cfg := r.market
	cfg.Instruments, cfg.Hz, cfg.Burst, cfg.Seed, cfg.Stamp = r.Instruments, r.TickHz, r.Burst, r.Seed, stamp
	return r.source.Ask(ctx, feed.Begin, cfg, &r.where)
}

// pin decides which cores are whose.
func (r *run) pin() error {
	cores, err := proc.Cores()
	if err != nil {
		return err
	}
	if len(cores) < 2 {
		if r.Pin == "on" {
			return usageError{errors.New("-pin on: there is only one core")}
		}
		r.warnings = append(r.warnings, "one core: the server shares it with everything else")
		return nil
	}
	if r.Pin != "off" {
		r.serverOn, r.othersOn = cores[:1], cores[1:]
	}
	return nil
}

// build makes the binary to measure, unless one was given.
func (r *run) build(ctx context.Context) error {
	if r.server != "" {
		r.binary = r.server
		return nil
	}
	const root = ".."
	if _, err := os.Stat(filepath.Join(root, "cmd", "feedd")); err != nil {
		return usageError{fmt.Errorf("no feedd to build here: run in the directory benchmarks, or name a binary with -server (%w)", err)}
	}
	r.progress("building feedd")
	r.binary = filepath.Join(r.dir, "feedd")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", root, "-buildvcs=auto", "-o", r.binary, "./cmd/feedd")
	cmd.Stdout, cmd.Stderr = r.stderr, r.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build feedd: %w", err)
	}
	return nil
}

func (r *run) role(name string, cores []int) (*proc.Child, error) {
	c, err := proc.StartRole(name, cores, r.stderr)
	if err == nil {
		r.children = append(r.children, c)
	}
	return c, err
}

// feedd starts the server under test, with further flags, and waits until it says that it is ready.
func (r *run) feedd(ctx context.Context, flags ...string) (*proc.Child, error) {
	all := append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--nats-url", r.where.NATS, "--sim", "off",
		"--log-level", "warn", "--data-dir", filepath.Join(r.dir, "data"),
	}, flags...)
	if r.Deflate == deflateAlways {
		all = append(all, "--deflate", deflateAlways)
	}
	c, err := proc.Start("feedd", r.serverOn, r.stderr, r.binary, all...)
	if err != nil {
		return nil, err
	}
	r.children = append(r.children, c)
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("not ready within 30 s"))
	defer cancel()
	for {
		line, err := c.ReadLine(ctx)
		if err != nil {
			return nil, err
		}
		ready, err := r.heard(line)
		if err != nil {
			return nil, err
		}
		if ready {
			c.Discard()
			return c, nil
		}
	}
}

// heard takes a line of what feedd prints at its start: a word and an address, or ready.
func (r *run) heard(line string) (ready bool, err error) {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "websocket":
		u, err := url.Parse(rest)
		if err != nil {
			return false, fmt.Errorf("feedd says %q: %w", line, err)
		}
		r.websocket = u.Host
	case "admin":
		r.admin = rest
	case "ready":
		if r.websocket == "" || r.admin == "" {
			return false, errors.New("feedd is ready and did not say where its WebSocket and its admin listener are")
		}
		return true, nil
	}
	return false, nil
}

// wait lets d pass, or returns early with the reason.
func (r *run) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, c := range r.children {
		select {
		case <-c.Ended():
			return fmt.Errorf("%s ended in the middle", c.Name())
		default:
		}
	}
	return nil
}

// result begins a result with what this run knows of itself.
func (r *run) result(started time.Time) *report.Result {
	return &report.Result{
		Scenario: r.Scenario, Started: started.UTC().Truncate(time.Second), Args: r.options,
		Machine: proc.ThisMachine(), Versions: r.versions(), Problems: []string{}, Warnings: append([]string{}, r.warnings...),
	}
}

// versions are those of the toolchain, of feedd and of what it is built from.
func (r *run) versions() map[string]string {
	v := map[string]string{"benchmarks_go": runtime.Version()}
	b, err := buildinfo.ReadFile(r.binary)
	if err != nil {
		return v
	}
	v["go"] = b.GoVersion
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.modified" || s.Key == "-pgo" {
			v["feedd_"+strings.TrimPrefix(s.Key, "-")] = s.Value
		}
	}
	for _, d := range b.Deps {
		switch d.Path {
		case "github.com/lxzan/gws", "google.golang.org/protobuf", "github.com/nats-io/nats.go":
			v[d.Path] = d.Version
		}
	}
	return v
}

// end stops one process ahead of the others.
func (r *run) end(c *proc.Child) {
	r.children = slices.DeleteFunc(r.children, func(o *proc.Child) bool { return o == c })
	c.Stop(grace)
}

// close ends the processes, the last one first, and removes what they left.
func (r *run) close() {
	for i := len(r.children) - 1; i >= 0; i-- {
		r.children[i].Stop(grace)
	}
	r.children = nil
	if r.dir != "" {
		_ = os.RemoveAll(r.dir)
	}
}
