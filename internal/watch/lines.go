package watch

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

// timeLayout is RFC 3339 with microseconds.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// Lines writes a line for each row: when the state was frozen, what it is, and the instrument. The words
// stand at fixed places, so that the output can be cut and sorted.
type Lines struct {
	w           io.Writer
	instruments map[string]market.Instrument
}

// NewLines returns Lines that write to w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w, instruments: map[string]market.Instrument{}} }

// Apply writes the rows of an update.
func (l *Lines) Apply(u *client.Update) error {
	for _, in := range u.Instruments {
		l.instruments[in.Symbol.String()] = in
	}
	var b bytes.Buffer
	line := func(kind, name, text string) {
		fmt.Fprintf(&b, "%s %s %s %s\n", u.Cut.UTC().Format(timeLayout), kind, name, text)
	}
	for _, q := range u.Quotes {
		line("quote", q.Symbol, quoteText(&q.Quote, l.instruments[q.Symbol]))
	}
	for _, e := range u.Trades {
		kind, text := tradeText(&e, l.instruments[e.Symbol])
		line(kind, e.Symbol, text)
	}
	for _, r := range u.Books {
		line("book", r.Symbol, bookText(&r, l.instruments[r.Symbol]))
	}
	for _, r := range u.Bars {
		line("bar", r.Symbol, barText(&r, l.instruments[r.Symbol]))
	}
	for _, r := range u.LostBars {
		line("lost", r.Symbol, fmt.Sprintf("bars of %d s, numbers %d to %d", r.Seconds, r.From, r.To))
	}
	for _, r := range u.Stats {
		line("stats", r.Symbol, statsText(&r.Stats, l.instruments[r.Symbol]))
	}
	for _, s := range u.Statuses {
		line("status", s.Symbol, statusText(s.Status))
	}
	for _, s := range u.Sources {
		line("source", s.Source, statusText(s.Status))
	}
	_, err := l.w.Write(b.Bytes())
	return err
}

func quoteText(q *market.Quote, in market.Instrument) string {
	side := func(price, size int64, has market.Has) string {
		if q.Has&has == 0 {
			return "-"
		}
		b := market.AppendDecimal(nil, price, in.PriceScale)
		b = append(b, " x "...)
		return string(market.AppendDecimal(b, size, in.SizeScale))
	}
	return "bid " + side(q.Bid, q.BidSize, market.HasBid) + " ask " + side(q.Ask, q.AskSize, market.HasAsk)
}

func tradeText(e *client.TradeEvent, in market.Instrument) (kind, text string) {
	switch e.Kind {
	case client.Lost:
		return "lost", fmt.Sprintf("%d trades, %d to %d, came faster than they were read", e.To-e.From+1, e.From, e.To)
	case client.Gap:
		return "gap", fmt.Sprintf("%d trades, %d to %d, never reached the server", e.To-e.From+1, e.From, e.To)
	case client.Recovered:
		return "recovered", fmt.Sprintf("%d trades, %d to %d, follow", e.To-e.From+1, e.From, e.To)
	case client.Traded:
	}
	t := &e.Trade
	b := market.AppendDecimal(nil, t.Price, in.PriceScale)
	b = append(b, " x "...)
	text = string(market.AppendDecimal(b, t.Size, in.SizeScale))
	if side := t.Aggressor.String(); side != "" {
		text += " " + side
	}
	if kind := t.Kind.String(); kind != "" {
		text += fmt.Sprintf(" %s of %d", kind, t.RefersTo)
	}
	return "trade", text
}

// bookText names the levels of a row: all of the book, or those that changed.
func bookText(r *client.BookRow, in market.Instrument) string {
	text := "change"
	switch {
	case r.Full && r.Partial:
		text = "snapshot, more follows"
	case r.Full:
		text = "snapshot"
	}
	for _, side := range []struct {
		name   string
		levels []market.Level
	}{{"bid", r.Bids}, {"ask", r.Asks}} {
		for _, l := range side.levels {
			text += fmt.Sprintf(" %s %s x %s", side.name, decimal(l.Price, in.PriceScale, true), decimal(l.Size, in.SizeScale, true))
		}
	}
	return text
}

func barText(r *client.BarRow, in market.Instrument) string {
	b := &r.Bar
	text := fmt.Sprintf("%d s from %s", r.Seconds, time.Unix(b.Start, 0).UTC().Format(time.RFC3339))
	if r.Void {
		return text + " void: all its trades were cancelled"
	}
	text += ohlc(b.Open, b.High, b.Low, b.Close, in) + fmt.Sprintf(" volume %s trades %d", decimal(b.Volume, in.SizeScale, true), b.Trades)
	if b.Closed {
		text += " closed"
	}
	return text
}

func ohlc(open, high, low, last int64, in market.Instrument) string {
	return fmt.Sprintf(" open %s high %s low %s close %s", decimal(open, in.PriceScale, true), decimal(high, in.PriceScale, true),
		decimal(low, in.PriceScale, true), decimal(last, in.PriceScale, true))
}

func statsText(s *client.Stats, in market.Instrument) string {
	text := "24h"
	for _, w := range []struct {
		name string
		of   *client.Window
	}{{"", &s.Day}, {" session", &s.Session}} {
		text += w.name
		if w.of.Trades == 0 {
			text += " nothing traded"
			continue
		}
		text += ohlc(w.of.Open, w.of.High, w.of.Low, s.Last, in)
		text += fmt.Sprintf(" volume %s turnover %s trades %d", decimal(w.of.Volume, in.SizeScale, true), w.of.Turnover, w.of.Trades)
	}
	for _, v := range []struct {
		name  string
		has   market.HasStatistics
		value int64
		scale uint8
	}{
		{"previous close", market.HasPreviousClose, s.Venue.PreviousClose, in.PriceScale},
		{"settlement", market.HasSettlement, s.Venue.Settlement, in.PriceScale},
		{"mark", market.HasMark, s.Venue.Mark, in.PriceScale},
		{"index", market.HasIndex, s.Venue.Index, in.PriceScale},
		{"open interest", market.HasOpenInterest, s.Venue.OpenInterest, in.SizeScale},
		{"funding rate", market.HasFundingRate, s.Venue.FundingRateE8, 8},
	} {
		if s.Venue.Has&v.has != 0 {
			text += " " + v.name + " " + decimal(v.value, v.scale, true)
		}
	}
	return text
}

func statusText(s market.Status) string {
	text := map[market.Stream]string{
		market.StreamOpen: "open", market.StreamClosed: "closed", market.StreamClosedRetry: "closed, ask again later",
	}[s.Stream]
	text += " " + map[market.Quality]string{
		market.QualityOK: "ok", market.QualitySuspect: "suspect", market.QualitySyncing: "syncing",
	}[s.Quality]
	if trading := map[market.Trading]string{
		market.TradingOpen: "trading", market.TradingHalted: "halted", market.TradingAuction: "auction",
		market.TradingPreOpen: "pre-open", market.TradingClosed: "trading closed",
	}[s.Trading]; trading != "" {
		text += " " + trading
	}
	if s.Reason != "" {
		text += ": " + clip(s.Reason, market.MaxReasonLen)
	}
	return text
}
