package fanout

import (
	"math"

	"github.com/feedd/feedd/market"
)

// TradesFrom returns the position of the oldest event of an instrument's trades that a subscriber can still resume
// ahead of without a loss; false where there is none. h must be the handle of a channel of the instrument. It may be
// called from any goroutine.
func (e *Engine) TradesFrom(h Handle) (oldest market.Position, ok bool) {
	id := e.store.Topic(h).Key.Instrument()
	r := e.store.Acquire()
	defer r.Release()
	c := r.TradesBack(id, math.MaxInt)
	if c.Last == (market.Position{}) {
		return market.Position{}, false
	}
	return market.Position{Epoch: c.Last.Epoch, Sequence: c.Last.Sequence + 1}, true
}
