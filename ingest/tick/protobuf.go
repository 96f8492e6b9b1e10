package tick

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

// The generated code skips a known field of the wrong wire type as if it were unknown, takes the last of
// repeated single fields, cuts integers to their width, and refuses text that is not UTF-8. So do the
// functions below.

// field reads a tag and reports how many bytes it takes, or 0 where it is none. Almost all tags are one byte.
func field(p []byte) (protowire.Number, protowire.Type, int) {
	if c := p[0]; c < 0x80 && c >= 8 {
		return protowire.Number(c >> 3), protowire.Type(c & 7), 1
	}
	num, typ, n := protowire.ConsumeTag(p)
	if n < 0 || num > protowire.MaxValidNumber {
		return 0, 0, 0
	}
	return num, typ, n
}

// varint reads a varint and reports how many bytes it takes, or 0 where it is none.
func varint(p []byte) (uint64, int) {
	if len(p) > 0 && p[0] < 0x80 {
		return uint64(p[0]), 1
	}
	v, n := protowire.ConsumeVarint(p)
	return v, max(n, 0)
}

// skip returns the length of a field's value, or 0 where it is malformed. A value is at least one byte long,
// but for an end of group, which is never right here.
func skip(num protowire.Number, typ protowire.Type, p []byte) int {
	return max(protowire.ConsumeFieldValue(num, typ, p), 0)
}

// ReadProtobuf fills b with the ticks of a marketdata.v1.TickBatch. The error is a *Refusal; b holds
// nothing of use then.
func (b *Batch) ReadProtobuf(p []byte) error {
	b.Reset()
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return errMalformed
		}
		p = p[n:]
		switch {
		case num <= 3 && typ == protowire.VarintType:
			var v uint64
			if v, n = varint(p); n == 0 {
				return errMalformed
			}
			switch num {
			case 1:
				b.Epoch = v
			case 2:
				b.Sequence = v
			case 3:
				b.PublishTime = int64(v)
			}
		case num >= 4 && num <= 9 && typ == protowire.BytesType:
			var body []byte
			if body, n = protowire.ConsumeBytes(p); n < 0 || !b.readTick(num, body) {
				return errMalformed
			}
			switch {
			case b.Len() > MaxTicks:
				return errTooMany
			case len(b.bids)+len(b.asks) > MaxLevels:
				return errTooDeep
			}
		default:
			if n = skip(num, typ, p); n == 0 {
				return errMalformed
			}
		}
		p = p[n:]
	}
	return nil
}

// readTick appends the tick in body, which is of the kind that stands at field num of a TickBatch.
func (b *Batch) readTick(num protowire.Number, body []byte) bool {
	switch num {
	case 4:
		b.Quotes = append(b.Quotes, market.Quote{})
		return readQuote(&b.Quotes[len(b.Quotes)-1], body)
	case 5:
		b.Trades = append(b.Trades, market.Trade{})
		return readTrade(&b.Trades[len(b.Trades)-1], body)
	case 6:
		b.Books = append(b.Books, Book{})
		return b.readBook(&b.Books[len(b.Books)-1], body)
	case 7:
		b.Statuses = append(b.Statuses, Status{})
		return readStatus(&b.Statuses[len(b.Statuses)-1], body)
	case 8:
		b.Definitions = append(b.Definitions, Definition{})
		return readDefinition(&b.Definitions[len(b.Definitions)-1], body)
	default:
		b.Statistics = append(b.Statistics, market.Statistics{})
		return readStatistics(&b.Statistics[len(b.Statistics)-1], body)
	}
}

