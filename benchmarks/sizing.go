package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/feedd/feedd/benchmarks/plots"
	"github.com/feedd/feedd/benchmarks/sizing"
)

// size computes fleets and their bad days from measured costs: results/sizing.json, plots, and the tables of the document.
func size(args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("sizing", flag.ContinueOnError)
	fs.SetOutput(stderr)
	dir := fs.String("results", "results", "`directory` with the results that costs are read from, and for what comes out")
	doc := fs.String("doc", "", "renew the tables in this `FILE`")
	if err := fs.Parse(args); err != nil {
		return usageError{err}
	}
	if fs.NArg() > 0 {
		return usageError{fmt.Errorf("sizing: unknown argument %q", fs.Arg(0))}
	}
	costs, err := sizing.ReadCosts(*dir)
	if err != nil {
		return err
	}
	study, err := sizing.Run(costs, func(line string) { fmt.Fprintln(stderr, line) })
	if err != nil {
		return err
	}
	b, err := json.Marshal(study)
	if err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(filepath.Join(*dir, "sizing.json"), append(b, '\n'), 0o644), plots.WriteSizing(study, *dir))
	if err != nil {
		return err
	}
	if *doc == "" {
		return study.WriteTables(stdout)
	}
	text, err := os.ReadFile(*doc)
	if err != nil {
		return err
	}
	renewed, err := study.Renew(text)
	if err != nil {
		return fmt.Errorf("%s: %w", *doc, err)
	}
	return os.WriteFile(*doc, renewed, 0o644)
}
