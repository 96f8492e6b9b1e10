package publish

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// The bytes laid out by hand are those that the generated code would write, for any tick.
func TestBytesAreThoseOfTheGeneratedCode(t *testing.T) {
	amount := func(t *rapid.T, label string) int64 {
		return rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 300), rapid.Int64Min(0)).Draw(t, label)
	}
	price := func(t *rapid.T, label string) int64 {
		return rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-300, 300), rapid.Int64()).Draw(t, label)
	}
	levels := func(t *rapid.T, label string) (own []Level, want []*marketdatav1.Level) {
		for range rapid.IntRange(0, 20).Draw(t, label) {
			l := Level{Price: price(t, "price"), Size: amount(t, "size")}
			own = append(own, l)
			want = append(want, &marketdatav1.Level{Price: l.Price, Size: l.Size})
		}
		return own, want
	}
	rapid.Check(t, func(t *rapid.T) {
		epoch, first := rapid.Uint64().Draw(t, "epoch"), rapid.Uint64().Draw(t, "first")
		want := &marketdatav1.TickBatch{Epoch: epoch, Sequence: first, PublishTimeUs: amount(t, "publish time")}
		own := room(nil)
		n := rapid.IntRange(0, 4).Draw(t, "ticks")
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		for range n {
			switch kind {
			case 0:
				q := market.Quote{
					Bid: price(t, "bid"), BidSize: amount(t, "bid size"), Ask: price(t, "ask"), AskSize: amount(t, "ask size"),
					ExchangeTime: amount(t, "time"), Has: market.Has(rapid.IntRange(0, 7).Draw(t, "has")),
				}
				own = appendQuote(own, &q)
				want.Quotes = append(want.Quotes, quoteMessage(&q))
			case 1:
				tr := market.Trade{
					Price: price(t, "price"), Size: amount(t, "size"), ExchangeTime: amount(t, "time"), ID: rapid.Uint64().Draw(t, "id"),
					RefersTo: market.Sequence(rapid.Uint64().Draw(t, "refers")), Aggressor: market.Side(rapid.IntRange(0, 2).Draw(t, "side")),
					Kind: market.TradeKind(rapid.IntRange(0, 2).Draw(t, "kind of trade")),
				}
				own = appendTrade(own, &tr)
				want.Trades = append(want.Trades, &marketdatav1.Trade{
					Price: tr.Price, Size: tr.Size, ExchangeTimeUs: tr.ExchangeTime, Id: tr.ID, RefersTo: uint64(tr.RefersTo),
					Aggressor: marketdatav1.Side(tr.Aggressor), Kind: marketdatav1.TradeKind(tr.Kind),
				})
			case 2:
				b := Book{Snapshot: rapid.Bool().Draw(t, "snapshot"), ExchangeTime: amount(t, "time")}
				m := &marketdatav1.BookEvent{Snapshot: b.Snapshot, ExchangeTimeUs: b.ExchangeTime}
				b.Bids, m.Bids = levels(t, "bids")
				b.Asks, m.Asks = levels(t, "asks")
				own = appendBook(own, &b)
				want.Books = append(want.Books, m)
			case 3:
				s := statusTick{market.Trading(rapid.IntRange(0, 5).Draw(t, "trading")), rapid.String().Draw(t, "reason"), amount(t, "time"), 0}
				own = appendStatus(own, &s)
				want.Statuses = append(want.Statuses, &marketdatav1.TradingStatus{
					Trading: marketdatav1.Trading(s.trading), Reason: s.reason, ExchangeTimeUs: s.exchangeTime,
				})
			case 4:
				in := market.Instrument{
					PriceScale: rapid.Uint8().Draw(t, "price scale"), SizeScale: rapid.Uint8().Draw(t, "size scale"),
					PriceStep: amount(t, "price step"), SizeStep: amount(t, "size step"), Description: rapid.String().Draw(t, "description"),
					Base: rapid.String().Draw(t, "base"), Quote: rapid.String().Draw(t, "quote"), Source: rapid.String().Draw(t, "source"),
					Asset: market.AssetClass(rapid.IntRange(0, 8).Draw(t, "asset")), SessionStart: rapid.Int32Range(0, 86399).Draw(t, "session"),
					TimeZone: rapid.String().Draw(t, "zone"), Delisted: rapid.Bool().Draw(t, "delisted"),
				}
				own = appendDefinition(own, &in)
				want.Definitions = append(want.Definitions, &marketdatav1.Definition{
					PriceScale: uint32(in.PriceScale), SizeScale: uint32(in.SizeScale), PriceStep: in.PriceStep, SizeStep: in.SizeStep,
					Description: in.Description, Base: in.Base, Quote: in.Quote, Source: in.Source, Delisted: in.Delisted,
					AssetClass: marketdatav1.AssetClass(in.Asset), SessionStartS: in.SessionStart, TimeZone: in.TimeZone,
				})
			case 5:
				st := market.Statistics{
					PreviousClose: price(t, "previous close"), Settlement: price(t, "settlement"), Mark: price(t, "mark"), Index: price(t, "index"),
					OpenInterest: amount(t, "open interest"), FundingRateE8: price(t, "funding"), ExchangeTime: amount(t, "time"),
					Has: market.HasStatistics(rapid.IntRange(0, 63).Draw(t, "has")),
				}
				own = appendStatistics(own, &st)
				want.Statistics = append(want.Statistics, statisticsMessage(&st))
			}
		}
		got := seal(own, market.Epoch(epoch), market.Sequence(first), want.PublishTimeUs)
		expected, err := proto.MarshalOptions{Deterministic: true}.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(expected) {
			t.Fatalf("laid out by hand: %x\n generated code: %x\n of %v", got, expected, want)
		}
	})
}

func quoteMessage(q *market.Quote) *marketdatav1.Quote {
	m := &marketdatav1.Quote{}
	if q.Has&market.HasBid != 0 {
		m.Bid, m.BidSize = proto.Int64(q.Bid), q.BidSize
	}
	if q.Has&market.HasAsk != 0 {
		m.Ask, m.AskSize = proto.Int64(q.Ask), q.AskSize
	}
	if q.Has&market.HasExchangeTime != 0 {
		m.ExchangeTimeUs = q.ExchangeTime
	}
	return m
}

func statisticsMessage(st *market.Statistics) *marketdatav1.Statistics {
	m := &marketdatav1.Statistics{ExchangeTimeUs: st.ExchangeTime}
	for _, part := range []struct {
		has  market.HasStatistics
		from int64
		to   **int64
	}{
		{market.HasPreviousClose, st.PreviousClose, &m.PreviousClose}, {market.HasSettlement, st.Settlement, &m.Settlement},
		{market.HasMark, st.Mark, &m.Mark}, {market.HasIndex, st.Index, &m.Index},
		{market.HasOpenInterest, st.OpenInterest, &m.OpenInterest}, {market.HasFundingRate, st.FundingRateE8, &m.FundingRateE8},
	} {
		if st.Has&part.has != 0 {
			*part.to = &part.from
		}
	}
	return m
}
