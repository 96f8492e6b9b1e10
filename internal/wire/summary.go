package wire

import "github.com/feedd/feedd/market"

// Field numbers of feed.v1.TradeSummary, and of the list of them in ServerFrame.
const (
	frameSummaries = 13

	summaryHandle   = 1
	summaryLast     = 2
	summaryHigh     = 3
	summaryLow      = 4
	summaryVolume   = 5
	summaryTrades   = 6
	summaryAge      = 7
	summaryTransit  = 8
	summarySequence = 9
	summaryEpoch    = 10
)

// TradeSummary sums up a run of trades. The zero value is that of none.
type TradeSummary struct {
	Last, High, Low          int64
	Volume                   int64 // stays at the largest number where it does not fit
	Trades                   uint64
	ExchangeTime, IngestTime int64 // of the last trade, in microseconds
	Position                 market.Position
}

// Add takes in the next trade.
func (s *TradeSummary) Add(t *market.Trade) {
	if s.Trades == 0 {
		s.High, s.Low = t.Price, t.Price
	}
	s.Last, s.High, s.Low = t.Price, max(s.High, t.Price), min(s.Low, t.Price)
	s.Trades++
	s.Volume += t.Size
	if s.Volume < t.Size {
		s.Volume = 1<<63 - 1
	}
	s.ExchangeTime, s.IngestTime, s.Position = t.ExchangeTime, t.IngestTime, t.Position
}

// AppendTradeSummary appends s. cut is the time of the frame's cut in microseconds.
func AppendTradeSummary(dst []byte, h market.Handle, s *TradeSummary, cut int64) []byte {
	dst, body := begin(dst, frameSummaries)
	dst = appendUint(dst, summaryHandle, uint64(h))
	dst = appendSint(dst, summaryLast, s.Last)
	dst = appendSint(dst, summaryHigh, s.High-s.Last)
	dst = appendSint(dst, summaryLow, s.Low-s.Last)
	dst = appendSint(dst, summaryVolume, s.Volume)
	dst = appendUint(dst, summaryTrades, s.Trades)
	dst = appendUint(dst, summaryAge, ageMillis(cut, s.IngestTime))
	dst = appendSint(dst, summaryTransit, rowTransit(s.ExchangeTime, s.IngestTime))
	dst = appendUint(dst, summarySequence, uint64(s.Position.Sequence))
	dst = appendUint(dst, summaryEpoch, uint64(s.Position.Epoch))
	return end(dst, body)
}

// TradeSummary adds s as a TradeSummaryText.
func (f *TextFrame) TradeSummary(in *market.Instrument, s *TradeSummary) {
	o := object{append(f.lists[textSummaries], ',', '{')}
	o.text("symbol", in.Symbol.Venue, ":", in.Symbol.Name)
	o.number64("trades", s.Trades)
	o.decimal("volume", s.Volume, in.SizeScale)
	o.decimal("high", s.High, in.PriceScale)
	o.decimal("low", s.Low, in.PriceScale)
	o.decimal("last", s.Last, in.PriceScale)
	o.time("exchangeTime", s.ExchangeTime)
	o.time("ingestTime", s.IngestTime)
	o.position(s.Position)
	f.lists[textSummaries] = o.close()
}
