package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/feedd/feedd/benchmarks/crowd"
	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/plots"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/benchmarks/soak"
)

// The market of a soak: those that are looked at most have books and trades, with so much behind them that what the server
// keeps of them has its full size from the start.
const (
	soakBooks  = 20
	soakLevels = 50
)

// leastSoak is the time in which slopes can be told from noise at all.
const leastSoak = 30 * time.Second

// soaking is a soak under way.
type soaking struct {
	*run
	nats   *proc.Child
	server *proc.Child // feedd
	crowd  *proc.Child
	lives  uint64 // of the publisher
	began  time.Time

	collected, profiled time.Time // the server's heap, last

	figures  *report.Soak
	problems []string
	samples  []sample
	trouble  trouble
}

// kind is a part of the crowd.
type kind struct {
	share float64
	group crowd.Group
}

func crowds() []kind {
	quotes := func(name string, n int, cadence uint32) crowd.Group {
		return crowd.Group{
			Name: name, CadenceMS: cadence, Deflate: true, Choice: load.Choice{PerSession: n},
			Subscribe: []load.Subscription{{Channels: []string{"quote"}}},
		}
	}
	trader := quotes("trader", 20, 100)
	trader.Subscribe = append(trader.Subscribe, load.Subscription{Channels: []string{"book", "trade"}, First: 2, Depth: bookDepth})
	text := quotes("in JSON", 20, 500)
	text.JSON = true
	text.Subscribe = append(text.Subscribe, load.Subscription{Channels: []string{"trade"}, First: 1})
	hidden := quotes(hiddenTab, 50, 250)
	hidden.Hidden = true
	visitor := quotes("visitor", 20, 250)
	visitor.Visits = 20 * time.Second
	slow := quotes("slow", 50, 100)
	slow.Slow, slow.Deflate = true, false
	return []kind{{0.35, quotes("watchlist", 30, 250)}, {0.20, trader}, {0.15, text}, {0.10, hidden}, {0.15, visitor}, {0.05, slow}}
}

