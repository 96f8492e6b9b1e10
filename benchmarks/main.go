package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/feedd/feedd/benchmarks/crowd"
	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/floor"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/peers"
	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/benchmarks/ways"
)

func init() {
	// Children are killed when the thread that started them ends: the main thread lasts as long as the
	// process, and main starts them all.
	runtime.LockOSThread()
}

// roles are the processes that this executable is besides the orchestrator.
var roles = map[string]func(io.Reader, io.Writer) error{
	"floor": floor.Role,
	"load":  load.Role,
	"feed":  feed.Role,
	"peer":  peers.Role,
	"nats":  feed.ServerRole,
	"crowd": crowd.Role,
	"ways":  ways.Role,
}

// scenarios by the name that -scenario takes.
var scenarios = map[string]func(context.Context, *run) (*report.Result, error){
	"fanout":   fanout,
	"latency":  latency,
	"peers":    comparePeers,
	"ingest":   ingest,
	"curve":    drawCurve,
	"mix":      mix,
	"storm":    storm,
	"stuck":    stuck,
	"throttle": throttle,
	"rows":     countRows,
	"books":    measureBooks,
	"compress": compress,
	"restart":  restart,
	"cold":     cold,
	"wire":     wire,
	"soak":     soakFor,
	"ways":     compareWays,
}

const usage = `Measures what feedd costs. Run it from the directory benchmarks, or with go -C benchmarks run . …

  benchmarks -scenario fanout -sessions 5000 -instruments 200 -per-session 20 -tick-hz 40 -cadence 250ms
  benchmarks -scenario fanout -json -save base       also writes results/base.json
  benchmarks -scenario latency                       feedd beside the NATS server's own WebSocket
  benchmarks -scenario peers -sessions 1000          feedd beside centrifuge, under the same sessions and ticks
  benchmarks -scenario mix                           watchlists, traders, hidden tabs and firehoses, bursts × 20
  benchmarks -scenario storm                         10,000 clients come at once, and again
  benchmarks -scenario stuck                         1,000 clients that stop reading among 10,000
  benchmarks -scenario throttle                      another cadence for 10,000 sessions while the market runs
  benchmarks -scenario curve -curve sessions         cost as one thing grows: sessions, instruments, ticks, cadence, cores
  benchmarks -scenario ingest                        ticks that one core takes in
  benchmarks -scenario rows -ticks DIR               bytes of quote updates on recorded market data
  benchmarks -scenario books -ticks DIR              bytes and times of order books
  benchmarks -scenario ways                          WebSockets, event streams, responses that do not end, and polls
  benchmarks -scenario restart                       from a kill -9 to serving 10,000 instruments again
  benchmarks -scenario cold                          the first value of instruments that nobody watched, carried on demand
  benchmarks -scenario wire -ticks DIR               bytes of a tick on NATS, processor time of a TLS handshake
  benchmarks -scenario soak -duration 30m            clients of all kinds, and a fault every quarter of a minute: does anything grow
  benchmarks bench                                   all of it: results/latest.json, latest.md and plots
  benchmarks sizing                                  fleets and their bad days, from measured costs: results/sizing.json, plots
  benchmarks compare base latest                     sets two saved results beside each other

The table (or with -json one JSON object) goes to standard output, progress to standard error. The exit
status is 1 when something failed or the server's data were wrong, 2 when the command line was.

`

func main() { os.Exit(status()) }

// status runs the command, or the role, and returns the exit status.
func status() int {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Stdin, os.Stdout); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
				return 1
			}
			return 0
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "benchmarks:", err)
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// usageError is what the command line got wrong.
type usageError struct{ error }

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "compare" {
		return compare(args[1:], stdout)
	}
	if len(args) > 0 && args[0] == "bench" {
		return bench(ctx, args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "sizing" {
		return size(args[1:], stdout, stderr)
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	r := &run{options: o, stderr: stderr}
	defer r.close()
	result, err := scenarios[o.Scenario](ctx, r)
	if err != nil {
		return err
	}
	result.Command = "benchmarks " + strings.Join(args, " ")
	if err := write(result, o, stdout, stderr); err != nil {
		return err
	}
	if result.Verdict != report.Correct {
		return fmt.Errorf("the server was wrong: %s", strings.Join(result.Problems, "; "))
	}
	return nil
}

func write(result *report.Result, o options, stdout, stderr io.Writer) error {
	b, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if o.save != "" {
		path := resultPath(o.save)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("save: %w", err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return fmt.Errorf("save: %w", err)
		}
		fmt.Fprintln(stderr, "saved", path)
	}
	if o.json {
		_, err = stdout.Write(b)
		return err
	}
	return report.WriteTable(stdout, result)
}

// resultPath is where a result of that name is kept; a name with a slash or an extension is a path.
func resultPath(name string) string {
	if strings.ContainsRune(name, filepath.Separator) || filepath.Ext(name) != "" {
		return name
	}
	return filepath.Join("results", name+".json")
}

func compare(names []string, stdout io.Writer) error {
	if len(names) != 2 {
		return usageError{fmt.Errorf("compare: want two results (names in results/, or paths), got %d", len(names))}
	}
	var results [2][]byte
	for i, name := range names {
		b, err := os.ReadFile(resultPath(name))
		if err != nil {
			return usageError{fmt.Errorf("compare: %w", err)}
		}
		results[i] = b
	}
	return report.WriteDifference(stdout, results[0], results[1])
}
