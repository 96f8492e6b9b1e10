// Publisher is the smallest program that publishes an instrument to feedd and gets everything right:
// definition, numbering, a book that is an image and then changes, what the venue states, heartbeats, snapshot
// answers, a closing word.
//
//	go run ./examples/publisher                      # to nats://127.0.0.1:4222
//	go run ./examples/publisher nats://other:4222
//
// Then watch example:APPLE/PEAR. The same price moves without any program at all, if nobody cares for lost or
// doubled ticks: a tick may be JSON with decimal text, and the nats command publishes it.
//
//	nats pub md.demo.BTC-USD.quote '{"bid":"61837.63","bidSize":"0.5","ask":"61837.64","askSize":"1.2"}'
//	nats pub md.demo.BTC-USD.trade '{"price":"61837.64","size":"0.1","side":"buy"}'
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

func main() {
	url := nats.DefaultURL
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, url, time.Second)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "publisher:", err)
		os.Exit(1)
	}
}

// run publishes until ctx ends.
func run(ctx context.Context, url string, pace time.Duration) (err error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	// One publisher speaks for one venue. It takes the time as its epoch and sends heartbeats by itself.
	p, err := publish.New(nc, publish.Options{Venue: "example"})
	if err != nil {
		return err
	}
	// Close tells feedd that silence follows.
	defer func() {
		if e := p.Close(); err == nil {
			err = e
		}
	}()
	// Prices have two decimals and move in steps of 0.01, sizes have none.
	fruit, err := p.Define(market.Instrument{
		Symbol:     market.Symbol{Venue: "example", Name: "APPLE/PEAR"},
		PriceScale: 2, PriceStep: 1, SizeScale: 0, SizeStep: 1,
		Description: "Apples in pears", Base: "APPLE", Quote: "PEAR", Asset: market.AssetSpot,
	})
	if err != nil {
		return err
	}
	// What the venue states itself, the whole of it each time. Bars and volumes feedd makes of the trades.
	if err := fruit.Statistics(market.Statistics{PreviousClose: 160, Has: market.HasPreviousClose}); err != nil {
		return err
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := int64(0); ; n++ {
		now := time.Now().UnixMicro()
		bid := 150 + n%20 // 1.50 to 1.69
		if err := fruit.Quote(market.Quote{
			Has: market.HasBid | market.HasAsk | market.HasExchangeTime,
			Bid: bid, BidSize: 10 + n%7, Ask: bid + 1, AskSize: 12 + n%5, ExchangeTime: now,
		}); err != nil {
			return err
		}
		if err := fruit.Book(book(n, bid, now)); err != nil {
			return err
		}
		if err := fruit.Trade(market.Trade{Price: bid + 1, Size: 3, Aggressor: market.SideBuy, ID: uint64(n + 1), ExchangeTime: now}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// levels is how deep the book is on each side.
const levels = 5

// book is the image of the book the first time, and later what changed: the levels move along with the bid.
func book(n, bid, now int64) publish.Book {
	b := publish.Book{Snapshot: n == 0, ExchangeTime: now}
	for d := range int64(levels) {
		b.Bids = append(b.Bids, publish.Level{Price: bid - d, Size: 10 + n%7 + d})
		b.Asks = append(b.Asks, publish.Level{Price: bid + 1 + d, Size: 12 + n%5 + d})
	}
	if n == 0 {
		return b
	}
	// Where the bid was before this tick: levels that are beyond the new ones on either side are gone, with size 0.
	before := 150 + (n-1)%20
	for price := before - levels + 1; price <= before+levels; price++ {
		if price > bid || price <= bid-levels {
			b.Bids = append(b.Bids, publish.Level{Price: price})
		}
		if price <= bid || price > bid+levels {
			b.Asks = append(b.Asks, publish.Level{Price: price})
		}
	}
	return b
}