// soakFor is the scenario soak.
func soakFor(ctx context.Context, r *run) (*report.Result, error) {
	s := &soaking{run: r, figures: &report.Soak{
		Faults: make(map[soak.Fault]report.Recovered), Ended: make(map[string]int), Slopes: make(map[string]report.Grown),
		Left: make(map[string]report.Remains),
	}}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	before, err := s.alone(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.live(ctx); err != nil {
		return nil, err
	}
	if err := s.compare(ctx); err != nil {
		return nil, err
	}
	if err := s.leave(ctx, before); err != nil {
		return nil, err
	}
	s.judge()
	result := r.result(s.began)
	result.Soak = s.figures
	result.Problems = append(result.Problems, s.problems...)
	result.Judge()
	return result, s.draw()
}

// open starts NATS, the publisher and feedd.
func (s *soaking) open(ctx context.Context) error {
	var err error
	if s.dir, err = os.MkdirTemp("", "feedd-soak-"); err != nil {
		return err
	}
	if err := s.pin(); err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	if err := s.startNATS(ctx); err != nil {
		return err
	}
	if err := s.startPublisher(ctx); err != nil {
		return err
	}
	if err := s.writePolicy(s.Cadence); err != nil {
		return err
	}
	s.server, err = s.feedd(ctx, "--policy", s.policyFile())
	return err
}

// alone is what the server holds without clients.
func (s *soaking) alone(ctx context.Context) (sample, error) {
	const settled = 5 * time.Second
	s.began = time.Now()
	if err := s.wait(ctx, settled); err != nil {
		return sample{}, err
	}
	return s.look(ctx)
}

// live is the soak itself.
func (s *soaking) live(ctx context.Context) error {
	var err error
	if s.crowd, err = s.role("crowd", s.othersOn); err != nil {
		return err
	}
	cfg := crowd.Config{URL: "ws://" + s.websocket + "/v1/ws", Seed: s.Seed}
	for _, k := range crowds() {
		g := k.group
		g.Clients = max(1, int(math.Round(k.share*float64(s.Sessions))))
		g.Choice.Instruments, g.Choice.Distribution, g.Choice.Seed = s.Instruments, load.Zipf, s.Seed
		g.Choice.PerSession = min(g.Choice.PerSession, s.Instruments)
		cfg.Groups = append(cfg.Groups, g)
		s.figures.Clients += g.Clients
	}
	if err := s.crowd.Ask(ctx, crowd.Come, cfg, nil); err != nil {
		return err
	}
	s.began = time.Now()
	// No fault begins so late that not everybody is back in the end.
	const last = 10 * time.Second
	steps := soak.Schedule(s.Seed, min(s.Warmup/2, 30*time.Second), s.Duration-last)
	s.progress("%d clients, %v, of which the first %v do not count; %d steps of faults from seed %d", s.figures.Clients, s.Duration, s.Warmup, len(steps), s.Seed)
	for told := time.Duration(0); ; {
		at := time.Since(s.began)
		if at >= s.Duration {
			return nil
		}
		for len(steps) > 0 && steps[0].At <= at {
			if err := s.act(ctx, steps[0]); err != nil {
				return fmt.Errorf("%v: %w", steps[0], err)
			}
			steps = steps[1:]
		}
		if err := s.sampled(ctx); err != nil {
			return err
		}
		if at-told >= tellEvery {
			told = at
			s.tell()
		}
		if err := s.wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

// compare stops the ticks and holds every client against what was published last.
func (s *soaking) compare(ctx context.Context) error {
	var final feed.Final
	if err := s.source.Ask(ctx, feed.Ends, bookDepth, &final); err != nil {
		return err
	}
	var c crowd.Comparison
	if err := s.crowd.Ask(ctx, crowd.Compare, final, &c); err != nil {
		return err
	}
	s.figures.Quotes, s.figures.Books, s.figures.Tapes = c.Quotes, c.Books, c.Tapes
	s.problems = append(s.problems, c.Problems...)
	s.progress("compared %d quotes, %d books and %d tapes with what was published last", c.Quotes, c.Books, c.Tapes)
	return s.sampled(ctx) // what clients noticed meanwhile
}

// leave has all clients go, and looks at what the server still holds for them.
func (s *soaking) leave(ctx context.Context, before sample) error {
	s.end(s.crowd)
	const (
		patience = 90 * time.Second // a peer that fell silent is given up after 45 s
		slack    = 4                // goroutines and descriptors that come and go: a scrape's own connection, a checkpoint's file
	)
	var after sample
	for since := time.Now(); ; {
		var err error
		if after, err = s.look(ctx); err != nil {
			return err
		}
		if after.connections == 0 && after.goroutines <= before.goroutines+slack && after.descriptors <= before.descriptors+slack {
			break
		}
		if time.Since(since) > patience {
			s.problems = append(s.problems, fmt.Sprintf("behind the last client the server has %.0f connections, %.0f goroutines and %.0f descriptors; ahead of the first it had %.0f, %.0f and %.0f",
				after.connections, after.goroutines, after.descriptors, before.connections, before.goroutines, before.descriptors))
			break
		}
		if err := s.wait(ctx, time.Second); err != nil {
			return err
		}
	}
	// What is pooled goes with the second collection.
	for range 2 {
		var err error
		if err = s.wait(ctx, collectEvery); err != nil {
			return err
		}
		s.profiled = time.Time{}
		if after, err = s.look(ctx); err != nil {
			return err
		}
	}
	for _, f := range held {
		s.figures.Left[f.name] = report.Remains{Before: f.of(before), After: f.of(after)}
	}
	s.figures.Dropped = make(map[string]float64)
	for reason, n := range after.dropped {
		if n -= before.dropped[reason]; n > 0 {
			s.figures.Dropped[reason] = n
		}
	}
	return nil
}

// judge fits the slopes.
func (s *soaking) judge() {
	s.figures.Seconds = time.Since(s.began).Seconds()
	for _, f := range held {
		series := s.series(f.of)
		slope, err := soak.Fit(series)
		if err != nil {
			s.warn("slope of %s: %v", f.name, err)
			continue
		}
		g := report.Grown{Slope: slope, Verdict: slope.Judge(f.negligible(slope.Mean), f.clear(slope.Mean))}
		s.figures.Slopes[f.name] = g
		text := fmt.Sprintf("%s: %+.3g an hour (95 %%: %+.3g to %+.3g) at a mean of %.4g: %s", f.name, slope.PerHour, slope.Low, slope.High, slope.Mean, g.Verdict)
		s.progress("%s", text)
		switch {
		case g.Verdict == soak.Unclear:
			s.warn("%s: a longer -duration tells", text)
		case g.Verdict == soak.Grows && f.judged:
			s.problems = append(s.problems, text)
		}
	}
}

// draw draws what was seen.
func (s *soaking) draw() error {
	if s.plot == "" {
		return nil
	}
	of := func(name, unit string, value func(sample) float64) plots.Series {
		d := plots.Series{Name: name, Unit: unit}
		for _, one := range s.samples {
			if one.at > s.Duration { // nobody publishes any more
				break
			}
			d.X, d.Y = append(d.X, one.at.Minutes()), append(d.Y, value(one))
		}
		return d
	}
	var marks []float64
	for _, at := range s.trouble.times {
		marks = append(marks, at.Minutes())
	}
	b, err := plots.Soak([][]plots.Series{
		{of("live heap", "MB", func(o sample) float64 { return o.heap / 1e6 }), of("resident", "MB", func(o sample) float64 { return o.resident / 1e6 })},
		{of("goroutines", "", func(o sample) float64 { return o.goroutines }), of("descriptors", "", func(o sample) float64 { return o.descriptors }),
			of("connections", "", func(o sample) float64 { return o.connections })},
		{of("frames a second", "", func(o sample) float64 { return o.frames })},
	}, marks, s.Warmup.Minutes())
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.plot, b, 0o644); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	s.progress("drew %s", filepath.Base(s.plot))
	return nil
}
