// Publisher is the smallest program that publishes an instrument to feedd and gets everything right:
// definition, numbering, heartbeats, snapshot answers, a closing word.
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
		Description: "Apples in pears", Base: "APPLE", Quote: "PEAR",
	})
	if err != nil {
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
