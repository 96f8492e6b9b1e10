package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/sim"
)

const simUsage = `
Usage: feedd sim [flags]

Publishes a simulated market to NATS until it is interrupted: venue "sim" with quotes, trades and books that
behave like recorded ones, and test:FAKE, which moves once a second. "feedd" runs the same inside by default.

Examples:
  feedd sim                                                40 instruments, 2,000 ticks a second
  feedd sim --instruments 500 --rate 50000 --seed 7        more of it, and another market
  feedd sim --nats-url nats://10.0.0.5:4222                on a NATS of your own
`

func simCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var cfg sim.Config
	fs := newFlagSet("sim", simUsage)
	url := fs.String("nats-url", nats.DefaultURL, "`URL` of the NATS server to publish to")
	fs.IntVar(&cfg.Instruments, "instruments", 40, "how many `instruments` there are")
	fs.IntVar(&cfg.Rate, "rate", 2000, "how many `ticks` a second come of all instruments together, in the mean")
	fs.Uint64Var(&cfg.Seed, "seed", 1, "`number` that decides what happens: the same seed gives the same market")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("sim takes no arguments, got %q", fs.Arg(0))
	}
	if err := cfg.Validate(); err != nil {
		return usagef("%w: see --instruments and --rate", err)
	}
	nc, err := dialPublisher(*url, "feedd sim", stderr)
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := fmt.Fprintf(stdout, "simulating %d instruments at %d ticks a second (seed %d) on %s; interrupt to end\n",
		cfg.Instruments, cfg.Rate, cfg.Seed, nc.ConnectedUrlRedacted()); err != nil {
		return err
	}
	return sim.Run(ctx, nc, cfg, slog.New(slog.NewTextHandler(stderr, nil)))
}

// dialPublisher connects a publisher that goes on when its NATS server comes back, and says on stderr when it
// is away.
func dialPublisher(url, name string, stderr io.Writer) (*nats.Conn, error) {
	nc, err := nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() {
				fmt.Fprintf(stderr, "\n%s: NATS is away (%v); waiting for it\n", name, err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			fmt.Fprintf(stderr, "\n%s: NATS is back at %s\n", name, nc.ConnectedUrlRedacted())
		}))
	if err != nil {
		return nil, fmt.Errorf("NATS at %s: %w; \"feedd\" runs one inside and prints where, --nats-url names another", redact(url), err)
	}
	return nc, nil
}
