package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/feedd/feedd/benchmarks/report"
)

// speeds draws the curve of the market's speed, whose points take turns. What it is about is a few percent.
func (r *run) speeds(ctx context.Context, c curve) (*report.Result, error) {
	started := time.Now()
	all, err := r.openContests(ctx, []contender{{"feedd", ""}})
	if err != nil {
		return nil, err
	}
	x := all[0]
	var rounds []round[int]
	for n := range r.Rounds {
		points := c.points
		if n%everyOther != 0 {
			points = c.judged
		}
		r.progress("round %d of %d", n+1, r.Rounds)
		these := make(round[int])
		for _, speed := range points {
			if these[speed], err = x.turn(ctx, float64(speed)); err != nil {
				return nil, fmt.Errorf("%d %s: %w", speed, c.of, err)
			}
		}
		rounds = append(rounds, these)
	}
	result := r.result(started)
	result.Curve = &report.Curve{Name: r.Curve, Of: c.of, Unit: c.unit}
	rounds = quietHalf(rounds, c.judged)
	for i, speed := range c.points {
		m := together(rounds, speed)
		if len(m.windows) == 0 {
			continue // too few rounds
		}
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

// everyOther so many rounds the points that are not judged have their turn.
const everyOther = 2
