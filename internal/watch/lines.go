package watch

import (
	"bytes"
	"fmt"
	"io"

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
