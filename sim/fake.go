package sim

import "github.com/feedd/feedd/market"

// FakeVenue is the venue of test:FAKE.
const FakeVenue = "test"

// FakeInstrument defines test:FAKE, an instrument that never sleeps and whose every tick can be foretold.
func FakeInstrument() market.Instrument {
	return market.Instrument{
		Symbol:     market.Symbol{Venue: FakeVenue, Name: "FAKE"},
		PriceScale: 2, SizeScale: 0, PriceStep: 1, SizeStep: 1,
		Description: "Moves once a second, for tests", Quote: "USD",
	}
}

// Fake returns what test:FAKE does at the given second since the Unix epoch, not before it: the bid counts
// up by 0.01 from 100.00 to 109.99 and starts again, the ask is 0.01 above, and one trade happens at the ask
// in even seconds, at the bid in odd ones. The trade's id is the second.
func Fake(second int64) (market.Quote, market.Trade) {
	q := market.Quote{
		Bid: 10_000 + second%1000, BidSize: 1 + second%9, AskSize: 1 + second%7,
		ExchangeTime: second * 1_000_000, Has: market.HasBid | market.HasAsk | market.HasExchangeTime,
	}
	q.Ask = q.Bid + 1
	t := market.Trade{Price: q.Ask, Size: 1 + second%5, ExchangeTime: q.ExchangeTime, ID: uint64(second), Aggressor: market.SideBuy}
	if second%2 != 0 {
		t.Price, t.Aggressor = q.Bid, market.SideSell
	}
	return q, t
}
