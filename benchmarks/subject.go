package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/peers"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// subject is a server under test, feedd or a peer, on the server's cores.
type subject struct {
	name    string
	speak   string
	address string
	child   *proc.Child
	collect func(context.Context) error // has it give unused memory back; nil: not measured

	// Without sessions.
	ingest    report.Window
	resident  int64
	collected int64 // resident, garbage collected; 0: not measured
}

// openFeedd starts feedd with further flags.
func (r *run) openFeedd(ctx context.Context, flags ...string) (*subject, error) {
	if r.TLS {
		more, err := r.certify()
		if err != nil {
			return nil, err
		}
		flags = append(flags, more...)
	}
	child, err := r.feedd(ctx, flags...)
	if err != nil {
		return nil, err
	}
	return &subject{name: "feedd", speak: r.Speak, address: r.websocket, child: child, collect: r.collectFeedd}, nil
}

// openPeer starts one of feedd's peers; variant is empty where it has none.
func (r *run) openPeer(ctx context.Context, server, variant string) (*subject, error) {
	child, err := r.role("peer", r.serverOn)
	if err != nil {
		return nil, err
	}
	s := &subject{name: strings.TrimSuffix(server+" "+variant, " "), speak: server, child: child}
	s.collect = func(ctx context.Context) error { return child.Ask(ctx, peers.Collect, nil, nil) }
	cfg := peers.Config{Server: server, Variant: variant, NATS: r.where.NATS, Cadence: r.Cadence, Symbols: feed.Symbols(r.Instruments)}
	return s, child.Ask(ctx, peers.Serve, cfg, &s.address)
}

// collectFeedd has feedd collect its garbage: twice, since what the first one finds unused is given back around the
// second.
func (r *run) collectFeedd(ctx context.Context) error {
	for range 2 {
		if _, err := r.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return err
		}
		if err := r.wait(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// alone measures what the subject costs and holds without sessions.
func (r *run) alone(ctx context.Context, s *subject) error {
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	if err := r.tidy(ctx, s); err != nil {
		return err
	}
	if err := r.takeIn(ctx, s); err != nil {
		return err
	}
	var err error
	s.resident, err = proc.Resident(s.child.Pid())
	return err
}

// weigh measures what the subject holds without sessions, where what it costs is measured in turns.
func (r *run) weigh(ctx context.Context, s *subject) error {
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	if err := r.tidy(ctx, s); err != nil {
		return err
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return err
	}
	var err error
	s.resident, err = proc.Resident(s.child.Pid())
	return err
}

// takeIn measures what ticks cost the subject without sessions.
func (r *run) takeIn(ctx context.Context, s *subject) error {
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return err
	}
	var err error
	s.ingest, _, err = r.window(ctx, r.Window, report.Ingest, s.child, nil)
	return err
}

// tidy measures what the subject holds without sessions and garbage, and gives feedd back its room for garbage.
func (r *run) tidy(ctx context.Context, s *subject) error {
	if s.collect != nil {
		if err := s.collect(ctx); err != nil {
			return err
		}
		var err error
		if s.collected, err = proc.Resident(s.child.Pid()); err != nil {
			return err
		}
	}
	if s.speak != r.Speak {
		return nil // a peer
	}
	return r.fillRoom(ctx)
}

// fillRoom has feedd make garbage until it collects some, so that the room which a node keeps for garbage, whatever it serves, is
// resident before there are sessions. Else the first sessions would seem to take it.
func (r *run) fillRoom(ctx context.Context) error {
	const enough = 5000 // answers of some tens of KB
	before := -1.0
	for range enough {
		n, err := r.collections(ctx)
		switch {
		case err != nil:
			return err
		case before < 0:
			before = n
		case n > before:
			return nil
		}
	}
	return fmt.Errorf("feedd collected no garbage in %d requests", enough)
}

// collections is how often feedd has collected its garbage.
func (r *run) collections(ctx context.Context) (float64, error) {
	const name = "\ngo_gc_duration_seconds_count "
	text, err := r.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), name)
	if !found {
		return 0, fmt.Errorf("metrics: no %s", strings.TrimSpace(name))
	}
	value, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseFloat(value, 64)
}

// get asks the server's admin listener.
func (r *run) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(r.admin, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // no idle connection is left behind
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", request.URL, err)
	}
	return body, nil
}
