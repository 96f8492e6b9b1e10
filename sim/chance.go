package sim

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// chance draws random numbers from a generator that is the same everywhere and for good; the methods of
// math/rand/v2 above it promise no such thing, so there are our own.
type chance struct{ pcg *rand.PCG }

// The streams of one seed: of each instrument's events, and of what listings beyond the catalogue are like.
const (
	streamEvents   uint64 = 0x9e3779b97f4a7c15
	streamListings uint64 = 0xbf58476d1ce4e5b9
)

func newChance(seed, stream uint64, index int) chance {
	return chance{rand.NewPCG(seed, stream+uint64(index))}
}

// below returns a number from 0 to n-1; n is above 0. The bias of the multiplication is below 2^-30 for
// any n that occurs here.
func (c chance) below(n int64) int64 {
	hi, _ := bits.Mul64(c.pcg.Uint64(), uint64(n))
	return int64(hi)
}

// percent is true p times in a hundred.
func (c chance) percent(p int64) bool { return c.below(100) < p }

const quantiles = 1024

// quantile holds the exponential distribution of mean 1, in units of 2^-20, at the middle of each of 1,024
// equally likely slices. A table makes the draw one multiplication of integers.
var quantile = func() (q [quantiles]uint64) {
	for i := range q {
		q[i] = uint64(math.Round(-math.Log((quantiles-float64(i)-0.5)/quantiles) * (1 << 20)))
	}
	return q
}()

// exponential returns a number from 0 up to about 7.6 times mean.
func (c chance) exponential(mean int64) int64 {
	hi, lo := bits.Mul64(uint64(mean), quantile[c.below(quantiles)])
	return int64(hi<<44 | lo>>20)
}
