package tick

import (
	"errors"
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
	read(market.ChannelDefinition, `{"priceScale":2,"sizeScale":5,"priceStep":"0.05","sizeStep":0.00001,"description":"Bitcoin","base":"BTC","quote":"USD","source":"spot","delisted":true}`)
	if want := (Definition{2, 5, 5, 1, "Bitcoin", "BTC", "USD", "spot", true}); b.Definitions[0] != want {
		t.Errorf("definition %+v, want %+v", b.Definitions[0], want)
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
		{market.ChannelBook, `{}`, drop.MalformedJSON, "book ticks have no JSON form"},
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
		`{"priceScale":2,"sizeScale":2,"priceStep":"0.01"}`, `{`, `{"bid":"\ud800"}`, `{"exchangeTime":"2024-08-08T00:00:00Z"}`} {
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
