package main

import (
	"context"
	"errors"
	"time"

	"github.com/feedd/feedd/benchmarks/deflate"
	"github.com/feedd/feedd/benchmarks/report"
)

// compress measures what compressing frames of recorded market data saves and costs.
func compress(_ context.Context, r *run) (*report.Result, error) {
	if r.ticks == "" {
		return nil, usageError{errors.New("-scenario compress: name the directory of the recordings with -ticks or FEEDD_TICKS")}
	}
	started := time.Now()
	figures, err := deflate.Measure(r.ticks, r.Cadence)
	if err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Compressed = figures
	result.Judge()
	return result, nil
}
