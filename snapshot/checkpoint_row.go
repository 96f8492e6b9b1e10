package snapshot

import (
	"math"

	"github.com/feedd/feedd/internal/checkpoint/section"
	"github.com/feedd/feedd/market"
)

// A row is an instrument's definition, status, quote and log, then book and bars as parts of their own. What was never said, as
// a quote, is one byte.

func (r *record) appendTo(dst []byte, logEvents int) []byte {
	dst = appendInstrument(dst, &r.instrument)
	dst = r.appendStatus(dst)
	dst = r.appendQuote(dst)
	dst = r.trades.appendTo(dst, logEvents)
	dst = section.AppendPart(dst, r.book.appendTo)
	return section.AppendPart(dst, r.bars.appendTo)
}

func appendInstrument(dst []byte, in *market.Instrument) []byte {
	for _, text := range [...]string{in.Symbol.Venue, in.Symbol.Name, in.Description, in.Base, in.Quote, in.Source, in.TimeZone} {
		dst = section.AppendText(dst, text)
	}
	dst = section.AppendUint(dst, in.PriceScale)
	dst = section.AppendUint(dst, in.SizeScale)
	dst = section.AppendInt(dst, in.PriceStep)
	dst = section.AppendInt(dst, in.SizeStep)
	dst = section.AppendUint(dst, in.Asset)
	dst = section.AppendInt(dst, int64(in.SessionStart))
	return section.AppendBool(dst, in.Delisted)
}

func readInstrument(r *section.Reader) (in market.Instrument) {
	for _, text := range [...]*string{&in.Symbol.Venue, &in.Symbol.Name, &in.Description, &in.Base, &in.Quote, &in.Source, &in.TimeZone} {
		*text = r.Text()
	}
	in.PriceScale, in.SizeScale = uint8(r.Uint(market.MaxScale)), uint8(r.Uint(market.MaxScale))
	in.PriceStep, in.SizeStep = r.Int(), r.Int()
	in.Asset = market.AssetClass(r.Uint(uint64(market.AssetBond)))
	start := r.Int()
	in.SessionStart = int32(start)
	in.Delisted = r.Bool()
	switch err := in.Symbol.Validate(); {
	case err != nil:
		r.Fail("%w", err)
	case in.Source == "":
		r.Fail("no source")
	case int64(in.SessionStart) != start:
		r.Fail("a session that starts at second %d", start)
	}
	return in
}

// appendStatus leaves out the quality.
func (r *record) appendStatus(dst []byte) []byte {
	dst = section.AppendUint(dst, r.status.Stream)
	dst = section.AppendUint(dst, r.status.Trading)
	return section.AppendText(dst, r.reasons.trading)
}

func (r *record) readStatus(in *section.Reader) {
	r.status.Stream = market.Stream(in.Uint(uint64(market.StreamClosedRetry)))
	r.status.Trading = market.Trading(in.Uint(uint64(market.TradingClosed)))
	r.reasons.trading = in.Text()
	r.status.Reason = r.reasons.trading
}

func (r *record) appendQuote(dst []byte) []byte {
	dst = section.AppendBool(dst, r.quoteTicks != 0)
	if r.quoteTicks == 0 {
		return dst
	}
	q := &r.quote
	dst = section.AppendUint(dst, q.Has)
	for _, n := range [...]int64{q.Bid, q.BidSize, q.Ask, q.AskSize, q.ExchangeTime, q.IngestTime} {
		dst = section.AppendInt(dst, n)
	}
	return appendPosition(dst, q.Position)
}

func (r *record) readQuote(in *section.Reader) {
	if !in.Bool() {
		return
	}
	q := &r.quote
	q.Has = market.Has(in.Uint(uint64(market.HasBid | market.HasAsk | market.HasExchangeTime)))
	for _, n := range [...]*int64{&q.Bid, &q.BidSize, &q.Ask, &q.AskSize, &q.ExchangeTime, &q.IngestTime} {
		*n = in.Int()
	}
	q.Position = readPosition(in)
	r.quoteTicks = 1
}

func appendPosition(dst []byte, p market.Position) []byte {
	return section.AppendUint(section.AppendUint(dst, p.Epoch), p.Sequence)
}

func readPosition(in *section.Reader) market.Position {
	return market.Position{Epoch: market.Epoch(in.Uint(math.MaxUint64)), Sequence: market.Sequence(in.Uint(math.MaxUint64))}
}
