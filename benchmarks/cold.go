package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/internal/client"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// What the scenario cold asks for.
const (
	coldOnes  = 100 // instruments one a time
	coldMany  = 1000
	coldPause = 50 * time.Millisecond // between them: a session may ask so many times a second
	coldPast  = 20                    // seconds of trades that each instrument has behind it, one a second
	// coldWithin bounds the wait for a value.
	coldWithin = 30 * time.Second
)

// cold measures how long the first value of an instrument takes that nobody watched, at a node that carries on demand: from the
// stream, and by request from the publisher.
func cold(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if least := coldOnes + r.Rounds*coldMany; r.Instruments < least {
		return nil, usageError{fmt.Errorf("-instruments %d: %d rounds of -scenario cold ask for %d", r.Instruments, r.Rounds, least)}
	}
	var err error
	if r.dir, err = os.MkdirTemp("", "feedd-bench-"); err != nil {
		return nil, err
	}
	if err := r.pin(); err != nil {
		return nil, err
	}
	if err := r.build(ctx); err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Cold = &report.Cold{}
	for _, way := range []struct {
		name, stream string
		figures      *report.ColdWay
	}{
		{"from the stream", filepath.Join(r.dir, "stream"), &result.Cold.Stream},
		{"by request", "", &result.Cold.Request},
	} {
		wrong, err := r.coldBy(ctx, way.stream, way.figures)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.name, err)
		}
		f := way.figures
		r.progress("%s: one after %.1f ms, already carried %.1f ms (p50); %d after %.0f to %.0f ms, %.0f µs of CPU each",
			way.name, f.One.P50, f.Warm.P50, f.Many, f.First, f.Last, f.CPU)
		result.Problems = append(result.Problems, wrong...)
	}
	result.Judge()
	return result, nil
}

// coldBy measures one way on a market and a node of its own.
func (r *run) coldBy(ctx context.Context, stream string, f *report.ColdWay) (wrong []string, err error) {
	// The server first, then the node and then the market: where nothing is recorded, the node must hear what there is.
	server, err := r.role("nats", r.othersOn)
	if err != nil {
		return nil, err
	}
	defer r.end(server)
	if err := server.Ask(ctx, feed.Begin, feed.ServerConfig{Dir: stream}, &r.where); err != nil {
		return nil, err
	}
	node, err := r.feedd(ctx, "--interest", "demand", "--interest-linger", "10m")
	if err != nil {
		return nil, err
	}
	defer r.end(node)
	if r.source, err = r.role("feed", r.othersOn); err != nil {
		return nil, err
	}
	defer r.end(r.source)
	cfg := feed.Config{
		Instruments: r.Instruments, Hz: r.TickHz, Burst: r.Burst, Seed: r.Seed, Levels: bookLevels, Past: coldPast, NATS: r.where.NATS, Unrecorded: stream == "",
	}
	if err := r.source.Ask(ctx, feed.Begin, cfg, nil); err != nil {
		return nil, err
	}
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return nil, err
	}
	if err := r.wait(ctx, r.Warmup); err != nil {
		return nil, err
	}
	symbols := feed.Symbols(r.Instruments)
	if err := r.oneByOne(ctx, symbols[:coldOnes], f); err != nil {
		return nil, err
	}
	symbols = symbols[coldOnes:]
	for range r.Rounds {
		if err := r.many(ctx, node.Pid(), []int{server.Pid(), r.source.Pid()}, symbols[:coldMany], f); err != nil {
			return nil, err
		}
		symbols = symbols[coldMany:]
	}
	rounds := float64(r.Rounds)
	f.Many = coldMany
	f.First, f.Last, f.CPU, f.Resident, f.SourceCPU = f.First/rounds, f.Last/rounds, f.CPU/rounds, f.Resident/rounds, f.SourceCPU/rounds
	wrong, f.Compared, err = r.compareQuotes(ctx)
	return wrong, err
}

// oneByOne has one client ask for cold instruments one after the other, and another one for the same.
func (r *run) oneByOne(ctx context.Context, symbols []string, f *report.ColdWay) error {
	for _, delays := range []*report.Delays{&f.One, &f.Warm} {
		c, err := client.Dial(ctx, "ws://"+r.websocket+"/v1/ws", client.Options{Name: "benchmarks"})
		if err != nil {
			return err
		}
		var ms []float64
		for i := range symbols {
			_, last, err := firstValues(ctx, c, symbols[i:i+1])
			if err != nil {
				c.Close()
				return err
			}
			ms = append(ms, last)
			if err := r.wait(ctx, coldPause); err != nil {
				c.Close()
				return err
			}
		}
		c.Close()
		*delays = report.DelaysOf(ms)
	}
	return nil
}

// many has a client ask for many cold instruments at once, and adds up what that takes.
func (r *run) many(ctx context.Context, node int, sources []int, symbols []string, f *report.ColdWay) error {
	c, err := client.Dial(ctx, "ws://"+r.websocket+"/v1/ws", client.Options{Name: "benchmarks"})
	if err != nil {
		return err
	}
	defer c.Close()
	before, err := lookAt(node, sources)
	if err != nil {
		return err
	}
	first, last, err := firstValues(ctx, c, symbols)
	if err != nil {
		return err
	}
	after, err := lookAt(node, sources)
	if err != nil {
		return err
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(len(symbols)) }
	f.First, f.Last = f.First+first, f.Last+last
	f.CPU += each(after.node - before.node)
	f.SourceCPU += each(after.sources - before.sources)
	f.Resident += float64(after.resident-before.resident) / float64(len(symbols))
	return nil
}

// usedBy is what the node, and NATS with the publisher, have used.
type usedBy struct {
	node, sources time.Duration
	resident      int64
}

func lookAt(node int, sources []int) (u usedBy, err error) {
	n, err := proc.CPU(node)
	if err != nil {
		return u, err
	}
	u.node = n.Total()
	for _, pid := range sources {
		s, err := proc.CPU(pid)
		if err != nil {
			return u, err
		}
		u.sources += s.Total()
	}
	u.resident, err = proc.ResidentNow(node)
	return u, err
}

// firstValues subscribes to quotes at the immediate cadence and returns when the first and the last of them had a value, in milliseconds.
func firstValues(ctx context.Context, c *client.Client, symbols []string) (first, last float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, coldWithin, fmt.Errorf("%s: no value within %v", strings.Join(symbols[:1], ""), coldWithin))
	defer cancel()
	ctx, refused := context.WithCancelCause(ctx)
	begin := time.Now()
	since := func() float64 { return float64(time.Since(begin).Microseconds()) / 1000 }
	asked := make(chan error, 1)
	go func() {
		_, err := c.Subscribe(ctx, &feedv1.Subscribe{Symbols: symbols, CadenceMs: new(uint32)})
		if err != nil {
			refused(err)
		}
		asked <- err
	}()
	missing := symbols
	err = c.Await(ctx, func(m *client.Model) bool {
		for len(missing) > 0 {
			if _, ok := m.Quote(missing[len(missing)-1]); !ok {
				break
			}
			missing = missing[:len(missing)-1]
		}
		if first == 0 && (len(missing) < len(symbols) || anyQuote(m, symbols)) {
			first = since()
		}
		return len(missing) == 0
	})
	last = since()
	if err != nil {
		refused(err)
	}
	if subscribed := <-asked; subscribed != nil {
		err = subscribed
	}
	return first, last, err
}

func anyQuote(m *client.Model, symbols []string) bool {
	for _, s := range symbols {
		if _, ok := m.Quote(s); ok {
			return true
		}
	}
	return false
}
