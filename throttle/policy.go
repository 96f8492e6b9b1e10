package throttle

import (
	"errors"
	"fmt"
	"math"
)

// Policy is what operations allow. It is a plain value; Resolve reads it and nothing writes it while
// sessions use it. Today one policy holds for every session, symbol and channel.
type Policy struct {
	Revision uint64 // tells clients and operators which policy decided

	Default Cadence // for a subscription without a wish
	Fastest Cadence // nobody gets a faster one
	Hidden  Cadence // the fastest for a subscription that nobody is looking at

	Subscriptions     int // pairs of symbol and channel a session may hold
	SymbolsPerRequest int // symbols that one subscribe may name, matches of patterns included

	RequestsPerSecond int // sustained
	RequestBurst      int // at once, after a quiet time

	DefaultHistory int // past trades that a subscription begins with where the client does not say
	MaxHistory     int // at most so many
	DefaultBars    int // the same for bars
	MaxBars        int
}

// DefaultPolicy is the policy of a server that was told nothing else.
func DefaultPolicy() Policy {
	return Policy{
		Default: Every250ms, Fastest: Immediate, Hidden: Every2s,
		Subscriptions: 1024, SymbolsPerRequest: 1024,
		RequestsPerSecond: 50, RequestBurst: 100,
		DefaultHistory: 50, MaxHistory: 1000,
		DefaultBars: 300, MaxBars: 1440,
	}
}

// Validate reports every field that is out of its range, and what would be right.
func (p *Policy) Validate() error {
	var wrong []error
	for _, c := range []struct {
		name  string
		value Cadence
	}{{"default cadence", p.Default}, {"fastest cadence", p.Fastest}, {"hidden cadence", p.Hidden}} {
		switch {
		case c.value >= Cadences:
			wrong = append(wrong, fmt.Errorf("%s: want one of the ladder %v", c.name, Ladder()))
		case c.value < p.Fastest:
			wrong = append(wrong, fmt.Errorf("%s of %v: must not be faster than the fastest, %v", c.name, c.value, p.Fastest))
		}
	}
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"subscriptions a session", p.Subscriptions, 1, math.MaxInt32},
		{"symbols a request", p.SymbolsPerRequest, 1, math.MaxInt32},
		{"requests a second", p.RequestsPerSecond, 1, math.MaxInt32},
		{"request burst", p.RequestBurst, 1, math.MaxInt32},
		{"largest history", p.MaxHistory, 0, math.MaxUint16},
		{"default history", p.DefaultHistory, 0, p.MaxHistory},
		{"largest history of bars", p.MaxBars, 0, math.MaxUint16},
		{"default history of bars", p.DefaultBars, 0, p.MaxBars},
	} {
		if n.value < n.min || n.value > n.max {
			wrong = append(wrong, fmt.Errorf("%s of %d: want %d to %d", n.name, n.value, n.min, n.max))
		}
	}
	return errors.Join(wrong...)
}
