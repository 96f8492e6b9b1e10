package load

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Distributions of subscriptions over instruments.
const (
	Uniform = "uniform"
	Zipf    = "zipf" // the n-th instrument is looked at 1/n as often as the first
)

// Choice says which instruments a session subscribes to.
type Choice struct {
	Instruments  int    `json:"instruments"`
	PerSession   int    `json:"per_session"`
	Distribution string `json:"distribution"`
	// Cohorts is how many distinct sets there are; 0: each session draws its own.
	Cohorts int    `json:"cohorts"`
	Seed    uint64 `json:"seed"`
}

// Validate names what is wrong with c.
func (c Choice) Validate() error {
	switch {
	case c.Instruments < 1:
		return fmt.Errorf("instruments %d: want at least 1", c.Instruments)
	case c.PerSession < 1 || c.PerSession > c.Instruments:
		return fmt.Errorf("%d instruments a session: want 1 to the %d that there are", c.PerSession, c.Instruments)
	case c.Distribution != Uniform && c.Distribution != Zipf:
		return fmt.Errorf("distribution %q: want %s or %s", c.Distribution, Uniform, Zipf)
	case c.Cohorts < 0:
		return fmt.Errorf("cohorts %d: want 0 (each session its own set) or more", c.Cohorts)
	}
	return nil
}

// Of returns the distinct instruments of a session, lowest first; the same for the same choice.
func (c Choice) Of(session int) []int {
	if c.Cohorts > 0 {
		session %= c.Cohorts
	}
	rng := rand.New(rand.NewPCG(c.Seed, uint64(session)))
	set := make([]int, 0, c.PerSession)
	if c.Distribution == Uniform || c.PerSession == c.Instruments {
		set = append(set, rng.Perm(c.Instruments)[:c.PerSession]...)
		slices.Sort(set)
		return set
	}
	// Drawing without putting back, each by its weight, is the same as giving each a time that is exponential with
	// the weight as its rate, and taking those that come first (Efraimidis and Spirakis).
	type arrival struct {
		at         float64
		instrument int
	}
	all := make([]arrival, c.Instruments)
	for i := range all {
		all[i] = arrival{rng.ExpFloat64() * float64(i+1), i}
	}
	slices.SortFunc(all, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	for _, a := range all[:c.PerSession] {
		set = append(set, a.instrument)
	}
	slices.Sort(set)
	return set
}
