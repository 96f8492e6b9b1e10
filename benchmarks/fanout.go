package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/report"
)

// fanout measures many sessions at one cadence: the server and the floor in turns, so that a machine
// that slows down or speeds up meanwhile does so for both.
func fanout(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	s, err := r.openFeedd(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.alone(ctx, s); err != nil {
		return nil, err
	}
	t, err := r.join(ctx, s, r.group())
	if err != nil {
		return nil, err
	}
	m, err := t.measure(ctx)
	if err != nil {
		return nil, err
	}
	for range r.Rounds {
		if err := t.beside(ctx, m); err != nil {
			return nil, err
		}
		if err := t.again(ctx, t.Window, m); err != nil {
			return nil, err
		}
	}
	if err := t.finish(ctx, m); err != nil {
		return nil, err
	}
	if err := t.takeProfile(ctx); err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Fanout = &report.Fanout{
		Served: t.served(m), Drift: report.Drift(m.windows), FinalQuotesCompared: m.compared,
		Interval: m.got.Probes.Interval, MissedBeats: m.got.Probes.MissedBeats, Windows: m.windows,
	}
	result.Problems = append(result.Problems, m.problems...)
	result.Warnings = append(result.Warnings, blur(m.windows)...)
	result.Judge()
	return result, nil
}

// takeProfile runs one more window, under the profiler, which is why it counts for nothing else.
func (r *run) takeProfile(ctx context.Context) error {
	if r.profile == "" {
		return nil
	}
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return err
	}
	seconds := int(r.Window.Seconds())
	r.progress("profiling for %d s", seconds)
	profile, err := r.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
	if err != nil {
		return err
	}
	return os.WriteFile(r.profile, profile, 0o644)
}
