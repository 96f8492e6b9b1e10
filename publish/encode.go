package publish

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

// Ticks are laid end to end as elements of a marketdata.v1.TickBatch, and its header (epoch, number,
// time) is put in front when the batch goes out, since only then its time is known. All of it is what
// the generated code would write, without a message in between.

// headroom is what the header of a batch takes at most: three tags of a byte and three varints.
const headroom = 3 * (1 + 10)

// room returns batch with space for the header, if nothing is in it yet.
func room(batch []byte) []byte {
	if len(batch) == 0 {
		return append(batch, make([]byte, headroom)...)
	}
	return batch
}

// seal writes the header into the space that room left and returns the whole message, which lies in the
// same memory.
func seal(batch []byte, e market.Epoch, first market.Sequence, publishTime int64) []byte {
	var space [headroom]byte
	head := appendHeader(space[:0], e, first, publishTime)
	start := headroom - len(head)
	copy(batch[start:], head)
	return batch[start:]
}

func appendHeader(dst []byte, e market.Epoch, first market.Sequence, publishTime int64) []byte {
	dst = appendUint(dst, 1, uint64(e))
	dst = appendUint(dst, 2, uint64(first))
	return appendUint(dst, 3, uint64(publishTime))
}

// appendUint appends a varint field unless it is zero.
func appendUint(dst []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, field, protowire.VarintType)
	return protowire.AppendVarint(dst, v)
}

func appendSint(dst []byte, field protowire.Number, v int64) []byte {
	return appendUint(dst, field, protowire.EncodeZigZag(v))
}

func appendText(dst []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return dst
	}
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	return protowire.AppendString(dst, text)
}

// element begins a length-delimited field; closeElement ends it. Bodies are mostly shorter than 128 bytes, so
// one byte is left for the length and longer bodies are moved.
func element(dst []byte, field protowire.Number) ([]byte, int) {
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	return append(dst, 0), len(dst) + 1
}

func closeElement(dst []byte, start int) []byte {
	n := len(dst) - start
	extra := protowire.SizeVarint(uint64(n)) - 1
	if extra > 0 {
		dst = append(dst, make([]byte, extra)...)
		copy(dst[start+extra:], dst[start:start+n])
	}
	protowire.AppendVarint(dst[:start-1], uint64(n))
	return dst
}

func appendQuote(dst []byte, q *market.Quote) []byte {
	dst, start := element(dst, 4)
	if q.Has&market.HasBid != 0 {
		dst = protowire.AppendTag(dst, 1, protowire.VarintType)
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(q.Bid))
		dst = appendUint(dst, 2, uint64(q.BidSize))
	}
	if q.Has&market.HasAsk != 0 {
		dst = protowire.AppendTag(dst, 3, protowire.VarintType)
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(q.Ask))
		dst = appendUint(dst, 4, uint64(q.AskSize))
	}
	if q.Has&market.HasExchangeTime != 0 {
		dst = appendUint(dst, 5, uint64(q.ExchangeTime))
	}
	return closeElement(dst, start)
}

func appendTrade(dst []byte, t *market.Trade) []byte {
	dst, start := element(dst, 5)
	dst = appendSint(dst, 1, t.Price)
	dst = appendUint(dst, 2, uint64(t.Size))
	dst = appendUint(dst, 3, uint64(t.Aggressor))
	dst = appendUint(dst, 4, uint64(t.ExchangeTime))
	dst = appendUint(dst, 5, t.ID)
	dst = appendUint(dst, 6, uint64(t.Kind))
	dst = appendUint(dst, 7, uint64(t.RefersTo))
	return closeElement(dst, start)
}

func appendBook(dst []byte, b *Book) []byte {
	dst, start := element(dst, 6)
	if b.Snapshot {
		dst = appendUint(dst, 1, 1)
	}
	dst = appendLevels(dst, 3, b.Bids)
	dst = appendLevels(dst, 4, b.Asks)
	dst = appendUint(dst, 5, uint64(b.ExchangeTime))
	return closeElement(dst, start)
}

func appendLevels(dst []byte, field protowire.Number, levels []Level) []byte {
	for _, l := range levels {
		var start int
		dst, start = element(dst, field)
		dst = appendSint(dst, 1, l.Price)
		dst = appendUint(dst, 2, uint64(l.Size))
		dst = closeElement(dst, start)
	}
	return dst
}

func appendStatus(dst []byte, s *statusTick) []byte {
	dst, start := element(dst, 7)
	dst = appendUint(dst, 1, uint64(s.trading))
	dst = appendText(dst, 2, s.reason)
	dst = appendUint(dst, 3, uint64(s.exchangeTime))
	return closeElement(dst, start)
}

// appendDefinition writes in.Source without its venue: the subject names that.
func appendDefinition(dst []byte, in *market.Instrument) []byte {
	dst, start := element(dst, 8)
	dst = appendUint(dst, 1, uint64(in.PriceScale))
	dst = appendUint(dst, 2, uint64(in.SizeScale))
	dst = appendUint(dst, 3, uint64(in.PriceStep))
	dst = appendUint(dst, 4, uint64(in.SizeStep))
	dst = appendText(dst, 5, in.Description)
	dst = appendUint(dst, 6, uint64(in.Asset))
	dst = appendText(dst, 7, in.Base)
	dst = appendText(dst, 8, in.Quote)
	dst = appendText(dst, 9, in.Source)
	dst = appendUint(dst, 10, uint64(in.SessionStart))
	dst = appendText(dst, 11, in.TimeZone)
	if in.Delisted {
		dst = appendUint(dst, 12, 1)
	}
	return closeElement(dst, start)
}

// appendStatistics writes every part that exists, also where it is 0.
func appendStatistics(dst []byte, st *market.Statistics) []byte {
	dst, start := element(dst, 9)
	for n, part := range [...]struct {
		has   market.HasStatistics
		value uint64
	}{
		{market.HasPreviousClose, protowire.EncodeZigZag(st.PreviousClose)},
		{market.HasSettlement, protowire.EncodeZigZag(st.Settlement)},
		{market.HasMark, protowire.EncodeZigZag(st.Mark)},
		{market.HasIndex, protowire.EncodeZigZag(st.Index)},
		{market.HasOpenInterest, uint64(st.OpenInterest)},
		{market.HasFundingRate, protowire.EncodeZigZag(st.FundingRateE8)},
	} {
		if st.Has&part.has != 0 {
			dst = protowire.AppendTag(dst, protowire.Number(n+1), protowire.VarintType)
			dst = protowire.AppendVarint(dst, part.value)
		}
	}
	dst = appendUint(dst, 7, uint64(st.ExchangeTime))
	return closeElement(dst, start)
}
