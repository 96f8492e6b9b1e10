// Package publish sends a venue's ticks to feedd over NATS and gets the numbering right: definitions
// ahead of ticks, an epoch for each start, a number for each tick, heartbeats with the last numbers, and
// answers to requests for an instrument's state.
//
//	nc, err := nats.Connect("nats://127.0.0.1:4222")
//	…
//	p, err := publish.New(nc, publish.Options{Venue: "acme"})
//	…
//	defer p.Close()
//	btc, err := p.Define(market.Instrument{
//		Symbol:     market.Symbol{Venue: "acme", Name: "BTC/USD"},
//		PriceScale: 2, SizeScale: 5, PriceStep: 1, SizeStep: 1,
//	})
//	…
//	err = btc.Quote(market.Quote{Has: market.HasBid | market.HasAsk,
//		Bid: 6183763, BidSize: 120000, Ask: 6183764, AskSize: 85000})
//
// Nothing here waits for an acknowledgement: a tick is handed to the NATS client, which writes it to its
// socket in the background. What NATS loses, feedd sees from the numbers.
//
// Ticks are sent at once unless Options.Linger says otherwise. A publisher of thousands of ticks a
// second sets it to UntilFlush and calls Flush every few milliseconds: ticks of one instrument and
// channel then share a message, which is several times cheaper for everyone.
package publish
