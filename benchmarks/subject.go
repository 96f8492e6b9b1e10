package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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

	ingest   report.Window // without sessions
	resident int64         // the same
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

// alone measures what ticks cost the subject without sessions.
func (r *run) alone(ctx context.Context, s *subject) error {
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return err
	}
	var err error
	if s.ingest, _, err = r.window(ctx, report.Ingest, s.child, nil); err != nil {
		return err
	}
	s.resident, err = proc.Resident(s.child.Pid())
	return err
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
