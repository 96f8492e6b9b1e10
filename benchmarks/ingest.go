package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/report"
)

// ingest measures how many ticks a second feedd takes in on its core, decoded, checked and applied, with nobody
// connected.
func ingest(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	s, err := r.openFeedd(ctx)
	if err != nil {
		return nil, err
	}
	// The first ticks are refused for as long as feedd does not know their instruments.
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return nil, err
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return nil, err
	}
	before, err := r.unapplied(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.alone(ctx, s); err != nil {
		return nil, err
	}
	after, err := r.unapplied(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.takeProfile(ctx); err != nil {
		return nil, err
	}
	result := r.result(started)
	result.TakenIn = report.Ingested(s.ingest)
	if result.TakenIn.Lost = after - before; after != before {
		result.Problems = append(result.Problems, fmt.Sprintf("%.0f of the ticks published were not applied", after-before))
	}
	result.Warnings = append(result.Warnings, blur([]report.Window{s.ingest})...)
	result.Judge()
	return result, nil
}

// unapplied stops the ticks and returns how many of all that were published feedd did not apply.
func (r *run) unapplied(ctx context.Context) (float64, error) {
	if err := r.source.Ask(ctx, feed.Pause, nil, nil); err != nil {
		return 0, err
	}
	if err := r.wait(ctx, time.Second); err != nil {
		return 0, err
	}
	var published feed.Published
	if err := r.source.Ask(ctx, feed.Count, nil, &published); err != nil {
		return 0, err
	}
	applied, err := r.metric(ctx, "feedd_ingest_ticks_total", "channel", "quote")
	return float64(published.Ticks) - applied, err
}

// metric reads one of feedd's counters.
func (r *run) metric(ctx context.Context, name, label, value string) (float64, error) {
	text, err := r.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	for _, m := range families[name].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label && l.GetValue() == value {
				return m.GetCounter().GetValue(), nil
			}
		}
	}
	return 0, fmt.Errorf("metrics: no %s{%s=%q}", name, label, value)
}
