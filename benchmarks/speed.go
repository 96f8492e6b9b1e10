package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/feedd/feedd/benchmarks/report"
)

// speeds draws the curve of the market's speed, whose points take turns. What it is about is a few percent, so there are many of them.
func (r *run) speeds(ctx context.Context, c curve) (*report.Result, error) {
	started := time.Now()
	all, err := r.openContests(ctx, []contender{{"feedd", ""}})
	if err != nil {
		return nil, err
	}
	x := all[0]
	var rounds, alone []round[int]
	for n := range r.Rounds {
		points := c.judged
		if n%othersEvery == 0 {
			points = c.points
		}
		r.progress("round %d of %d", n+1, r.Rounds)
		these, err := x.through(ctx, points, x.with)
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, these)
		if n%aloneEvery == 0 {
			if these, err = x.through(ctx, points, x.without); err != nil {
				return nil, err
			}
			alone = append(alone, these)
		}
	}
	result := r.result(started)
	result.Curve = &report.Curve{Name: r.Curve, Of: c.of, Unit: c.unit}
	rounds, alone = quietHalf(rounds, c.judged), quietHalf(alone, c.judged)
	for i, speed := range c.points {
		m := together(rounds, speed)
		if len(m.windows) == 0 {
			continue // all its rounds are in the other half
		}
		m.windows = append(together(alone, speed).windows, m.windows...)
		if err := x.last(ctx, float64(speed), m); err != nil {
			return nil, err
		}
		if i == len(c.points)-1 {
			if err := x.trial.finish(ctx, m); err != nil {
				return nil, err
			}
		}
		at := fmt.Sprintf("%d%s %s: ", speed, c.unit, c.of)
		result.Curve.Points = append(result.Curve.Points, report.Point{X: float64(speed), Served: x.report(m, at, result)})
	}
	slices.SortFunc(result.Curve.Points, func(a, b report.Point) int { return int(a.X - b.X) })
	result.Curve.Growth()
	result.Judge()
	return result, nil
}

// Every so many rounds the points that are not judged have their turn, and ingest alone has, whose seconds differ by less.
const othersEvery, aloneEvery = 8, 4

// through has the market at all points, one right behind another, and then at rest.
func (x *contest) through(ctx context.Context, points []int, measure func(context.Context, float64, *loaded) error) (round[int], error) {
	these := make(round[int])
	for _, speed := range points {
		these[speed] = new(loaded)
		if err := measure(ctx, float64(speed), these[speed]); err != nil {
			return nil, fmt.Errorf("× %d: %w", speed, err)
		}
	}
	return these, x.rest(ctx)
}
