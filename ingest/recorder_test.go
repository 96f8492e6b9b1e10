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
	books       map[market.InstrumentID]*book
	onBook      func(market.InstrumentID, *book) // nil: nobody looks
	statistics  map[market.InstrumentID]market.Statistics
	quality     map[market.InstrumentID]market.Quality
	reasons     map[market.InstrumentID]string
	sources     map[string]market.Quality
}

func newRecorder(fail func(string, ...any)) *recorder {
	return &recorder{
		fail: fail, limit: 1000, ids: map[market.Symbol]market.InstrumentID{}, quotes: map[market.InstrumentID]market.Quote{},
		trades: map[market.InstrumentID][]market.Trade{}, next: map[market.InstrumentID]market.Position{},
		books: map[market.InstrumentID]*book{}, statistics: map[market.InstrumentID]market.Statistics{}, reasons: map[market.InstrumentID]string{},
		gaps: map[market.InstrumentID][]string{}, quality: map[market.InstrumentID]market.Quality{}, sources: map[string]market.Quality{},
	}
}

func (r *recorder) say(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *recorder) name(id market.InstrumentID) string { return r.instruments[id].Symbol.String() }

func (r *recorder) Begin()         {}
func (r *recorder) TryBegin() bool { return true }
func (r *recorder) Commit()        {}

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
	more := ""
	if in.Asset != market.AssetUnknown {
		more = " " + in.Asset.String()
	}
	if in.SessionStart != 0 || in.TimeZone != "" {
		more += fmt.Sprintf(" session %d %s", in.SessionStart, in.TimeZone)
	}
	if in.Delisted {
		more += " delisted"
	}
	r.say("define %s scales %d/%d steps %d/%d source %s%s", in.Symbol, in.PriceScale, in.SizeScale, in.PriceStep, in.SizeStep, in.Source, more)
	return id, nil
}

func decimal(v int64, scale uint8) string {
	text := string(market.AppendDecimal(nil, v, scale))
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func (r *recorder) Forget(id market.InstrumentID) {
	delete(r.quotes, id)
	delete(r.trades, id)
	delete(r.gaps, id)
	delete(r.next, id)
	delete(r.books, id)
	delete(r.statistics, id)
	r.say("forget %s", r.name(id))
}

func (r *recorder) Settle(id market.InstrumentID, _ int64) { r.say("settle %s", r.name(id)) }

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

// book is a book by prices, in the least clever way.
type book struct {
	at         market.Position
	bids, asks map[int64]int64
}

func (k *book) apply(e *market.BookEvent) {
	if e.Snapshot {
		k.bids, k.asks = map[int64]int64{}, map[int64]int64{}
	}
	for _, side := range [2]struct {
		levels []market.Level
		of     map[int64]int64
	}{{e.Bids, k.bids}, {e.Asks, k.asks}} {
		for _, l := range side.levels {
			side.of[l.Price] = l.Size
			if l.Size == 0 {
				delete(side.of, l.Price)
			}
		}
	}
	k.at = e.Position
}

func (k *book) crossed() bool {
	for bid := range k.bids {
		for ask := range k.asks {
			if bid >= ask {
				return true
			}
		}
	}
	return false
}

func (r *recorder) Book(id market.InstrumentID, e *market.BookEvent) (crossed bool) {
	k := r.books[id]
	if k == nil {
		k = &book{}
		r.books[id] = k
	}
	p := e.Position
	switch in := &r.instruments[id]; {
	case e.IngestTime == 0:
		r.fail("%s: book event without an ingest time", in.Symbol)
	case e.Snapshot:
		if p.Before(k.at) {
			r.fail("%s: image at %v behind %v", in.Symbol, p, k.at)
		}
	case p.Epoch != k.at.Epoch || p.Sequence != k.at.Sequence+1 && p.Epoch != 0 || k.at == market.Position{}:
		r.fail("%s: change at %v behind %v", in.Symbol, p, k.at)
	}
	k.apply(e)
	if r.onBook != nil {
		r.onBook(id, k)
	}
	r.say("book %s %d:%d %s", r.name(id), p.Epoch, p.Sequence, r.levels(id, e))
	return k.crossed()
}

// levels writes an event as a transcript does.
func (r *recorder) levels(id market.InstrumentID, e *market.BookEvent) string {
	in := &r.instruments[id]
	var b strings.Builder
	if e.Snapshot {
		b.WriteByte('=')
	}
	for i, side := range [][]market.Level{e.Bids, e.Asks} {
		if i > 0 {
			b.WriteByte('/')
		}
		for k, l := range side {
			if k > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%s:%s", decimal(l.Price, in.PriceScale), decimal(l.Size, in.SizeScale))
		}
	}
	return b.String()
}

func (r *recorder) Statistics(id market.InstrumentID, st *market.Statistics) {
	in := &r.instruments[id]
	if old := r.statistics[id]; !old.Position.Before(st.Position) || st.IngestTime == 0 {
		r.fail("%s: statistics %v behind %v", in.Symbol, st, old)
	}
	r.statistics[id] = *st
	text := ""
	for k, v := range [...]int64{st.PreviousClose, st.Settlement, st.Mark, st.Index} {
		if st.Has&(market.HasPreviousClose<<k) != 0 {
			text += fmt.Sprintf(" %s=%s", [...]string{"close", "settlement", "mark", "index"}[k], decimal(v, in.PriceScale))
		}
	}
	if st.Has&market.HasOpenInterest != 0 {
		text += " interest=" + decimal(st.OpenInterest, in.SizeScale)
	}
	if st.Has&market.HasFundingRate != 0 {
		text += " funding=" + decimal(st.FundingRateE8, 8)
	}
	r.say("statistics %s %d:%d%s", in.Symbol, st.Position.Epoch, st.Position.Sequence, text)
}

func (r *recorder) Advance(int64) {}

func (r *recorder) Trading(id market.InstrumentID, st market.Trading, reason string) {
	r.say("trading %s %d %q", r.name(id), st, reason)
}

var qualityNames = map[market.Quality]string{market.QualityOK: "ok", market.QualitySuspect: "suspect", market.QualitySyncing: "syncing"}

func (r *recorder) Quality(id market.InstrumentID, q market.Quality, reason string) {
	r.quality[id], r.reasons[id] = q, reason
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
