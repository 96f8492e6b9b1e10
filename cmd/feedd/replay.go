package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats.go"
	"golang.org/x/term"

	"github.com/feedd/feedd/replay"
)

const replayUsage = `
Usage: feedd replay [flags] FILE...

Publishes recorded market data to NATS with the pauses that it had. Several files are merged by time. A file
is text, plain or gzip, with one event a line: the receive time in nanoseconds, a space, and the JSON of
Binance's stream bookTicker, trade or depth, or of its book snapshot. Prices appear as binance:BTCUSDT, or
binance-usdm:BTCUSDT for futures.

Examples:
  feedd replay btcusdt_20240808.gz                       at the original pace
  feedd replay --present btcusdt_20240808.gz             with times of today, for bars and statistics
  feedd replay --speed 10 --loop btc.gz eth.gz           ten times as fast, again and again
  feedd replay --speed 0 btcusdt_20240808.gz             as fast as NATS takes it
`

func replayCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var cfg replay.Config
	fs := newFlagSet("replay", replayUsage)
	url := fs.String("nats-url", nats.DefaultURL, "`URL` of the NATS server to publish to")
	fs.Float64Var(&cfg.Speed, "speed", 1, "`factor` on the original pace; 0 means as fast as NATS takes it")
	fs.BoolVar(&cfg.Present, "present", false, "move the exchange's times to the present, so that bars and statistics go on as in a live market")
	fs.BoolVar(&cfg.Loop, "loop", false, "start again at the end, until interrupted")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usagef("replay needs files: feedd replay [flags] FILE...")
	}
	cfg.Files = fs.Args()
	cfg.Progress = stderr
	if file, ok := stderr.(*os.File); ok {
		cfg.Live = term.IsTerminal(int(file.Fd()))
	}
	r, err := replay.Open(cfg)
	if err != nil {
		return usagef("%w", err)
	}
	nc, err := dialPublisher(*url, "feedd replay", stderr)
	if err != nil {
		return err
	}
	defer nc.Close()
	for _, in := range r.Instruments() {
		if _, err := fmt.Fprintln(stdout, "replaying", in.Symbol); err != nil {
			return err
		}
	}
	tallies, err := r.Run(ctx, nc)
	for _, t := range tallies {
		if _, werr := fmt.Fprintln(stdout, t); werr != nil && err == nil {
			err = werr
		}
	}
	return err
}
