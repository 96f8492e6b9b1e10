package tick

import (
	"encoding/json"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

func (o *object) book(b *Batch, s Scales) Book {
	e := Book{Snapshot: o.bool("snapshot"), ExchangeTime: o.exchangeTime()}
	b.bids, b.asks = o.levels(b.bids, "bids", s), o.levels(b.asks, "asks", s)
	e.Bids, e.Asks = b.bids, b.asks
	return e
}

// levels reads [["61837.63", "0.5"], …]: price and size of each level.
func (o *object) levels(dst []market.Level, key string, s Scales) []market.Level {
	var levels [][]json.RawMessage
	if raw := o.fields[key]; len(raw) == 0 {
		return dst
	} else if err := json.Unmarshal(raw, &levels); err != nil {
		o.fail(drop.MalformedJSON, key, `%v; want levels such as [["61837.63", "0.5"]]`, err)
		return dst
	}
	if len(levels) > MaxLevels/2 {
		o.fail(drop.BadValue, key, "%d levels: at most %d a side", len(levels), MaxLevels/2)
		return dst
	}
	for i, l := range levels {
		if len(l) != 2 {
			o.fail(drop.MalformedJSON, key, "level %d has %d elements: want a price and a size", i+1, len(l))
			return dst
		}
		price, hasPrice := o.decimalOf(key, l[0], s.Price)
		size, hasSize := o.decimalOf(key, l[1], s.Size)
		if !hasPrice || !hasSize {
			o.fail(drop.MalformedJSON, key, "level %d lacks a price or a size", i+1)
		}
		if o.err != nil {
			return dst
		}
		dst = append(dst, market.Level{Price: price, Size: size})
	}
	return dst
}

// fundingScale is the decimals of a funding rate.
const fundingScale = 8

func (o *object) statistics(s Scales) market.Statistics {
	st := market.Statistics{ExchangeTime: o.exchangeTime()}
	for _, f := range [...]struct {
		key   string
		scale uint8
		to    *int64
		has   market.HasStatistics
	}{
		{"previousClose", s.Price, &st.PreviousClose, market.HasPreviousClose},
		{"settlement", s.Price, &st.Settlement, market.HasSettlement},
		{"mark", s.Price, &st.Mark, market.HasMark},
		{"index", s.Price, &st.Index, market.HasIndex},
		{"openInterest", s.Size, &st.OpenInterest, market.HasOpenInterest},
		{"fundingRate", fundingScale, &st.FundingRateE8, market.HasFundingRate},
	} {
		var present bool
		if *f.to, present = o.decimal(f.key, f.scale); present {
			st.Has |= f.has
		}
	}
	return st
}

// scale reads a number of decimals, which a definition must state.
func (o *object) scale(key string) uint32 {
	if _, _, present := o.raw(key); !present {
		o.fail(drop.MalformedJSON, key, "missing: want the number of decimals, 0 to %d", market.MaxScale)
		return 0
	}
	v := o.uint(key)
	if v > market.MaxScale {
		o.fail(drop.BadValue, key, "%d decimals: at most %d", v, market.MaxScale)
		return 0
	}
	return uint32(v)
}
