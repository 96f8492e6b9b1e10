package tick

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

func TestJSONTicks(t *testing.T) {
	scales := Scales{Price: 2, Size: 8}
	var b Batch
	read := func(ch market.Channel, text string) {
		t.Helper()
		if err := b.ReadJSON([]byte(text), ch, scales); err != nil {
			t.Errorf("%s %s: %v", ch, text, err)
		}
	}
	quote := func(text string, want market.Quote) {
		t.Helper()
		if read(market.ChannelQuote, text); b.Quotes[0] != want {
			t.Errorf("%s = %+v, want %+v", text, b.Quotes[0], want)
		}
	}
	both := market.HasBid | market.HasAsk
	quote(`{"bid":"61837.63","ask":"61837.64"}`, market.Quote{Bid: 6183763, Ask: 6183764, Has: both})
	quote(` {"bid":61837.63,"bidSize":0.5,"ask":61837.640,"askSize":"1.25"}`,
		market.Quote{Bid: 6183763, BidSize: 50000000, Ask: 6183764, AskSize: 125000000, Has: both})
	quote(`{"bid":"-1","ask":null}`, market.Quote{Bid: -100, Has: market.HasBid})
	quote(`{}`, market.Quote{})
	quote(`{"ask":"1","exchangeTime":1723075200000001}`, market.Quote{Ask: 100, ExchangeTime: 1723075200000001, Has: market.HasAsk | market.HasExchangeTime})
	quote(`{"ask":"1","exchangeTime":"2024-08-08T00:00:00.000001Z"}`, market.Quote{Ask: 100, ExchangeTime: 1723075200000001, Has: market.HasAsk | market.HasExchangeTime})
	quote(`{"ask":"1","exchangeTime":"2024-08-08T02:00:00.000001+02:00"}`, market.Quote{Ask: 100, ExchangeTime: 1723075200000001, Has: market.HasAsk | market.HasExchangeTime})

	read(market.ChannelQuote, `{"bid":"1","epoch":5,"sequence":18446744073709551615}`)
	if b.Epoch != 5 || b.Sequence != 18446744073709551615 {
		t.Errorf("epoch %d, sequence %d", b.Epoch, b.Sequence)
	}
	read(market.ChannelTrade, `{"price":"0.01","size":"3","side":"sell","id":42,"kind":"correction","refersTo":"7"}`)
	if want := (market.Trade{Price: 1, Size: 300000000, Aggressor: market.SideSell, ID: 42, Kind: market.TradeCorrection, RefersTo: 7}); b.Trades[0] != want {
		t.Errorf("trade %+v, want %+v", b.Trades[0], want)
	}
	read(market.ChannelStatus, `{"trading":"preOpen","reason":"soon"}`)
	if want := (Status{market.TradingPreOpen, "soon", 0}); b.Statuses[0] != want {
		t.Errorf("status %+v, want %+v", b.Statuses[0], want)
	}
	read(market.ChannelDefinition, `{"priceScale":2,"sizeScale":5,"priceStep":"0.05","sizeStep":0.00001,"description":"Bitcoin","base":"BTC","quote":"USD",
		"source":"spot","assetClass":"perpetual","sessionStart":64800,"timeZone":"America/New_York","delisted":true}`)
	if want := (Definition{PriceScale: 2, SizeScale: 5, PriceStep: 5, SizeStep: 1, Description: "Bitcoin", Base: "BTC", Quote: "USD", Source: "spot",
		Asset: market.AssetPerpetual, SessionStart: 64800, TimeZone: "America/New_York", Delisted: true}); b.Definitions[0] != want {
		t.Errorf("definition %+v, want %+v", b.Definitions[0], want)
	}
	read(market.ChannelBook, `{"snapshot":true,"bids":[["61837.63","0.5"],[61837.62,0]],"asks":[["61837.64","1"]],"exchangeTime":5}`)
	if e := b.Books[0]; !e.Snapshot || e.Partial || e.ExchangeTime != 5 || !slices.Equal(e.Bids, []market.Level{{Price: 6183763, Size: 50000000}, {Price: 6183762}}) ||
		!slices.Equal(e.Asks, []market.Level{{Price: 6183764, Size: 100000000}}) {
		t.Errorf("book %+v", e)
	}
	read(market.ChannelBook, `{"asks":[]}`)
	if e := b.Books[0]; e.Snapshot || len(e.Bids)+len(e.Asks) != 0 {
		t.Errorf("book %+v", e)
	}
	read(market.ChannelStats, `{"previousClose":"61000","settlement":61000.5,"mark":"-0.01","index":"0","openInterest":"2.5","fundingRate":"-0.0001","exchangeTime":7}`)
	if want := (market.Statistics{PreviousClose: 6100000, Settlement: 6100050, Mark: -1, OpenInterest: 250000000, FundingRateE8: -10000, ExchangeTime: 7, Has: 63}); b.Statistics[0] != want {
		t.Errorf("statistics %+v, want %+v", b.Statistics[0], want)
	}
	read(market.ChannelStats, `{"mark":"5"}`)
	if want := (market.Statistics{Mark: 500, Has: market.HasMark}); b.Statistics[0] != want {
		t.Errorf("statistics %+v, want %+v", b.Statistics[0], want)
	}
}

