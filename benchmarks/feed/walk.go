package feed

import (
	"math/bits"
	"math/rand/v2"
)

// Quote is the top of a book in scaled integers.
type Quote struct {
	Bid     int64 `json:"bid"`
	BidSize int64 `json:"bid_size"`
	Ask     int64 `json:"ask"`
	AskSize int64 `json:"ask_size"`
}

// Walk makes the quotes of one instrument: mostly new sizes, now and then a new price, as real tops of
// book do (3 to 11 % of their messages change a price).
type Walk struct {
	instrument int
	rng        *rand.Rand
	last       Quote
}

const (
	priceMoves = 0.06    // share of ticks that change a price
	maxSize    = 1 << 20 // sizes are spread evenly over the orders of magnitude below it
	maxSpread  = 3       // in steps of the price
)

// NewWalk starts the quotes of an instrument; the same seed and number give the same quotes.
func NewWalk(seed uint64, instrument int) *Walk {
	rng := rand.New(rand.NewPCG(seed, uint64(instrument)))
	w := &Walk{instrument: instrument, rng: rng}
	w.last.Bid = 1_000_000 + rng.Int64N(9_000_000)
	return w
}

// Next makes the next quote. stamp, if not 0, becomes its bid size: a time that travels with the quote in
// full precision.
func (w *Walk) Next(stamp int64) Quote {
	if w.rng.Float64() < priceMoves {
		step := 1 + w.rng.Int64N(3)
		if w.rng.Int64N(2) == 0 && w.last.Bid > 1000 {
			step = -step
		}
		w.last.Bid += step
	}
	w.last.BidSize = stamp
	if stamp == 0 {
		w.last.BidSize = 1 + w.rng.Int64N(maxSize>>w.rng.IntN(bits.Len(maxSize)-1))
	}
	w.last.Ask, w.last.AskSize = related(w.instrument, w.last.Bid, w.last.BidSize)
	return w.last
}

// Check reports whether q can be a quote of the instrument: its ask side must follow from its bid side.
// A row put together from two ticks, or from two instruments, passes with a chance of less than one in a
// thousand.
func Check(instrument int, q Quote) bool {
	ask, size := related(instrument, q.Bid, q.BidSize)
	return q.Bid > 0 && q.BidSize > 0 && q.Ask == ask && q.AskSize == size
}

func related(instrument int, bid, bidSize int64) (ask, askSize int64) {
	// The ask hangs on the bid alone: it stays when only sizes change.
	h := mix(uint64(instrument)<<40 ^ uint64(bid))
	ask = bid + 1 + int64(h%maxSpread)
	h = mix(h ^ uint64(bidSize))
	order := h >> 58 % uint64(bits.Len(maxSize)-10) // 10 to 20 bits
	return ask, 1 + int64(h%(maxSize>>order))
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Stamped reports whether the bid size of q is the time at which it was published: sizes stay far below
// any time in microseconds.
func Stamped(q Quote) bool { return q.BidSize > maxSize }
