package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

// Bits of the second number of a row, which say what numbers follow, in this order. All but the last two fit one byte.
const (
	quoteBid = 1 << iota
	quoteBidSize
	quoteSpread
	quoteAskSize
	quoteAge
	quoteTransit
	quoteHas
	quoteSequence
	quoteEpoch
)

// AppendQuoteFull appends q as a full row. cut is the time of the frame's cut in microseconds.
func AppendQuoteFull(dst []byte, h market.Handle, q *market.Quote, cut int64) []byte {
	dst, body := begin(dst, frameQuotes)
	dst = protowire.AppendVarint(dst, uint64(h))
	at := len(dst)
	dst = append(dst, 0, 0) // fields: two bytes, since a full row has a sequence
	dst, fields := appendQuoteValues(dst, &market.Quote{}, q, cut)
	fields |= quoteHas | quoteSequence
	dst = protowire.AppendVarint(dst, uint64(q.Has))
	dst = protowire.AppendVarint(dst, uint64(q.Position.Sequence))
	if q.Position.Epoch != 0 {
		fields |= quoteEpoch
		dst = protowire.AppendVarint(dst, uint64(q.Position.Epoch))
	}
	protowire.AppendVarint(dst[:at], fields)
	return end(dst, body)
}

// AppendQuoteDelta appends the difference from prev to q. The reader must hold prev.
func AppendQuoteDelta(dst []byte, h market.Handle, prev, q *market.Quote, cut int64) []byte {
	dst, body := begin(dst, frameQuotes)
	dst = protowire.AppendVarint(dst, uint64(h))
	at := len(dst)
	dst = append(dst, 0)
	dst, fields := appendQuoteValues(dst, prev, q, cut)
	if q.Has != prev.Has {
		fields |= quoteHas
		dst = protowire.AppendVarint(dst, uint64(q.Has))
	}
	dst[at] = byte(fields)
	return end(dst, body)
}

// appendQuoteValues writes what full rows and differences share, and says what that was. Differences wrap around at 64
// bits, as the reader's sums do, so that even the extremes come out right.
func appendQuoteValues(dst []byte, prev, q *market.Quote, cut int64) (_ []byte, fields uint64) {
	if d := q.Bid - prev.Bid; d != 0 {
		fields |= quoteBid
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(d))
	}
	if d := q.BidSize - prev.BidSize; d != 0 {
		fields |= quoteBidSize
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(d))
	}
	if d := spread(q) - spread(prev); d != 0 {
		fields |= quoteSpread
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(d))
	}
	if d := q.AskSize - prev.AskSize; d != 0 {
		fields |= quoteAskSize
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(d))
	}
	if age := ageMillis(cut, q.IngestTime); age != 0 {
		fields |= quoteAge
		dst = protowire.AppendVarint(dst, age)
	}
	if d := quoteTransitMillis(q) - quoteTransitMillis(prev); d != 0 {
		fields |= quoteTransit
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(int64(d)))
	}
	return dst, fields
}

// spread is the ask less the bid, or less 0 where there is none. It mostly stays when both prices move. Without an ask it is 0,
// so that it stays while the bid moves.
func spread(q *market.Quote) int64 {
	if q.Has&market.HasAsk == 0 {
		return 0
	}
	return q.Ask - q.Bid
}

// ageMillis is the time from ingest to cut in milliseconds. A row that was taken in behind the cut, as
// the first of a new subscription may be, has age 0.
func ageMillis(cut, ingest int64) uint64 {
	if cut <= ingest {
		return 0
	}
	return min(uint64(cut-ingest)/1000, math.MaxUint32)
}

// maxTransit keeps the difference of two transits inside 32 bits; it is 12 days.
const maxTransit = 1 << 30

// quoteTransitMillis is the time from the exchange to ingest; 0 where the venue gives no time.
func quoteTransitMillis(q *market.Quote) int32 {
	if q.Has&market.HasExchangeTime == 0 {
		return 0
	}
	return int32(max(-maxTransit, min(maxTransit, transitMillis(q.ExchangeTime, q.IngestTime))))
}

// transitMillis rounds down, also below zero, so that exchange + 1000·transit never lies behind ingest.
func transitMillis(exchange, ingest int64) int64 {
	d := ingest - exchange
	ms := d / 1000
	if d%1000 < 0 {
		ms--
	}
	return ms
}
