package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/peers"
	"github.com/feedd/feedd/benchmarks/report"
)

// comparePeers measures feedd and its peers one after the other under the same sessions and ticks.
func comparePeers(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Peers = make(map[string]report.Served)
	all := r.contenders()
	if len(all) == 0 {
		return nil, usageError{fmt.Errorf("-peers %s: none of feedd's peers", r.Peers)}
	}
	for _, c := range all {
		s, err := r.contender(ctx, c.server, c.variant)
		if err != nil {
			return nil, err
		}
		served, err := r.contest(ctx, s, result)
		if err != nil {
			return nil, err
		}
		result.Peers[s.name] = served
	}
	result.Versus = report.Against(result.Peers)
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
	if r.Peers == "" {
		return all
	}
	wanted := strings.Split(r.Peers, ",")
	return slices.DeleteFunc(all, func(c contender) bool {
		return !slices.Contains(wanted, c.server) && !slices.Contains(wanted, c.variant)
	})
}

func (r *run) contender(ctx context.Context, server, variant string) (*subject, error) {
	if server == "feedd" {
		return r.openFeedd(ctx)
	}
	return r.openPeer(ctx, server, variant)
}

// contest measures one server and ends it.
func (r *run) contest(ctx context.Context, s *subject, result *report.Result) (report.Served, error) {
	defer r.end(s.child)
	if err := r.alone(ctx, s); err != nil {
		return report.Served{}, err
	}
	g := r.group()
	if g.Speak = s.speak; s.name != "feedd" {
		g.Trust, g.Deflate = "", false
	}
	t, err := r.join(ctx, s, g)
	if err != nil {
		return report.Served{}, err
	}
	defer t.done()
	m, err := t.measure(ctx)
	if err != nil {
		return report.Served{}, err
	}
	if err := t.finish(ctx, m); err != nil {
		return report.Served{}, err
	}
	for _, p := range m.problems {
		result.Problems = append(result.Problems, s.name+": "+p)
	}
	for _, w := range blur(m.windows) {
		result.Warnings = append(result.Warnings, s.name+": "+w)
	}
	served := t.served(m)
	const full = 0.95
	if served.Cores > full && len(r.serverOn) == 1 {
		result.Warnings = append(result.Warnings, s.name+": had its core full, so it sent less often than it was asked to")
	}
	if served.CPUPerFrame <= 0 {
		result.Warnings = append(result.Warnings, s.name+": cost no more with its sessions than without: too few, or too much noise, to tell")
	}
	return served, nil
}
