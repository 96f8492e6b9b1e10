package fanout

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// Whatever happens in whatever order, every reader converges to the market's state, no quote steps back, and
// every trade is delivered once, in order, or named as lost.
func TestReadersConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const instruments = 4
		w := newWorld(instruments, 1<<rapid.IntRange(2, 6).Draw(t, "log"), Options{MaxFrame: rapid.SampledFrom([]int{60, 500, 32 << 10}).Draw(t, "frame")})
		type client struct {
			*reader
			s          *Subscriber
			subs       map[Handle]bool
			paused     map[Handle]bool
			lostBefore uint64 // of subscriptions that have ended
		}
		var clients []*client
		anyClient := func() *client { return clients[rapid.IntRange(0, len(clients)-1).Draw(t, "client")] }
		for range rapid.IntRange(1, 4).Draw(t, "clients") {
			c := &client{reader: newReader(Encoding(rapid.IntRange(0, 1).Draw(t, "encoding"))), subs: map[Handle]bool{}, paused: map[Handle]bool{}}
			c.counting = true
			c.s = w.attach(c.reader)
			clients = append(clients, c)
		}
		for range rapid.IntRange(10, 150).Draw(t, "steps") {
			id := rapid.IntRange(0, instruments-1).Draw(t, "instrument")
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0, 1, 2:
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					w.quote(id)
				}
			case 3, 4, 5:
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					w.trade(id)
				}
			case 6, 7:
				c := anyClient()
				ch := rapid.SampledFrom([]market.Channel{market.ChannelQuote, market.ChannelTrade}).Draw(t, "channel")
				cadence := throttle.Cadence(rapid.IntRange(0, int(throttle.Cadences)).Draw(t, "cadence"))
				if cadence == throttle.Cadences {
					cadence = throttle.Paused
				}
				h := w.handle(id, ch)
				if !c.subs[h] { // a new subscription begins anew
					c.lostBefore += c.tape(h).lost
					delete(c.trades, h)
					delete(c.quotes, h)
				}
				c.subs[h], c.paused[h], c.gone[h] = true, cadence == throttle.Paused, false
				c.s.Subscribe([]Item{{Handle: h, History: rapid.IntRange(0, 5).Draw(t, "history")}}, cadence)
			case 8:
				c := anyClient()
				h := w.handle(id, rapid.SampledFrom([]market.Channel{market.ChannelQuote, market.ChannelTrade}).Draw(t, "channel"))
				delete(c.subs, h)
				w.unsubscribe(c.s, h)
				c.gone[h] = true
			case 9:
				anyClient().stalled = true
			case 10:
				if c := anyClient(); c.stalled {
					c.resume()
				}
			case 12:
				anyClient().s.Limit(rapid.SampledFrom([]int{0, 1000, 5000, 1_000_000}).Draw(t, "limit"))
			case 11:
				w.pass(10 * rapid.IntRange(1, 100).Draw(t, "pass"))
			}
			w.rests = rapid.Bool().Draw(t, "rests")
			if rapid.Bool().Draw(t, "turn") {
				w.worker.turn()
			}
		}
		for _, c := range clients {
			for h := range c.subs {
				if c.paused[h] {
					c.s.Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
				}
			}
			c.s.Limit(0)
			c.resume()
		}
		w.pass(10_100)
		for _, c := range clients {
			check(t, c.reader)
			w.converged(t, c.reader, c.subs)
			for _, l := range c.s.lanes {
				if l.marks != nil {
					t.Fatalf("a lane at %s still lags", l.phase.cadence)
				}
			}
			var lost uint64
			for _, tape := range c.trades {
				lost += tape.lost
			}
			if got := (Tally{Conflated: c.s.conflated, Lost: c.s.lost}); got != (Tally{Conflated: c.conflated, Lost: lost + c.lostBefore}) {
				t.Fatalf("counted %+v, the reader was told of %d merged and %d lost", got, c.conflated, lost+c.lostBefore)
			}
		}
	})
}
