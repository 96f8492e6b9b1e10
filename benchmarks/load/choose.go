package load

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Distributions of subscriptions over instruments.
const (
	Uniform = "uniform"
	Zipf    = "zipf" // a few instruments are in nearly every watchlist
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
	if c.Distribution == Uniform || c.PerSession == c.Instruments {
		set := rng.Perm(c.Instruments)[:c.PerSession]
		slices.Sort(set)
		return set
	}
	const exponent, offset = 1.1, 2
	zipf := rand.NewZipf(rng, exponent, offset, uint64(c.Instruments-1))
	set := make([]int, 0, c.PerSession)
	// Rare ones take many draws to be hit: what is missing after a while comes from the top.
	for range 100 * c.PerSession {
		if len(set) == c.PerSession {
			break
		}
		if i := int(zipf.Uint64()); !slices.Contains(set, i) {
			set = append(set, i)
		}
	}
	for i := 0; len(set) < c.PerSession; i++ {
		if !slices.Contains(set, i) {
			set = append(set, i)
		}
	}
	slices.Sort(set)
	return set
}
