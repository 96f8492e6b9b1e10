package tick

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

// readBook appends the levels in p to those of the batch. It stops taking them once there are too many, which
// the caller finds.
func (b *Batch) readBook(e *Book, p []byte) bool {
	firstBid, firstAsk := len(b.bids), len(b.asks)
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return false
		}
		p = p[n:]
		switch {
		case typ == protowire.BytesType && (num == 3 || num == 4):
			var body []byte
			if body, n = protowire.ConsumeBytes(p); n < 0 {
				return false
			}
			l, ok := readLevel(body)
			switch {
			case !ok:
				return false
			case len(b.bids)+len(b.asks) > MaxLevels:
			case num == 3:
				b.bids = append(b.bids, l)
			default:
				b.asks = append(b.asks, l)
			}
		case typ == protowire.VarintType && (num == 1 || num == 2 || num == 5):
			var v uint64
			if v, n = varint(p); n == 0 {
				return false
			}
			switch num {
			case 1:
				e.Snapshot = v != 0
			case 2:
				e.Partial = v != 0
			default:
				e.ExchangeTime = int64(v)
			}
		default:
			if n = skip(num, typ, p); n == 0 {
				return false
			}
		}
		p = p[n:]
	}
	// What is behind these moves the lists perhaps, but leaves the memory that is referred to here as it is.
	e.Bids, e.Asks = b.bids[firstBid:len(b.bids):len(b.bids)], b.asks[firstAsk:len(b.asks):len(b.asks)]
	return true
}

func readLevel(p []byte) (l market.Level, ok bool) {
	for len(p) > 0 {
		num, typ, n := field(p)
		if n == 0 {
			return l, false
		}
		p = p[n:]
		if typ != protowire.VarintType {
			if n = skip(num, typ, p); n == 0 {
				return l, false
			}
			p = p[n:]
			continue
		}
		v, n := varint(p)
		if n == 0 {
			return l, false
		}
		p = p[n:]
		switch num {
		case 1:
			l.Price = protowire.DecodeZigZag(v)
		case 2:
			l.Size = int64(v)
		}
	}
	return l, true
}

func readStatistics(st *market.Statistics, p []byte) bool {
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
			st.PreviousClose, st.Has = protowire.DecodeZigZag(v), st.Has|market.HasPreviousClose
		case 2:
			st.Settlement, st.Has = protowire.DecodeZigZag(v), st.Has|market.HasSettlement
		case 3:
			st.Mark, st.Has = protowire.DecodeZigZag(v), st.Has|market.HasMark
		case 4:
			st.Index, st.Has = protowire.DecodeZigZag(v), st.Has|market.HasIndex
		case 5:
			st.OpenInterest, st.Has = int64(v), st.Has|market.HasOpenInterest
		case 6:
			st.FundingRateE8, st.Has = protowire.DecodeZigZag(v), st.Has|market.HasFundingRate
		case 7:
			st.ExchangeTime = int64(v)
		}
	}
	return true
}
