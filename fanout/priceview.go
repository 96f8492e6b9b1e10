package fanout

import (
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

var _ view = (*priceView)(nil)

// priceView is a quote whose prices come with the next cut, while changes of sizes alone come no more often than every hold. Nine
// of ten changes of a quote are of sizes alone, so most cuts have nothing to send of it, and the others show the sizes of their
// moment. Whoever is given the state of this moment sees the newest sizes too.
type priceView struct {
	quoteView
	clock *int64 // the worker's, monotonic: no step of the wall clock keeps sizes back for hours
	hold  int64  // microseconds
	taken int64  // when the quote was last taken into a cut
	wants bool   // a reader has a later state than that, and waits for a cut to come level
}

// samePrices reports whether two quotes differ in sizes at most.
func samePrices(a, b *market.Quote) bool { return a.Bid == b.Bid && a.Ask == b.Ask && a.Has == b.Has }

func (v *priceView) freeze(r *snapshot.Reader, arena []byte) ([]byte, change) {
	ticks := r.QuoteTicks(v.id)
	if ticks == v.ticks {
		return arena, change{}
	}
	if due := v.taken + v.hold; !v.wants && v.ticks != 0 && *v.clock < due && samePrices(&v.cur, r.Quote(v.id)) {
		return arena, change{due: due}
	}
	v.taken, v.wants = *v.clock, false
	return v.quoteView.freeze(r, arena)
}

func (v *priceView) catchUp(b *builder, m *mark, r *snapshot.Reader, live bool) progress {
	p := v.quoteView.catchUp(b, m, r, live)
	v.wants = v.wants || p == ahead
	return p
}
