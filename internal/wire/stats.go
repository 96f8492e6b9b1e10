package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/market"
)

// Field numbers of feed.v1.Stats, and of the list of them in ServerFrame.
const (
	frameStats = 5

	statsHandle          = 1
	statsLast            = 2
	statsOpen            = 3
	statsHigh            = 4
	statsLow             = 5
	statsVolume          = 6
	statsTrades          = 7
	statsVWAP            = 8
	statsAge             = 9
	statsTransit         = 10
	statsSessionOpen     = 11
	statsSessionHigh     = 12
	statsSessionLow      = 13
	statsSessionVolume   = 14
	statsSessionTrades   = 15
	statsFull            = 16
	statsSessionVWAP     = 17
	statsSessionStart    = 18
	statsTurnover        = 19
	statsSessionTurnover = 20
	statsHas             = 21
	statsPreviousClose   = 22
	statsSettlement      = 23
	statsMark            = 24
	statsIndex           = 25
	statsOpenInterest    = 26
	statsFundingRate     = 27
)

// AppendStatsFull appends s as a full row. scale is that of a turnover: of price and size together. cut is the time of
// the frame's cut in microseconds.
func AppendStatsFull(dst []byte, h market.Handle, s *bars.Statistics, scale uint8, cut int64) []byte {
	return appendStats(dst, h, &bars.Statistics{}, s, true, scale, cut)
}

// AppendStatsDelta appends the difference from prev to s. The reader must hold prev.
func AppendStatsDelta(dst []byte, h market.Handle, prev, s *bars.Statistics, scale uint8, cut int64) []byte {
	return appendStats(dst, h, prev, s, false, scale, cut)
}

// appendStats writes a row. Differences wrap around at 64 bits, as those of quotes do.
func appendStats(dst []byte, h market.Handle, prev, s *bars.Statistics, full bool, scale uint8, cut int64) []byte {
	dst, body := begin(dst, frameStats)
	dst = appendUint(dst, statsHandle, uint64(h))
	dst = appendSint(dst, statsLast, s.Last-prev.Last)
	dst = appendSint(dst, statsOpen, s.Day.Open-prev.Day.Open)
	dst = appendSint(dst, statsHigh, s.Day.High-prev.Day.High)
	dst = appendSint(dst, statsLow, s.Day.Low-prev.Day.Low)
	dst = appendSint(dst, statsVolume, s.Day.Volume-prev.Day.Volume)
	dst = appendSint(dst, statsTrades, s.Day.Trades-prev.Day.Trades)
	dst = appendSint(dst, statsVWAP, s.Day.VWAP()-prev.Day.VWAP())
	dst = appendUint(dst, statsAge, ageMillis(cut, s.IngestTime))
	dst = appendSint(dst, statsTransit, rowTransit(s.ExchangeTime, s.IngestTime)-rowTransit(prev.ExchangeTime, prev.IngestTime))
	dst = appendSint(dst, statsSessionOpen, s.Session.Open-prev.Session.Open)
	dst = appendSint(dst, statsSessionHigh, s.Session.High-prev.Session.High)
	dst = appendSint(dst, statsSessionLow, s.Session.Low-prev.Session.Low)
	dst = appendSint(dst, statsSessionVolume, s.Session.Volume-prev.Session.Volume)
	dst = appendSint(dst, statsSessionTrades, s.Session.Trades-prev.Session.Trades)
	if full {
		dst = appendUint(dst, statsFull, 1)
	}
	dst = appendSint(dst, statsSessionVWAP, s.Session.VWAP()-prev.Session.VWAP())
	dst = appendSint(dst, statsSessionStart, s.SessionStart-prev.SessionStart)
	dst = appendTurnover(dst, statsTurnover, prev.Day.Turnover, s.Day.Turnover, scale)
	dst = appendTurnover(dst, statsSessionTurnover, prev.Session.Turnover, s.Session.Turnover, scale)
	return end(appendVenue(dst, &prev.Venue, &s.Venue, full), body)
}

// appendTurnover writes an amount where it changed.
func appendTurnover(dst []byte, field protowire.Number, prev, a market.Amount, scale uint8) []byte {
	if a == prev {
		return dst
	}
	dst, body := begin(dst, field)
	return end(a.AppendText(dst, scale), body)
}

// appendVenue writes what the venue states.
func appendVenue(dst []byte, prev, s *market.Statistics, full bool) []byte {
	if full || s.Has != prev.Has {
		dst = protowire.AppendTag(dst, statsHas, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(s.Has))
	}
	dst = appendSint(dst, statsPreviousClose, s.PreviousClose-prev.PreviousClose)
	dst = appendSint(dst, statsSettlement, s.Settlement-prev.Settlement)
	dst = appendSint(dst, statsMark, s.Mark-prev.Mark)
	dst = appendSint(dst, statsIndex, s.Index-prev.Index)
	dst = appendSint(dst, statsOpenInterest, s.OpenInterest-prev.OpenInterest)
	return appendSint(dst, statsFundingRate, s.FundingRateE8-prev.FundingRateE8)
}

// fundingScale is that of a funding rate.
const fundingScale = 8

// Stats adds s as a StatsText.
func (f *TextFrame) Stats(in *market.Instrument, s *bars.Statistics) {
	o := object{append(f.lists[textStats], ',', '{')}
	o.text("symbol", in.Symbol.Venue, ":", in.Symbol.Name)
	if s.Traded() {
		o.decimal("last", s.Last, in.PriceScale)
	}
	o.totals("day", in, s.Last, &s.Day)
	o.totals("session", in, s.Last, &s.Session)
	o.time("sessionStart", s.SessionStart*1_000_000)
	v := &s.Venue
	for _, d := range [...]struct {
		has   market.HasStatistics
		name  string
		value int64
		scale uint8
	}{
		{market.HasPreviousClose, "previousClose", v.PreviousClose, in.PriceScale},
		{market.HasSettlement, "settlement", v.Settlement, in.PriceScale},
		{market.HasMark, "mark", v.Mark, in.PriceScale},
		{market.HasIndex, "index", v.Index, in.PriceScale},
		{market.HasOpenInterest, "openInterest", v.OpenInterest, in.SizeScale},
		{market.HasFundingRate, "fundingRate", v.FundingRateE8, fundingScale},
	} {
		if v.Has&d.has != 0 {
			o.decimal(d.name, d.value, d.scale)
		}
	}
	o.time("exchangeTime", s.ExchangeTime)
	o.time("ingestTime", s.IngestTime)
	f.lists[textStats] = o.close()
}

// totals appends a WindowText, unless nothing was traded.
func (o *object) totals(name string, in *market.Instrument, last int64, t *bars.Totals) {
	if t.Trades == 0 {
		return
	}
	o.name(name)
	w := object{append(o.b, '{')}
	w.decimal("open", t.Open, in.PriceScale)
	w.decimal("high", t.High, in.PriceScale)
	w.decimal("low", t.Low, in.PriceScale)
	w.decimal("change", last-t.Open, in.PriceScale)
	w.decimal("volume", t.Volume, in.SizeScale)
	w.name("turnover")
	w.b = append(t.Turnover.AppendText(append(w.b, '"'), in.PriceScale+in.SizeScale), '"')
	w.decimal("vwap", t.VWAP(), in.PriceScale)
	w.number64("trades", uint64(t.Trades))
	o.b = w.close()
}
