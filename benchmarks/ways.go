package main

import (
	"context"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/benchmarks/ways"
)

// compareWays measures what the same sessions cost over each way to speak the protocol, one after the other, each on a server of
// its own. Nothing is compressed, nobody speaks TLS.
func compareWays(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	figures := make(report.Ways)
	for _, way := range ways.Names {
		f, err := r.along(ctx, way)
		if err != nil {
			return nil, err
		}
		figures[way] = f
	}
	result := r.result(started)
	result.Ways = figures.Compare(ways.Names[0])
	result.Judge()
	return result, nil
}

// along measures one way.
func (r *run) along(ctx context.Context, way string) (report.Way, error) {
	r.progress("%s: %d sessions", way, r.Sessions)
	s, err := r.openFeedd(ctx, "--deflate", "off")
	if err != nil {
		return report.Way{}, err
	}
	defer r.end(s.child)
	if err := r.alone(ctx, s); err != nil {
		return report.Way{}, err
	}
	without, err := s.settled(ctx)
	if err != nil {
		return report.Way{}, err
	}
	clients, err := r.role("ways", r.othersOn)
	if err != nil {
		return report.Way{}, err
	}
	defer r.end(clients)
	cfg := ways.Config{
		Way: way, Address: s.address, Symbols: feed.Symbols(r.Instruments), Sessions: r.Sessions, PerSession: r.PerSession,
		CadenceMS: uint32(r.Cadence / time.Millisecond), Seed: r.Seed,
	}
	if err := clients.Ask(ctx, ways.Come, cfg, nil); err != nil {
		return report.Way{}, err
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return report.Way{}, err
	}
	w, _, err := r.window(ctx, r.Window, report.Server, s.child, clients)
	if err != nil {
		return report.Way{}, err
	}
	with, err := s.settled(ctx)
	if err != nil {
		return report.Way{}, err
	}
	return report.NewWay(w, s.ingest, r.Sessions, with-without), nil
}

// settled is what is resident once garbage was collected.
func (s *subject) settled(ctx context.Context) (int64, error) {
	if err := s.collect(ctx); err != nil {
		return 0, err
	}
	return proc.Resident(s.child.Pid())
}
