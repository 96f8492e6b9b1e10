package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/plots"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// step is one scenario of the suite.
type step struct{ name, args string }

// steps are the suite, in order: half an hour. What is held against a budget has the longer windows, or takes
// turns; what is measured for its own sake has no floor beside it.
var steps = []step{
	{"fanout", "-scenario fanout -rounds 2 -window 8s -warmup 3s"},
	{"lateness", "-scenario fanout -rounds 0 -sessions 10000 -probes 200 -window 8s -warmup 3s"},
	{"latency", "-scenario latency -rounds 4 -window 4s -warmup 2s"},
	{"peers", "-scenario peers -sessions 1000 -rounds 6 -window 4s -warmup 1s"},
	{"peers-100", "-scenario peers -peers feedd,latest,latest-batched -sessions 650 -per-session 100 -rounds 14 -window 4s -warmup 1s"},
	{"broadcast", "-scenario peers -peers feedd,broadcast -sessions 2500 -instruments 20 -rounds 4 -window 4s -warmup 1s"},
	{"mix", "-scenario mix -sessions 5000 -warmup 2s"},
	{"storm", "-scenario storm -window 5s -warmup 3s"},
	{"stuck", "-scenario stuck -rounds 7 -window 8s -warmup 3s"},
	{"throttle", "-scenario throttle -window 3s -warmup 2s"},
	{"tls", "-scenario fanout -rounds 0 -tls -window 4s -warmup 2s"},
	{"json", "-scenario fanout -rounds 0 -speak feed-json -sessions 2500 -window 4s -warmup 2s"},
	{"json-deflate", "-scenario fanout -rounds 0 -speak feed-json -deflate auto -sessions 1000 -window 4s -warmup 2s"},
	{"ingest", "-scenario ingest -window 5s -warmup 2s"},
	{"curve-sessions", "-scenario curve -curve sessions -window 4s -warmup 2s"},
	{"curve-instruments", "-scenario curve -curve instruments -window 4s -warmup 2s"},
	{"curve-ticks", "-scenario curve -curve ticks -rounds 60 -window 4s -warmup 2s"},
	{"curve-cadence", "-scenario curve -curve cadence -window 4s -warmup 2s"},
	{"curve-cores", "-scenario curve -curve cores -window 4s -warmup 2s"},
	{"rows", "-scenario rows"},
	{"books", "-scenario books"},
	{"compress", "-scenario compress"},
	{"restart", "-scenario restart"},
	{"cold", "-scenario cold"},
	{"wire", "-scenario wire -window 10s"},
}

// bench runs the suite and writes its result, a table and plots to results/. A step that fails is named and does not
// keep the others from running.
func bench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	only := fs.String("only", "", "of the steps, those to run, such as fanout,latency; empty: all")
	server := fs.String("server", "", "feedd binary to measure; empty: built from this checkout")
	ticks := fs.String("ticks", os.Getenv("FEEDD_TICKS"), "`directory` of recordings; without it rows, books and compress are left out")
	out := fs.String("out", "results", "`directory` for latest.json, latest.md and the plots")
	base := fs.Bool("base", false, "also keep the result as base.json, which later ones are compared with")
	if err := fs.Parse(args); err != nil {
		return usageError{err}
	}
	if *only != "" {
		for name := range strings.SplitSeq(*only, ",") {
			if !slices.Contains(stepNames(steps), name) {
				return usageError{fmt.Errorf("-only %s: %q is no step: want some of %s", *only, name, strings.Join(stepNames(steps), ", "))}
			}
		}
	}
	chosen := chooseSteps(*only, *ticks)
	builder := &run{options: options{server: *server}, stderr: stderr}
	defer builder.close()
	var err error
	if builder.dir, err = os.MkdirTemp("", "feedd-bench-"); err != nil {
		return err
	}
	if err := builder.build(ctx); err != nil {
		return err
	}
	s := &report.Suite{
		Started: time.Now().UTC().Truncate(time.Second), Machine: proc.ThisMachine(), Versions: builder.versions(),
		Failures: make(map[string]string), Results: make(map[string]*report.Result),
	}
	begin := time.Now()
	for i, st := range chosen {
		fmt.Fprintf(stderr, "=== %d of %d, after %.0f s: %s\n", i+1, len(chosen), time.Since(begin).Seconds(), st.name)
		result, err := runStep(ctx, st, builder.binary, *ticks, stderr)
		if result != nil {
			s.Results[st.name] = result
		}
		if err != nil {
			s.Failures[st.name] = err.Error()
			fmt.Fprintf(stderr, "=== %s failed: %v\n", st.name, err)
		}
		s.Judge()
		for _, b := range s.Budgets {
			if b.Step == st.name {
				fmt.Fprintf(stderr, "--- %v\n", b)
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	s.Seconds = time.Since(begin).Seconds()
	if err := keep(s, chosen, *out, *base); err != nil {
		return err
	}
	if err := s.Markdown(stdout, stepNames(chosen)); err != nil {
		return err
	}
	if len(s.Failures) > 0 {
		return fmt.Errorf("%d of %d steps failed", len(s.Failures), len(chosen))
	}
	return nil
}

func chooseSteps(only, ticks string) []step {
	return slices.DeleteFunc(slices.Clone(steps), func(s step) bool {
		if only != "" {
			return !slices.Contains(strings.Split(only, ","), s.name)
		}
		return ticks == "" && (s.name == "rows" || s.name == "books" || s.name == "compress")
	})
}

func stepNames(chosen []step) []string {
	var names []string
	for _, s := range chosen {
		names = append(names, s.name)
	}
	return names
}

// runStep runs one scenario. A result comes even with an error where the server was wrong.
func runStep(ctx context.Context, st step, binary, ticks string, stderr io.Writer) (*report.Result, error) {
	o, err := parse(append(strings.Fields(st.args), "-server", binary, "-ticks", ticks), stderr)
	if err != nil {
		return nil, err
	}
	r := &run{options: o, stderr: stderr}
	defer r.close()
	result, err := scenarios[o.Scenario](ctx, r)
	if err != nil {
		return nil, err
	}
	result.Command = "benchmarks " + st.args
	if result.Verdict != report.Correct {
		return result, fmt.Errorf("the server was wrong: %s", strings.Join(result.Problems, "; "))
	}
	return result, nil
}

// keep writes what the suite found.
func keep(s *report.Suite, chosen []step, dir string, base bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	var table strings.Builder
	err = errors.Join(
		s.Markdown(&table, stepNames(chosen)),
		os.WriteFile(filepath.Join(dir, "latest.json"), b, 0o644),
		os.WriteFile(filepath.Join(dir, "latest.md"), []byte(table.String()), 0o644),
	)
	if base {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "base.json"), b, 0o644))
	}
	return errors.Join(err, plots.Write(s, dir))
}
