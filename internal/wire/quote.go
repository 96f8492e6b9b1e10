package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

// Field numbers of feed.v1.Quote.
const (
	quoteHandle   = 1
	quoteBid      = 2
	quoteBidSize  = 3
	quoteAsk      = 4
	quoteAskSize  = 5
	quoteAge      = 6
	quoteTransit  = 7
	quoteHas      = 8
	quoteSequence = 9
	quoteEpoch    = 10
)

// AppendQuoteFull appends q as a full row. cut is the time of the frame's cut in microseconds.
func AppendQuoteFull(dst []byte, h market.Handle, q *market.Quote, cut int64) []byte {
	dst, body := begin(dst, frameQuotes)
	dst = appendUint(dst, quoteHandle, uint64(h))
	dst = appendQuoteValues(dst, &market.Quote{}, q, cut)
	dst = protowire.AppendTag(dst, quoteHas, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(q.Has))
	dst = appendUint(dst, quoteSequence, uint64(q.Position.Sequence))
	dst = appendUint(dst, quoteEpoch, uint64(q.Position.Epoch))
	return end(dst, body)
}

// AppendQuoteDelta appends the difference from prev to q. The reader must hold prev.
func AppendQuoteDelta(dst []byte, h market.Handle, prev, q *market.Quote, cut int64) []byte {
	dst, body := begin(dst, frameQuotes)
	dst = appendUint(dst, quoteHandle, uint64(h))
	dst = appendQuoteValues(dst, prev, q, cut)
	if q.Has != prev.Has {
		dst = protowire.AppendTag(dst, quoteHas, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(q.Has))
	}
	return end(dst, body)
}

// appendQuoteValues writes what full rows and differences share. Differences wrap around at 64 bits, as
// the reader's sums do, so that even the extremes come out right.
func appendQuoteValues(dst []byte, prev, q *market.Quote, cut int64) []byte {
	dst = appendSint(dst, quoteBid, q.Bid-prev.Bid)
	dst = appendSint(dst, quoteBidSize, q.BidSize-prev.BidSize)
	dst = appendSint(dst, quoteAsk, q.Ask-prev.Ask)
	dst = appendSint(dst, quoteAskSize, q.AskSize-prev.AskSize)
	dst = appendUint(dst, quoteAge, ageMillis(cut, q.IngestTime))
	return appendSint(dst, quoteTransit, int64(quoteTransitMillis(q)-quoteTransitMillis(prev)))
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
