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
			s    *Subscriber
			subs map[Handle]throttle.Cadence
		}
		var clients []*client
		anyClient := func() *client { return clients[rapid.IntRange(0, len(clients)-1).Draw(t, "client")] }
		for range rapid.IntRange(1, 4).Draw(t, "clients") {
			c := &client{reader: newReader(Encoding(rapid.IntRange(0, 1).Draw(t, "encoding"))), subs: map[Handle]throttle.Cadence{}}
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
				if _, held := c.subs[h]; !held { // a new subscription begins anew
					delete(c.trades, h)
				}
				c.subs[h] = cadence
				c.s.Subscribe([]Item{{Handle: h, History: rapid.IntRange(0, 5).Draw(t, "history")}}, cadence)
			case 8:
				c := anyClient()
				h := w.handle(id, rapid.SampledFrom([]market.Channel{market.ChannelQuote, market.ChannelTrade}).Draw(t, "channel"))
				delete(c.subs, h)
				w.unsubscribe(c.s, h)
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
			if rapid.Bool().Draw(t, "turn") {
				w.worker.turn()
			}
		}
		for _, c := range clients {
			for h, cadence := range c.subs {
				if cadence == throttle.Paused {
					c.s.Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
				}
			}
			c.s.Limit(0)
			c.resume()
		}
		w.pass(10_100)
		for _, c := range clients {
			check(t, c.reader)
			for h := range c.subs {
				k := w.store.Topic(h).Key
				id := int(k.Instrument())
				if k.Channel() == market.ChannelQuote {
					if q := c.quotes[h]; w.quotes[id] > 0 && (q == nil || q.Bid != w.quotes[id]) {
						t.Fatalf("quote of %d: have %+v, market is at %d", id, q, w.quotes[id])
					}
					continue
				}
				if tape := c.trades[h]; w.trades[id] > 0 && (tape == nil || int64(tape.lastPos.Sequence) != w.trades[id]) {
					t.Fatalf("trades of %d at %+v, market is at %d", id, tape, w.trades[id])
				}
			}
			for _, l := range c.s.lanes {
				if l.marks != nil {
					t.Fatalf("a lane at %s still lags", l.phase.cadence)
				}
			}
		}
	})
}
