package main

import (
	"slices"

	"github.com/feedd/feedd/benchmarks/report"
)

// round is what was seen in one turn of each of several: servers, or speeds of the market.
type round[K comparable] map[K]*loaded

// cpu is what the turn of one used, in seconds of each second.
func (r round[K]) cpu(of K) float64 {
	sum := 0.0
	if r[of] == nil {
		return 0
	}
	for _, w := range r[of].windows {
		sum += (w.User + w.System) / w.Seconds
	}
	return sum
}

// quietHalf returns the half of the rounds, in their order, in which all turns together were cheapest, where each counts as much. So a round is
// dropped for how slow the machine was, whoever had his turn then.
func quietHalf[K comparable](rounds []round[K], all []K) []round[K] {
	mean := make(map[K]float64)
	for _, these := range rounds {
		for _, of := range all {
			mean[of] += these.cpu(of) / float64(len(rounds))
		}
	}
	cost := func(these round[K]) float64 {
		sum := 0.0
		for _, of := range all {
			if mean[of] > 0 {
				sum += these.cpu(of) / mean[of]
			}
		}
		return sum
	}
	var costs []float64
	for _, these := range rounds {
		costs = append(costs, cost(these))
	}
	slices.Sort(costs)
	most := costs[(len(costs)-1)/2]
	return slices.DeleteFunc(slices.Clone(rounds), func(these round[K]) bool { return cost(these) > most })
}

// together returns what was seen of one in all rounds in which it had a turn.
func together[K comparable](rounds []round[K], of K) *loaded {
	all := new(loaded)
	for _, these := range rounds {
		if m := these[of]; m != nil {
			sum := *m
			sum.add(all)
			all = &sum
		}
	}
	return all
}

// perUpdate is what an update cost net.
func (m *loaded) perUpdate() float64 {
	seen := m.seen
	seen.Windows = m.windows
	return report.Serve(seen).CPUPerUpdate
}

// add puts what was seen earlier of the same load ahead of m.
func (m *loaded) add(earlier *loaded) {
	if earlier == nil {
		return
	}
	m.windows = append(slices.Clone(earlier.windows), m.windows...)
	for _, p := range earlier.problems {
		m.problem("%s", p)
	}
	m.seen.ProbeFrames += earlier.seen.ProbeFrames
	m.seen.ProbeRows += earlier.seen.ProbeRows
	m.seen.Conflated += earlier.seen.Conflated
}
