package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/peers"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// comparePeers measures feedd and its peers under the same sessions and ticks, in turns, so that a machine that changes its
// speed meanwhile does so for all. Each has a market and clients of its own, and stands still while others have their turn.
func comparePeers(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	wanted := r.contenders()
	if len(wanted) == 0 {
		return nil, usageError{fmt.Errorf("-peers %s: none of feedd's peers", r.Peers)}
	}
	all, err := r.openContests(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for range r.Rounds {
		for _, x := range all {
			if err := x.alone(ctx); err != nil {
				return nil, err
			}
		}
	}
	for _, x := range all {
		if err := x.join(ctx); err != nil {
			return nil, err
		}
	}
	for round := range r.Rounds {
		for _, x := range all {
			if err := x.serve(ctx, round == r.Rounds-1); err != nil {
				return nil, err
			}
		}
	}
	result := r.result(started)
	result.Peers = make(map[string]report.Served)
	rounds := make(map[string][]float64)
	for _, x := range all {
		result.Peers[x.subject.name] = x.report(result)
		rounds[x.subject.name] = x.perUpdate()
	}
	result.Versus = report.Against(result.Peers, rounds)
	result.Judge()
	return result, nil
}

// contender is a server to measure, and the setting of it.
type contender struct{ server, variant string }

// contenders are those that -peers names, or all.
func (r *run) contenders() []contender {
	all := []contender{
		{"feedd", ""},
		{peers.Centrifuge, peers.Every}, {peers.Centrifuge, peers.Batched},
		{peers.Centrifuge, peers.Latest}, {peers.Centrifuge, peers.LatestBatched},
	}
	if r.PerSession == r.Instruments { // all that it can do is everything for everybody
		all = append(all, contender{peers.Broadcast, ""})
	}
	if r.against != "" {
		all = append(all, contender{"feedd", "against"})
	}
	if r.Peers == "" {
		return all
	}
	wanted := strings.Split(r.Peers, ",")
	return slices.DeleteFunc(all, func(c contender) bool {
		return !slices.Contains(wanted, c.server) && !slices.Contains(wanted, c.variant)
	})
}

// contest is one contender with its market and its clients.
type contest struct {
	*run
	source  *proc.Child
	where   feed.Where
	admin   string // of a feedd
	subject *subject
	trial   *trial
	seen    *loaded
}

// openContests starts all markets and servers.
func (r *run) openContests(ctx context.Context, wanted []contender) ([]*contest, error) {
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	var all []*contest
	for i, c := range wanted {
		if i > 0 {
			if err := r.openMarket(ctx, false); err != nil {
				return nil, err
			}
		}
		x := &contest{run: r, source: r.source, where: r.where, seen: new(loaded)}
		var err error
		if c.server == "feedd" {
			x.subject, err = r.openBuild(ctx, c.variant)
			x.admin = r.admin
		} else {
			x.subject, err = r.openPeer(ctx, c.server, c.variant)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// enter makes the contest's market the run's.
func (x *contest) enter() { x.run.source, x.run.where, x.run.admin = x.source, x.where, x.admin }

// openBuild starts feedd, or with a variant the other build of it.
func (r *run) openBuild(ctx context.Context, variant string) (*subject, error) {
	if variant == "" {
		return r.openFeedd(ctx)
	}
	binary := r.binary
	defer func() { r.binary = binary }()
	r.binary = r.against
	s, err := r.openFeedd(ctx, "--data-dir", filepath.Join(r.dir, variant))
	if err == nil {
		s.name += " " + variant
	}
	return s, err
}

// rest has it stand still.
func (x *contest) rest(ctx context.Context) error { return x.source.Ask(ctx, feed.Pause, nil, nil) }

// alone measures a turn without sessions.
func (x *contest) alone(ctx context.Context) error {
	x.enter()
	measure := x.run.alone
	if len(x.seen.windows) > 0 {
		measure = x.takeIn // memory is known
	}
	if err := measure(ctx, x.subject); err != nil {
		return err
	}
	x.seen.windows = append(x.seen.windows, x.subject.ingest)
	return x.rest(ctx)
}

// join brings the sessions.
func (x *contest) join(ctx context.Context) error {
	x.enter()
	if err := x.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	g := x.group()
	if g.Speak = x.subject.speak; x.subject.speak != x.Speak {
		g.Trust, g.Deflate = "", false
	}
	var err error
	if x.trial, err = x.run.join(ctx, x.subject, g); err != nil {
		return err
	}
	x.seen.seen.ResidentWithout, x.seen.seen.CollectedWithout = x.subject.resident, x.subject.collected
	return x.rest(ctx)
}

// serve measures a turn with sessions, and in the last one whether all is right in the end.
func (x *contest) serve(ctx context.Context, last bool) error {
	x.enter()
	if err := x.trial.resume(ctx); err != nil {
		return err
	}
	x.progress("%s:", x.subject.name)
	if err := x.trial.again(ctx, x.seen); err != nil {
		return err
	}
	if last {
		return x.trial.finish(ctx, x.seen)
	}
	return x.rest(ctx)
}

// report returns what the contender costs, and adds to result what is wrong with that.
func (x *contest) report(result *report.Result) report.Served {
	name, m := x.subject.name, x.seen
	for _, p := range m.problems {
		result.Problems = append(result.Problems, name+": "+p)
	}
	for _, w := range blur(m.windows) {
		result.Warnings = append(result.Warnings, name+": "+w)
	}
	served := x.trial.served(m)
	const full = 0.95
	if served.Cores > full && len(x.serverOn) == 1 {
		result.Warnings = append(result.Warnings, name+": had its core full, so it sent less often than it was asked to")
	}
	if served.CPUPerFrame <= 0 {
		result.Warnings = append(result.Warnings, name+": cost no more with its sessions than without: too few, or too much noise, to tell")
	}
	return served
}

// perUpdate is what an update costs net, by round: each turn with sessions beside the turn without that had the same place.
func (x *contest) perUpdate() []float64 {
	var costs []float64
	n := len(x.seen.windows) / 2
	for i := range n {
		m := x.seen.seen
		m.Windows = []report.Window{x.seen.windows[i], x.seen.windows[n+i]}
		costs = append(costs, report.Serve(m).CPUPerUpdate)
	}
	return costs
}