func TestJSONRefusals(t *testing.T) {
	for _, c := range []struct {
		ch     market.Channel
		text   string
		reason drop.Reason
		says   string
	}{
		{market.ChannelQuote, `{"bid":"1","bids":"2"}`, drop.MalformedJSON, `unknown key "bids" in a quote: allowed are bid, bidSize, ask, askSize, exchangeTime, epoch, sequence`},
		{market.ChannelQuote, `{"bid":"1"} x`, drop.MalformedJSON, "not a JSON object"},
		{market.ChannelQuote, `{"bid":`, drop.MalformedJSON, "not a JSON object"},
		{market.ChannelQuote, `{"bid":"1e3"}`, drop.MalformedJSON, `want a decimal such as "61837.63"`},
		{market.ChannelQuote, `{"bid":1e3}`, drop.MalformedJSON, `unexpected 'e'`},
		{market.ChannelQuote, `{"bid":""}`, drop.MalformedJSON, "no digits"},
		{market.ChannelQuote, `{"bid":true}`, drop.MalformedJSON, `"bid"`},
		{market.ChannelQuote, `{"bid":[1]}`, drop.MalformedJSON, `"bid"`},
		{market.ChannelQuote, `{"bid":"1.001"}`, drop.ScaleLoss, "more than 2 decimals"},
		{market.ChannelQuote, `{"bid":"99999999999999999999"}`, drop.ScaleLoss, "too large"},
		{market.ChannelQuote, `{"bid":"1","exchangeTime":"yesterday"}`, drop.MalformedJSON, "RFC 3339"},
		{market.ChannelQuote, `{"bid":"1","exchangeTime":1.5}`, drop.MalformedJSON, "whole number of microseconds"},
		{market.ChannelQuote, `{"bid":"1","epoch":-1}`, drop.MalformedJSON, `"epoch"`},
		{market.ChannelTrade, `{"price":"1"}`, drop.MalformedJSON, `"size": missing`},
		{market.ChannelTrade, `{"size":"1"}`, drop.MalformedJSON, `"price": missing`},
		{market.ChannelTrade, `{"price":"1","size":"1","side":"BUY"}`, drop.MalformedJSON, `unknown word "BUY": want buy, sell`},
		{market.ChannelTrade, `{"price":"1","size":"1","side":1}`, drop.MalformedJSON, "not a string"},
		{market.ChannelStatus, `{"trading":"shut"}`, drop.MalformedJSON, "want open, halted, auction, preOpen, closed"},
		{market.ChannelDefinition, `{"sizeScale":1}`, drop.MalformedJSON, `"priceScale": missing`},
		{market.ChannelDefinition, `{"priceScale":13,"sizeScale":1}`, drop.BadValue, "at most 12"},
		{market.ChannelDefinition, `{"priceScale":1,"sizeScale":1,"priceStep":"0.01"}`, drop.ScaleLoss, `"priceStep"`},
		{market.ChannelDefinition, `{"priceScale":1,"sizeScale":1,"delisted":"maybe"}`, drop.MalformedJSON, "neither true nor false"},
		{market.ChannelDefinition, `{"priceScale":1,"sizeScale":1,"assetClass":"share"}`, drop.MalformedJSON, "want spot, perpetual, future, option, equity, fx, index, bond"},
		{market.ChannelDefinition, `{"priceScale":1,"sizeScale":1,"sessionStart":86400}`, drop.BadValue, "0 to 86399"},
		{market.ChannelBook, `{"partial":true}`, drop.MalformedJSON, "allowed are snapshot, bids, asks, exchangeTime, epoch, sequence"},
		{market.ChannelBook, `{"snapshot":1}`, drop.MalformedJSON, "neither true nor false"},
		{market.ChannelBook, `{"bids":["1","2"]}`, drop.MalformedJSON, `want levels such as [["61837.63", "0.5"]]`},
		{market.ChannelBook, `{"bids":[["1"]]}`, drop.MalformedJSON, "level 1 has 1 elements: want a price and a size"},
		{market.ChannelBook, `{"asks":[["1","1"],["1",null]]}`, drop.MalformedJSON, "level 2 lacks a price or a size"},
		{market.ChannelBook, `{"asks":[["1.001","1"]]}`, drop.ScaleLoss, "more than 2 decimals"},
		{market.ChannelBook, `{"asks":[` + strings.Repeat(`[1,1],`, MaxLevels/2) + `[1,1]]}`, drop.BadValue, "at most 20000 a side"},
		{market.ChannelStats, `{"fundingRate":"0.000000001"}`, drop.ScaleLoss, "more than 8 decimals"},
		{market.ChannelBar, `{}`, drop.MalformedJSON, "bar ticks have no JSON form"},
	} {
		var b Batch
		err := b.ReadJSON([]byte(c.text), c.ch, Scales{2, 8})
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Reason != c.reason || !strings.Contains(refusal.Text, c.says) {
			t.Errorf("%s %s: %v, want reason %v and the words %q", c.ch, c.text, err, c.reason, c.says)
		}
	}
}

