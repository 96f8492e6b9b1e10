package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/market"
)

// bookLevels are those a side of every book in the scenario restart.
const bookLevels = 20

// restart measures how long feedd takes from its start until it serves all instruments: with a checkpoint that
// a killed process left, and with the stream alone. Ticks go on all the time.
func restart(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepareRestart(ctx); err != nil {
		return nil, err
	}
	if _, err := r.startedWithin(ctx); err != nil {
		return nil, err
	}
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return nil, err
	}
	var warm, cold []float64
	var size int64
	for round := range r.Rounds {
		var err error
		if size, err = r.awaitCheckpoint(ctx); err != nil {
			return nil, err
		}
		for _, checkpoint := range []bool{true, false} {
			took, err := r.die(ctx, checkpoint)
			if err != nil {
				return nil, err
			}
			r.progress("round %d: checkpoint %v: %.2f s", round+1, checkpoint, took)
			if checkpoint {
				warm = append(warm, took)
			} else {
				cold = append(cold, took)
			}
		}
	}
	result := r.result(started)
	f := report.Restarts(warm, cold)
	f.CheckpointBytes, f.Away = size, r.Warmup.Seconds()
	f.CheckpointPerInstrument = float64(size) / float64(r.Instruments)
	wrong, compared, err := r.compareQuotes(ctx)
	if err != nil {
		return nil, err
	}
	f.QuotesCompared = compared
	result.Restart, result.Problems = f, append(result.Problems, wrong...)
	result.Judge()
	return result, nil
}

func (r *run) prepareRestart(ctx context.Context) error {
	var err error
	if r.dir, err = os.MkdirTemp("", "feedd-bench-"); err != nil {
		return err
	}
	if err := r.build(ctx); err != nil {
		return err
	}
	if r.source, err = r.role("feed", nil); err != nil {
		return err
	}
	r.progress("publishing %d instruments", r.Instruments)
	cfg := feed.Config{
		Instruments: r.Instruments, Hz: r.TickHz, Burst: r.Burst, Seed: r.Seed, Levels: bookLevels, Stream: filepath.Join(r.dir, "stream"),
	}
	return r.source.Ask(ctx, feed.Begin, cfg, &r.where)
}

func (r *run) checkpoints() string { return filepath.Join(r.dir, "data", "checkpoint") }

// awaitCheckpoint waits for one that was written from now on, and returns its size.
func (r *run) awaitCheckpoint(ctx context.Context) (int64, error) {
	since := time.Now()
	for range 600 {
		if info, err := os.Stat(filepath.Join(r.checkpoints(), "checkpoint")); err == nil && info.ModTime().After(since) {
			return info.Size(), nil
		}
		if err := r.wait(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("no checkpoint in %s within a minute", r.checkpoints())
}

// die kills the server, lets ticks go by, and returns how long another one takes until it serves.
func (r *run) die(ctx context.Context, checkpoint bool) (float64, error) {
	server := len(r.children) - 1
	r.children[server].Kill()
	r.children = r.children[:server]
	if !checkpoint {
		if err := os.RemoveAll(r.checkpoints()); err != nil {
			return 0, err
		}
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return 0, err
	}
	took, err := r.startedWithin(ctx)
	return took.Seconds(), err
}

// startedWithin starts the server and returns how long it took until it was ready.
func (r *run) startedWithin(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if _, err := r.feedd(ctx); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

// compared is how many symbols one request for a snapshot names.
const compared = 500

// compareQuotes stops the ticks and compares what the server gives out with what was published last.
func (r *run) compareQuotes(ctx context.Context) (wrong []string, n int, err error) {
	var last []feed.Quote
	if err := r.source.Ask(ctx, feed.Pause, nil, &last); err != nil {
		return nil, 0, err
	}
	if err := r.wait(ctx, time.Second); err != nil {
		return nil, 0, err
	}
	want := make(map[string]string, len(last))
	symbols := feed.Symbols(r.Instruments)
	for i, q := range last {
		want[symbols[i]] = decimal(q.Bid, 2) + " " + decimal(q.Ask, 2)
	}
	for some := range slices.Chunk(symbols, compared) {
		got, err := r.snapshot(ctx, some)
		if err != nil {
			return nil, 0, err
		}
		for _, symbol := range some {
			n++
			if got[symbol] != want[symbol] && len(wrong) < 5 {
				wrong = append(wrong, fmt.Sprintf("%s: %q, published %q", symbol, got[symbol], want[symbol]))
			}
		}
	}
	return wrong, n, nil
}

func decimal(v int64, scale uint8) string { return string(market.AppendDecimal(nil, v, scale)) }

// snapshot returns bid and ask of each symbol as the server has them.
func (r *run) snapshot(ctx context.Context, symbols []string) (map[string]string, error) {
	where := url.URL{Scheme: "http", Host: r.websocket, Path: "/v1/snapshot", RawQuery: url.Values{"symbols": {strings.Join(symbols, ",")}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status + ": " + string(body))
	}
	var frame struct {
		QuoteTexts []struct{ Symbol, Bid, Ask string }
	}
	if err := json.Unmarshal(body, &frame); err != nil {
		return nil, err
	}
	quotes := make(map[string]string, len(frame.QuoteTexts))
	for _, q := range frame.QuoteTexts {
		quotes[q.Symbol] = q.Bid + " " + q.Ask
	}
	return quotes, nil
}