func readQuote(q *market.Quote, p []byte) bool {
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return false
		}
		p = p[n:]
		if typ != protowire.VarintType {
			if n = skip(num, typ, p); n == 0 {
				return false
			}
			p = p[n:]
			continue
		}
		v, n := varint(p)
		if n == 0 {
			return false
		}
		p = p[n:]
		switch num {
		case 1:
			q.Bid = protowire.DecodeZigZag(v)
			q.Has |= market.HasBid
		case 2:
			q.BidSize = int64(v)
		case 3:
			q.Ask = protowire.DecodeZigZag(v)
			q.Has |= market.HasAsk
		case 4:
			q.AskSize = int64(v)
		case 5:
			q.ExchangeTime = int64(v)
		}
	}
	if q.ExchangeTime != 0 {
		q.Has |= market.HasExchangeTime
	}
	return true
}

func readTrade(t *market.Trade, p []byte) bool {
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return false
		}
		p = p[n:]
		if typ != protowire.VarintType {
			if n = skip(num, typ, p); n == 0 {
				return false
			}
			p = p[n:]
			continue
		}
		v, n := varint(p)
		if n == 0 {
			return false
		}
		p = p[n:]
		switch num {
		case 1:
			t.Price = protowire.DecodeZigZag(v)
		case 2:
			t.Size = int64(v)
		case 3:
			t.Aggressor = market.Side(known(v, uint64(market.SideSell), uint64(market.SideUnknown)))
		case 4:
			t.ExchangeTime = int64(v)
		case 5:
			t.ID = v
		case 6:
			t.Kind = market.TradeKind(known(v, uint64(market.TradeCancellation), uint64(KindUnknown)))
		case 7:
			t.RefersTo = market.Sequence(v)
		}
	}
	return true
}

// known returns v, an enum cut to 32 bits, or otherwise where it is beyond last.
func known(v, last, otherwise uint64) uint8 {
	if v = uint64(uint32(v)); v <= last {
		return uint8(v)
	}
	return uint8(otherwise)
}

func readStatus(s *Status, p []byte) bool {
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return false
		}
		p = p[n:]
		switch {
		case typ == protowire.VarintType && (num == 1 || num == 3):
			var v uint64
			if v, n = varint(p); n == 0 {
				return false
			}
			if num == 1 {
				s.Trading = market.Trading(known(v, uint64(market.TradingClosed), uint64(market.TradingUnknown)))
			} else {
				s.ExchangeTime = int64(v)
			}
		case typ == protowire.BytesType && num == 2:
			if s.Reason, n = text(p); n == 0 {
				return false
			}
		default:
			if n = skip(num, typ, p); n == 0 {
				return false
			}
		}
		p = p[n:]
	}
	return true
}

// text reads a length-delimited string and reports how many bytes it takes, or 0 where it is none.
func text(p []byte) (string, int) {
	body, n := protowire.ConsumeBytes(p)
	if n < 0 || !utf8.Valid(body) {
		return "", 0
	}
	return string(body), n
}

func readDefinition(d *Definition, p []byte) bool {
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return false
		}
		p = p[n:]
		switch {
		case typ == protowire.VarintType:
			var v uint64
			if v, n = varint(p); n == 0 {
				return false
			}
			switch num {
			case 1:
				d.PriceScale = uint32(v)
			case 2:
				d.SizeScale = uint32(v)
			case 3:
				d.PriceStep = int64(v)
			case 4:
				d.SizeStep = int64(v)
			case 6:
				d.Asset = market.AssetClass(known(v, uint64(market.AssetBond), uint64(market.AssetUnknown)))
			case 10:
				d.SessionStart = int32(v)
			case 12:
				d.Delisted = v != 0
			}
		case typ == protowire.BytesType && (num == 5 || num >= 7 && num <= 9 || num == 11):
			var s string
			if s, n = text(p); n == 0 {
				return false
			}
			switch num {
			case 5:
				d.Description = s
			case 7:
				d.Base = s
			case 8:
				d.Quote = s
			case 9:
				d.Source = s
			case 11:
				d.TimeZone = s
			}
		default:
			if n = skip(num, typ, p); n == 0 {
				return false
			}
		}
		p = p[n:]
	}
	return true
}