// FuzzReadJSON: nothing that is sent makes the reader fail otherwise than by a refusal, and what it takes is one
// tick of the channel.
func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{`{"bid":"1.5","ask":2}`, `{"price":1,"size":2,"side":"buy"}`, `{"trading":"open"}`,
		`{"priceScale":2,"sizeScale":2,"priceStep":"0.01","timeZone":"UTC"}`, `{`,
		`{"snapshot":true,"bids":[["1","2"]],"asks":[[3,4]]}`, `{"bids":[[]]}`, `{"mark":"1.5","fundingRate":-0.0001}`, `{"bid":"\ud800"}`, `{"exchangeTime":"2024-08-08T00:00:00Z"}`} {
		for ch := market.ChannelQuote; ch <= market.ChannelDefinition; ch++ {
			f.Add([]byte(s), uint8(ch))
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, ch uint8) {
		var b Batch
		err := b.ReadJSON(p, market.Channel(ch), Scales{8, 8})
		if err == nil {
			if got, one := b.Channel(); b.Len() != 1 || !one || got != market.Channel(ch) {
				t.Fatalf("%q: %+v", p, b)
			}
			return
		}
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Text == "" {
			t.Fatalf("%q: %v", p, err)
		}
	})
}

func TestIsJSON(t *testing.T) {
	for text, want := range map[string]bool{`{}`: true, " \r\n\t{": true, "": false, " ": false, "\x08\x01": false, "[1]": false} {
		if IsJSON([]byte(text)) != want {
			t.Errorf("IsJSON(%q) = %v", text, !want)
		}
	}
}
