package main

import (
	"context"
	"time"

	"github.com/feedd/feedd/benchmarks/floor"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// ground is the floor, as one that takes turns with servers: it sends as many frames as feedd does, of the same size, and at the same beats.
type ground struct {
	*run
	child   *proc.Child
	clients *proc.Child
	plan    floor.Plan
}

// openGround starts a floor like what was seen of a server's sessions, and connects as many clients.
func (r *run) openGround(ctx context.Context, t *trial, m *loaded) (*ground, error) {
	g := &ground{run: r, plan: floorPlan(m.windows[len(m.windows)-1], t.sessions(), r.Cadence, m.got.Groups[0].Beats)}
	var err error
	if g.child, err = r.role("floor", r.serverOn); err != nil {
		return nil, err
	}
	var address string
	if err := g.child.Ask(ctx, floor.Address, nil, &address); err != nil {
		return nil, err
	}
	if g.clients, err = r.role("load", r.othersOn); err != nil {
		return nil, err
	}
	// Its clients do nothing but count.
	cfg := load.Config{Address: address, Groups: []load.Group{{Speak: load.Raw, Sessions: t.sessions()}}, Gather: gather}
	return g, g.clients.Ask(ctx, load.Connect, cfg, nil)
}

// measure has it run, and measures a window once it has settled.
func (g *ground) measure(ctx context.Context, settle, long time.Duration) (report.Window, error) {
	none := report.Window{}
	if err := g.child.Ask(ctx, floor.Run, g.plan, nil); err != nil {
		return none, err
	}
	if err := g.wait(ctx, settle); err != nil {
		return none, err
	}
	w, _, err := g.window(ctx, long, report.Floor, g.child, g.clients)
	if err != nil {
		return none, err
	}
	var count floor.Count
	if err := g.child.Ask(ctx, floor.Pause, nil, &count); err != nil {
		return none, err
	}
	if count.Refused > 0 {
		g.warn("the kernel refused %d writes of the floor: its clients are too slow", count.Refused)
	}
	return w, nil
}

// turn measures it for as long as feedd has its turns.
func (g *ground) turn(ctx context.Context) (*loaded, error) {
	w, err := g.measure(ctx, 2*g.Cadence, min(feeddTakes, g.Window))
	return &loaded{windows: []report.Window{w}}, err
}

// close ends its processes.
func (g *ground) close() {
	if g.clients != nil {
		g.end(g.clients)
	}
	g.end(g.child)
}
