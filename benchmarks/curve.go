package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// curve measures what feedd costs as one thing grows and all else stays. All points have the same server and market.
type curve struct {
	of     string // what grows, in words
	unit   string
	points []int
	// set makes a point out of the options.
	set func(o *options, x int)
	// What is measured besides, which takes a while: the floor at each point, and memory without its garbage.
	floor, memory bool
	// judged are the points of a curve of the market's speed that are set against each other; see speeds.
	judged []int
	// cores says that the point is how many cores the server has, so that each has a server of its own.
	cores bool
}

// curves by the name that -curve takes.
var curves = map[string]curve{
	"sessions": {
		of: "sessions", points: []int{1000, 5000, 10_000, 19_000}, floor: true,
		set: func(o *options, x int) { o.Sessions = x },
	},
	"instruments": {
		of: "instruments a session", points: []int{5, 20, 100, 500}, floor: true, memory: true,
		set: func(o *options, x int) { o.PerSession = x },
	},
	"ticks": {
		of: "speed of the market", unit: "×", points: []int{1, 8, 2, 32}, judged: []int{1, 8},
	},
	"cadence": {
		of: "cadence", unit: "ms", points: []int{20, 100, 500, 2000},
		set: func(o *options, x int) { o.Cadence = time.Duration(x) * time.Millisecond },
	},
	"cores": {
		of: "cores of the server", points: []int{1, 2}, cores: true,
		set: func(*options, int) {},
	},
}

func curveNames() string { return strings.Join(slices.Sorted(maps.Keys(curves)), ", ") }

// drawCurve is the scenario curve.
func drawCurve(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	c := curves[r.Curve]
	if len(c.judged) > 0 {
		return r.speeds(ctx, c)
	}
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Curve = &report.Curve{Name: r.Curve, Of: c.of, Unit: c.unit}
	given := r.options
	var (
		s    *subject
		seen = make(map[int]*loaded) // by point, over all rounds
	)
	for round := range given.Rounds {
		for _, x := range c.points {
			r.options = given
			c.set(&r.options, x)
			if r.Sessions > given.Sessions && c.of != "sessions" || r.PerSession > r.Instruments {
				continue
			}
			var err error
			if s, err = r.at(ctx, c, x, s); err != nil {
				return nil, err
			}
			m, served, err := r.point(ctx, c, s, x, seen[x], result)
			if err != nil {
				return nil, fmt.Errorf("%d %s: %w", x, c.of, err)
			}
			if seen[x] = m; round == given.Rounds-1 {
				result.Curve.Points = append(result.Curve.Points, report.Point{X: float64(x), Served: served})
			}
		}
	}
	r.options = given
	result.Curve.Growth()
	result.Judge()
	return result, nil
}

// at readies the server and the market for a point; s is the server of the point before.
func (r *run) at(ctx context.Context, c curve, x int, s *subject) (*subject, error) {
	fresh := s == nil
	if c.cores {
		if s != nil {
			r.end(s.child)
		}
		cores, err := proc.Cores()
		if err != nil {
			return nil, err
		}
		r.serverOn, r.othersOn, fresh = cores[:min(x, len(cores))], nil, true
	}
	if fresh {
		var err error
		if s, err = r.openFeedd(ctx); err != nil {
			return nil, err
		}
	}
	if fresh {
		return s, r.alone(ctx, s)
	}
	return s, nil
}

// point measures one point, and adds it to what was seen of it in earlier rounds; nil: nothing.
func (r *run) point(ctx context.Context, c curve, s *subject, x int, earlier *loaded, result *report.Result) (*loaded, report.Served, error) {
	none := report.Served{}
	if c.memory {
		if err := r.tidy(ctx, s); err != nil {
			return nil, none, err
		}
	}
	var err error
	if s.resident, err = proc.Resident(s.child.Pid()); err != nil {
		return nil, none, err
	}
	t, err := r.join(ctx, s, r.group())
	if err != nil {
		return nil, none, err
	}
	defer t.done()
	m, err := t.measure(ctx)
	if err != nil {
		return nil, none, err
	}
	if c.floor {
		if err := t.beside(ctx, m); err != nil {
			return nil, none, err
		}
	}
	if !c.memory {
		s.collect = nil
	}
	if err := t.finish(ctx, m); err != nil {
		return nil, none, err
	}
	at := fmt.Sprintf("%d%s %s: ", x, c.unit, c.of)
	for _, p := range m.problems {
		result.Problems = append(result.Problems, at+p)
	}
	for _, w := range blur(m.windows) {
		result.Warnings = append(result.Warnings, at+w)
	}
	m.add(earlier)
	return m, t.served(m), r.source.Ask(ctx, feed.Resume, nil, nil)
}
