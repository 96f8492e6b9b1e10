package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/peers"
	"github.com/feedd/feedd/benchmarks/report"
)

// comparePeers measures feedd and its peers under the same sessions and ticks, in turns.
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
	rounds, err := r.compete(ctx, all)
	if err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Peers = make(map[string]report.Served)
	costs := make(map[string][]float64)
	for _, x := range all {
		name := x.subject.name
		m := together(rounds, name)
		if err := x.last(ctx, 1, m); err != nil {
			return nil, err
		}
		if err := x.trial.finish(ctx, m); err != nil {
			return nil, err
		}
		if name == "feedd" {
			m.windows = append(m.windows, together(rounds, theFloor).windows...)
		}
		result.Peers[name] = x.report(m, name+": ", result)
		for _, these := range rounds {
			costs[name] = append(costs[name], these[name].perUpdate())
		}
	}
	result.Versus = report.Against(result.Peers, costs)
	result.Judge()
	return result, nil
}

// theFloor is the name of the floor among those that take turns.
const theFloor = "floor"

// compete has all take turns, and returns the rounds that count. With feedd there is a floor of its frames.
func (r *run) compete(ctx context.Context, all []*contest) ([]round[string], error) {
	var (
		rounds []round[string]
		names  []string
		ground *ground
		err    error
	)
	for n := range r.Rounds {
		r.progress("round %d of %d", n+1, r.Rounds)
		these := make(round[string])
		for _, x := range all {
			name := x.subject.name
			if these[name], err = x.turn(ctx); err != nil {
				return nil, err
			}
			if name != "feedd" {
				continue
			}
			if ground == nil {
				if ground, err = r.openGround(ctx, x.trial, these[name]); err != nil {
					return nil, err
				}
			}
			if these[theFloor], err = ground.turn(ctx); err != nil {
				return nil, err
			}
		}
		rounds, names = append(rounds, these), slices.Collect(maps.Keys(these))
	}
	return quietHalf(rounds, names), nil
}

// contender is a server to measure, and the setting of it.
type contender struct{ server, variant string }

// anotherBuild is the variant of feedd that -against names.
const anotherBuild = "against"

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
		all = append(all, contender{"feedd", anotherBuild})
	}
	if r.Peers == "" {
		return all
	}
	wanted := strings.Split(r.Peers, ",")
	return slices.DeleteFunc(all, func(c contender) bool {
		return !slices.Contains(wanted, c.server) && !slices.Contains(wanted, c.variant)
	})
}
