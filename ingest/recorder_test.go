package ingest

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// recorder is a Sink that writes down what it is told, and fails where the promises of Sink are broken.
type recorder struct {
	fail        func(format string, args ...any)
	limit       int // instruments
	lines       []string
	instruments []market.Instrument
	ids         map[market.Symbol]market.InstrumentID
	quotes      map[market.InstrumentID]market.Quote
	trades      map[market.InstrumentID][]market.Trade
	next        map[market.InstrumentID]market.Position // the trade or gap that must come next
	gaps        map[market.InstrumentID][]string
	quality     map[market.InstrumentID]market.Quality
	sources     map[string]market.Quality
}

func newRecorder(fail func(string, ...any)) *recorder {
	return &recorder{
		fail: fail, limit: 1000, ids: map[market.Symbol]market.InstrumentID{}, quotes: map[market.InstrumentID]market.Quote{},
		trades: map[market.InstrumentID][]market.Trade{}, next: map[market.InstrumentID]market.Position{},
		gaps: map[market.InstrumentID][]string{}, quality: map[market.InstrumentID]market.Quality{}, sources: map[string]market.Quality{},
	}
}

func (r *recorder) say(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *recorder) name(id market.InstrumentID) string { return r.instruments[id].Symbol.String() }

func (r *recorder) Begin()  {}
func (r *recorder) Commit() {}

func (r *recorder) Define(in market.Instrument) (market.InstrumentID, error) {
	id, known := r.ids[in.Symbol]
	switch {
	case !known && len(r.instruments) == r.limit:
		return 0, fmt.Errorf("more than %d instruments", r.limit)
	case !known:
		id = market.InstrumentID(len(r.instruments))
		r.instruments = append(r.instruments, in)
		r.ids[in.Symbol] = id
	case in.PriceScale != r.instruments[id].PriceScale || in.SizeScale != r.instruments[id].SizeScale:
		r.fail("%s: scales changed", in.Symbol)
	}
	r.instruments[id] = in
	gone := ""
	if in.Delisted {
		gone = " delisted"
	}
	r.say("define %s scales %d/%d steps %d/%d source %s%s", in.Symbol, in.PriceScale, in.SizeScale, in.PriceStep, in.SizeStep, in.Source, gone)
	return id, nil
}

func decimal(v int64, scale uint8) string {
	text := string(market.AppendDecimal(nil, v, scale))
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func (r *recorder) Quote(id market.InstrumentID, q *market.Quote) {
	in := &r.instruments[id]
	if old := r.quotes[id]; !old.Position.Before(q.Position) {
		r.fail("%s: quote %v behind %v", in.Symbol, q.Position, old.Position)
	}
	if q.IngestTime == 0 {
		r.fail("%s: quote without an ingest time", in.Symbol)
	}
	r.quotes[id] = *q
	side := func(has market.Has, price, size int64) string {
		if q.Has&has == 0 {
			return "none"
		}
		return decimal(price, in.PriceScale) + "x" + decimal(size, in.SizeScale)
	}
	r.say("quote %s %d:%d %s %s", in.Symbol, q.Position.Epoch, q.Position.Sequence, side(market.HasBid, q.Bid, q.BidSize), side(market.HasAsk, q.Ask, q.AskSize))
}

// advance checks that the trade or gap from p to the number to continues where the last one ended.
func (r *recorder) advance(id market.InstrumentID, p market.Position, to market.Sequence) {
	want, begun := r.next[id]
	if begun && p.Epoch == want.Epoch && p.Sequence != want.Sequence || begun && p.Epoch < want.Epoch {
		r.fail("%s: trade or gap at %v, want %v", r.name(id), p, want)
	}
	r.next[id] = market.Position{Epoch: p.Epoch, Sequence: to + 1}
}

func (r *recorder) Trade(id market.InstrumentID, t *market.Trade) {
	r.advance(id, t.Position, t.Position.Sequence)
	r.trades[id] = append(r.trades[id], *t)
	in := &r.instruments[id]
	r.say("trade %s %d:%d %sx%s", in.Symbol, t.Position.Epoch, t.Position.Sequence, decimal(t.Price, in.PriceScale), decimal(t.Size, in.SizeScale))
}

func (r *recorder) TradeGap(id market.InstrumentID, epoch market.Epoch, from, to market.Sequence) {
	if from > to {
		r.fail("%s: gap from %d to %d", r.name(id), from, to)
	}
	r.advance(id, market.Position{Epoch: epoch, Sequence: from}, to)
	r.gaps[id] = append(r.gaps[id], fmt.Sprintf("%d:%d-%d", epoch, from, to))
	r.say("tradegap %s %d:%d-%d", r.name(id), epoch, from, to)
}

func (r *recorder) Book(market.InstrumentID, *market.BookEvent) bool { return false }

func (r *recorder) Statistics(market.InstrumentID, *market.Statistics) {}

func (r *recorder) Advance(int64) {}

func (r *recorder) Trading(id market.InstrumentID, st market.Trading, reason string) {
	r.say("trading %s %d %q", r.name(id), st, reason)
}

var qualityNames = map[market.Quality]string{market.QualityOK: "ok", market.QualitySuspect: "suspect", market.QualitySyncing: "syncing"}

func (r *recorder) Quality(id market.InstrumentID, q market.Quality, reason string) {
	r.quality[id] = q
	r.say("quality %s %s %q", r.name(id), qualityNames[q], reason)
}

func (r *recorder) Source(source string, _ market.Stream, q market.Quality, reason string) {
	r.sources[source] = q
	r.say("source %s %s %q", source, qualityNames[q], reason)
}

// drops lists what counters count, and is empty when that is nothing.
func drops(c *drop.Counters) map[drop.Reason]uint64 {
	m := map[drop.Reason]uint64{}
	for r := range drop.Reasons {
		if n := c.Count(r); n != 0 {
			m[r] = n
		}
	}
	return m
}

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
