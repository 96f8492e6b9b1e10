package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/benchmarks/report"
)

// latency measures the time from publishing to a client, for clients of feedd and for clients of the NATS
// server's own WebSocket in turns. All of them are probes, read by the same loop.
func latency(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepare(ctx, true); err != nil {
		return nil, err
	}
	if _, err := r.openFeedd(ctx); err != nil {
		return nil, err
	}
	if err := r.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return nil, err
	}
	r.progress("feedd on %s, NATS on %s; warming up", r.websocket, r.where.WebSocket)
	if err := r.wait(ctx, r.Warmup); err != nil {
		return nil, err
	}
	peers := []peer{{load.Feed, r.websocket}, {load.NATS, strings.TrimPrefix(r.where.WebSocket, "ws://")}}
	result := r.result(started)
	seen := make(map[string][]probe.Percentiles)
	for turn := range 2*r.Rounds + 1 {
		p := peers[turn%len(peers)]
		w, err := r.delays(ctx, p)
		if err != nil {
			return nil, err
		}
		seen[p.speak] = append(seen[p.speak], w.Probes.Delay)
		if w.Probes.Problems > 0 {
			result.Problems = append(result.Problems, fmt.Sprintf("%s: %d wrong rows, such as: %s",
				p.speak, w.Probes.Problems, strings.Join(w.Probes.Texts, "; ")))
		}
		if len(w.Closed) > 0 {
			result.Problems = append(result.Problems, fmt.Sprintf("%s: sessions ended: %s", p.speak, describe(w.Closed)))
		}
	}
	result.Latency = report.Compare(seen[load.Feed], seen[load.NATS])
	result.Judge()
	return result, nil
}

// peer is where clients connect, and what they speak there.
type peer struct{ speak, address string }

// delays connects clients, lets them receive for a window and ends them.
func (r *run) delays(ctx context.Context, p peer) (load.Window, error) {
	g := r.group()
	if g.Speak, g.Probes = p.speak, g.Sessions; p.speak == load.NATS {
		g.Trust, g.Deflate = "", false
	}
	cfg := load.Config{Address: p.address, Symbols: feed.Symbols(r.Instruments), Groups: []load.Group{g}}
	clients, err := r.role("load", r.othersOn)
	if err != nil {
		return load.Window{}, err
	}
	defer r.end(clients)
	if err := clients.Ask(ctx, load.Connect, cfg, nil); err != nil {
		return load.Window{}, err
	}
	var w load.Window
	if err := r.wait(ctx, r.Warmup); err != nil {
		return w, err
	}
	if err := clients.Ask(ctx, load.Mark, nil, &w); err != nil {
		return w, err
	}
	if err := r.wait(ctx, r.Window); err != nil {
		return w, err
	}
	err = clients.Ask(ctx, load.Mark, nil, &w)
	d := w.Probes.Delay
	r.progress("%s: %d messages, p50 %d µs, p99 %d µs", p.speak, d.Count, d.P50, d.P99)
	return w, err
}
