package fanout

import (
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// Who subscribes to an instrument whose state is on its way is told its status, and waits for the rest: what is read of the
// past meanwhile is no news, and comes only as far as it was asked for.
func TestRowsWaitForTheState(t *testing.T) {
	for _, cadence := range []throttle.Cadence{throttle.Immediate, throttle.Every100ms} {
		for _, e := range []Encoding{Proto, JSON} {
			w := newWorld(2, 64, Options{})
			w.store.Begin()
			w.store.Forget(0)
			w.store.Quality(0, market.QualitySyncing, "on the way")
			w.store.Commit()
			r := newReader(e)
			s := w.attach(r)
			quote, trade := w.items(market.ChannelQuote, 0), w.items(market.ChannelTrade, 0)
			trade[0].History = 3
			s.Subscribe(w.items(market.ChannelStatus, 0), throttle.Immediate)
			s.Subscribe(append(quote, trade...), cadence)
			w.pass(200)
			for range 10 {
				w.quote(0)
				w.trade(0)
			}
			w.pass(200)
			if len(r.quotes)+len(r.trades) != 0 {
				t.Fatalf("%v, %v: rows ahead of the state: %v, %v", cadence, e, r.quotes, r.trades)
			}
			w.store.Begin()
			w.store.Settle(0, 7)
			w.store.Quality(0, market.QualityOK, "")
			w.store.Commit()
			w.pass(200)
			check(t, r)
			h := w.handle(0, market.ChannelTrade)
			if n := len(r.tape(h).events); n != 3 {
				t.Fatalf("%v, %v: %d past trades, want the 3 that were asked for", cadence, e, n)
			}
			w.trade(0)
			w.quote(0)
			w.pass(200)
			check(t, r)
			if n := len(r.tape(h).events); n != 4 {
				t.Fatalf("%v, %v: %d trades after another one, want 4", cadence, e, n)
			}
			for _, l := range s.lanes {
				if l.marks != nil {
					t.Errorf("%v, %v: a lane is not in step in the end", cadence, e)
				}
			}
		}
	}
}
