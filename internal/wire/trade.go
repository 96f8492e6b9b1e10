package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

// Field numbers of feed.v1.Trade, Lost and Gap.
const (
	tradeHandle       = 1
	tradePrice        = 2
	tradeSize         = 3
	tradeAggressor    = 4
	tradeExchangeTime = 5
	tradeTransit      = 6
	tradeID           = 7
	tradeKind         = 8
	tradeRefersTo     = 9
	tradeSequence     = 10
	tradeEpoch        = 11

	rangeHandle = 1
	rangeFrom   = 2
	rangeTo     = 3
	rangeEpoch  = 4
)

// AppendTradeFull appends t as a full row.
func AppendTradeFull(dst []byte, h market.Handle, t *market.Trade) []byte {
	dst, body := begin(dst, frameTrades)
	dst = appendTradeValues(dst, h, &market.Trade{}, t)
	dst = appendUint(dst, tradeSequence, uint64(t.Position.Sequence))
	dst = appendUint(dst, tradeEpoch, uint64(t.Position.Epoch))
	return end(dst, body)
}

// AppendTradeDelta appends t as the difference to prev, whose sequence must be the one before t's in the
// same epoch.
func AppendTradeDelta(dst []byte, h market.Handle, prev, t *market.Trade) []byte {
	dst, body := begin(dst, frameTrades)
	return end(appendTradeValues(dst, h, prev, t), body)
}

func appendTradeValues(dst []byte, h market.Handle, prev, t *market.Trade) []byte {
	dst = appendUint(dst, tradeHandle, uint64(h))
	dst = appendSint(dst, tradePrice, t.Price-prev.Price)
	dst = appendUint(dst, tradeSize, uint64(t.Size))
	dst = appendUint(dst, tradeAggressor, uint64(t.Aggressor))
	dst = appendSint(dst, tradeExchangeTime, t.ExchangeTime-prev.ExchangeTime)
	dst = appendSint(dst, tradeTransit, tradeTransitMillis(t)-tradeTransitMillis(prev))
	id := t.ID - prev.ID
	if prev.ID != 0 {
		id--
	}
	dst = appendSint(dst, tradeID, int64(id))
	dst = appendUint(dst, tradeKind, uint64(t.Kind))
	return appendUint(dst, tradeRefersTo, uint64(t.RefersTo))
}

// tradeTransitMillis is 0 for the empty trade that full rows are differences to.
func tradeTransitMillis(t *market.Trade) int64 { return transitMillis(t.ExchangeTime, t.IngestTime) }

// AppendLost appends that the events from … to of a handle were overwritten before this reader got them.
func AppendLost(dst []byte, h market.Handle, r Range) []byte {
	return appendRange(dst, frameLosses, h, r)
}

// AppendGap appends that the events from … to of a handle never reached feedd.
func AppendGap(dst []byte, h market.Handle, r Range) []byte { return appendRange(dst, frameGaps, h, r) }

// Range is a run of events of one epoch, both ends included.
type Range struct {
	Epoch    market.Epoch
	From, To market.Sequence
}

// Len is the number of events in r.
func (r Range) Len() uint64 { return uint64(r.To-r.From) + 1 }

func appendRange(dst []byte, field protowire.Number, h market.Handle, r Range) []byte {
	dst, body := begin(dst, field)
	dst = appendUint(dst, rangeHandle, uint64(h))
	dst = appendUint(dst, rangeFrom, uint64(r.From))
	dst = appendUint(dst, rangeTo, uint64(r.To))
	dst = appendUint(dst, rangeEpoch, uint64(r.Epoch))
	return end(dst, body)
}
