package wire

import "github.com/feedd/feedd/market"

// Field numbers of feed.v1.Bar, and of the list of them in ServerFrame.
const (
	frameBars = 4

	barHandle  = 1
	barOpen    = 2
	barHigh    = 3
	barLow     = 4
	barClose   = 5
	barVolume  = 6
	barTrades  = 7
	barVWAP    = 8
	barStart   = 9
	barClosed  = 10
	barAge     = 11
	barTransit = 12
)

// AppendBarFull appends b as a full row. cut is the time of the frame's cut in microseconds.
func AppendBarFull(dst []byte, h market.Handle, b *market.Bar, cut int64) []byte {
	base := market.Bar{High: b.Open, Low: b.Open, Close: b.Open}
	return appendBar(dst, h, &base, b, b.Open, b.Start, cut)
}

// AppendBarDelta appends the difference from prev to b, which is the same bar later. The reader must hold prev, as the
// newest bar of the handle.
func AppendBarDelta(dst []byte, h market.Handle, prev, b *market.Bar, cut int64) []byte {
	return appendBar(dst, h, prev, b, prev.Turnover.Over(prev.Volume), 0, cut)
}

// appendBar writes a row of which start is 0 in a difference. Differences wrap around at 64 bits, as those of quotes do.
func appendBar(dst []byte, h market.Handle, prev, b *market.Bar, prevVWAP, start, cut int64) []byte {
	dst, body := begin(dst, frameBars)
	dst = appendUint(dst, barHandle, uint64(h))
	dst = appendSint(dst, barOpen, b.Open-prev.Open)
	dst = appendSint(dst, barHigh, b.High-prev.High)
	dst = appendSint(dst, barLow, b.Low-prev.Low)
	dst = appendSint(dst, barClose, b.Close-prev.Close)
	dst = appendSint(dst, barVolume, b.Volume-prev.Volume)
	dst = appendSint(dst, barTrades, b.Trades-prev.Trades)
	dst = appendSint(dst, barVWAP, b.Turnover.Over(b.Volume)-prevVWAP)
	dst = appendUint(dst, barStart, uint64(start))
	if b.Closed {
		dst = appendUint(dst, barClosed, 1)
	}
	dst = appendUint(dst, barAge, ageMillis(cut, b.IngestTime))
	dst = appendSint(dst, barTransit, rowTransit(b.ExchangeTime, b.IngestTime)-rowTransit(prev.ExchangeTime, prev.IngestTime))
	return end(dst, body)
}

// rowTransit is the time from the exchange to ingest in milliseconds, of which a difference fits 32 bits; 0 where the
// venue gives no time.
func rowTransit(exchange, ingest int64) int64 {
	if exchange == 0 {
		return 0
	}
	return max(-maxTransit, min(maxTransit, transitMillis(exchange, ingest)))
}

// Bar adds b, which is so many seconds long, as a BarText. Of a bar without trades it says no prices.
func (f *TextFrame) Bar(in *market.Instrument, seconds uint32, b *market.Bar) {
	o := object{append(f.lists[textBars], ',', '{')}
	o.text("symbol", in.Symbol.Venue, ":", in.Symbol.Name)
	o.number("barSeconds", uint64(seconds))
	o.time("start", b.Start*1_000_000)
	if b.Trades != 0 {
		o.decimal("open", b.Open, in.PriceScale)
		o.decimal("high", b.High, in.PriceScale)
		o.decimal("low", b.Low, in.PriceScale)
		o.decimal("close", b.Close, in.PriceScale)
		o.decimal("volume", b.Volume, in.SizeScale)
		o.number64("trades", uint64(b.Trades))
		o.decimal("vwap", b.Turnover.Over(b.Volume), in.PriceScale)
	}
	o.flag("closed", b.Closed)
	o.time("exchangeTime", b.ExchangeTime)
	o.time("ingestTime", b.IngestTime)
	f.lists[textBars] = o.close()
}

// flag appends a truth, which is left out where it is none.
func (o *object) flag(name string, v bool) {
	if v {
		o.name(name)
		o.b = append(o.b, "true"...)
	}
}
