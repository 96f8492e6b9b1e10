package main

import (
	"context"
	"errors"
	"time"

	"github.com/feedd/feedd/benchmarks/books"
	"github.com/feedd/feedd/benchmarks/report"
)

// measureBooks counts bytes and times of order books.
func measureBooks(_ context.Context, r *run) (*report.Result, error) {
	if r.ticks == "" {
		return nil, usageError{errors.New("-scenario books: name the directory of the recordings with -ticks or FEEDD_TICKS")}
	}
	started := time.Now()
	recorded, err := books.Measure(r.ticks, r.Cadence)
	if err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Books, result.Depths = recorded, books.Depths()
	result.Judge()
	return result, nil
}
