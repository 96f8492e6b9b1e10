package main

import (
	"context"
	"errors"
	"time"

	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/benchmarks/rows"
)

// countRows counts the bytes of quote updates on recorded market data.
func countRows(_ context.Context, r *run) (*report.Result, error) {
	if r.ticks == "" {
		return nil, usageError{errors.New("-scenario rows: name the directory of the recordings with -ticks or FEEDD_TICKS")}
	}
	started := time.Now()
	figures, err := rows.Measure(r.ticks, r.Cadence)
	if err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Rows = figures
	result.Judge()
	return result, nil
}
