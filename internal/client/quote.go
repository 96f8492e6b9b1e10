package client

import (
	"time"

	"github.com/feedd/feedd/internal/client/quoterow"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

type quoteState struct {
	value   market.Quote
	spread  int64
	transit int64 // milliseconds
}

func (m *Model) applyQuotes(u *Update) error {
	rows, err := quoterow.Read(u.Frame.Quotes)
	if err != nil {
		return violation("%v", err)
	}
	for _, r := range rows {
		s, err := m.find(r.Handle, market.ChannelQuote)
		if err != nil {
			return err
		}
		if err := s.applyQuote(r, u.Cut); err != nil {
			return err
		}
		u.Quotes = append(u.Quotes, QuoteRow{s.symbol, s.quote.value, r.Sequence != 0, u.Cut})
	}
	for _, r := range u.Frame.QuoteTexts {
		s, err := m.findText(r.Symbol, market.ChannelQuote, market.View{})
		if err != nil {
			return err
		}
		q, err := quoteFromText(r, m.instruments[named(r.Symbol, m.delayMs)])
		if err != nil {
			return err
		}
		if err := s.replaceQuote(&quoteState{value: q}); err != nil {
			return err
		}
		u.Quotes = append(u.Quotes, QuoteRow{s.symbol, q, true, u.Cut})
	}
	return nil
}

// applyQuote follows the comment on quotes in feed.proto word for word.
func (s *subscription) applyQuote(r quoterow.Row, cut time.Time) error {
	full := r.Sequence != 0
	next := &quoteState{}
	if !full {
		if s.quote == nil {
			return violation("quote of %s: a difference without a full row before it", s.symbol)
		}
		*next = *s.quote
	} else if r.Has == nil {
		return violation("quote of %s: a full row that does not say what there is", s.symbol)
	}
	v := &next.value
	v.Bid += r.Bid
	v.BidSize += r.BidSize
	next.spread += r.Spread
	v.AskSize += r.AskSize
	next.transit += int64(r.TransitMs)
	if r.Has != nil {
		v.Has = market.Has(*r.Has)
	}
	v.Ask = 0
	if v.Has&market.HasAsk != 0 {
		v.Ask = v.Bid + next.spread
	}
	v.IngestTime = cut.Add(-time.Duration(r.AgeMs) * time.Millisecond).UnixMicro()
	v.ExchangeTime = 0
	if v.Has&market.HasExchangeTime != 0 {
		v.ExchangeTime = v.IngestTime - 1000*next.transit
	}
	if !full {
		s.quote = next
		return s.checkQuote()
	}
	v.Position = market.Position{Epoch: market.Epoch(r.Epoch), Sequence: market.Sequence(r.Sequence)}
	return s.replaceQuote(next)
}

func (s *subscription) replaceQuote(next *quoteState) error {
	if s.quote != nil && next.value.Position.Before(s.quote.value.Position) {
		return violation("quote of %s went back from %v to %v", s.symbol, s.quote.value.Position, next.value.Position)
	}
	s.quote = next
	return s.checkQuote()
}

// checkQuote holds the row against "what is not there has the value 0".
func (s *subscription) checkQuote() error {
	q := &s.quote.value
	if q.Has&market.HasBid == 0 && (q.Bid != 0 || q.BidSize != 0) {
		return violation("quote of %s: bid %d × %d where there is none", s.symbol, q.Bid, q.BidSize)
	}
	if q.Has&market.HasAsk == 0 && (s.quote.spread != 0 || q.AskSize != 0) {
		return violation("quote of %s: spread %d, ask size %d where there is no ask", s.symbol, s.quote.spread, q.AskSize)
	}
	return nil
}

func quoteFromText(r *feedv1.QuoteText, in market.Instrument) (q market.Quote, err error) {
	read := textReader{in: in}
	if r.Bid != "" {
		q.Has |= market.HasBid
		q.Bid, q.BidSize = read.price(r.Bid), read.size(r.BidSize)
	}
	if r.Ask != "" {
		q.Has |= market.HasAsk
		q.Ask, q.AskSize = read.price(r.Ask), read.size(r.AskSize)
	}
	if r.ExchangeTime != "" {
		q.Has |= market.HasExchangeTime
		q.ExchangeTime = read.time(r.ExchangeTime)
	}
	q.IngestTime = read.time(r.IngestTime)
	q.Position = read.position(r.Epoch, r.Sequence)
	return q, read.err
}

// textReader reads the fields of readable rows and keeps the first error.
type textReader struct {
	in  market.Instrument
	err error
}

func (t *textReader) decimal(text string, scale uint8) int64 {
	v, err := market.ParseDecimal(text, scale)
	if err != nil && t.err == nil {
		t.err = violation("row of %v: %v", t.in.Symbol, err)
	}
	return v
}

func (t *textReader) price(text string) int64 { return t.decimal(text, t.in.PriceScale) }
func (t *textReader) size(text string) int64  { return t.decimal(text, t.in.SizeScale) }

func (t *textReader) time(text string) int64 {
	if text == "" {
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		if t.err == nil {
			t.err = violation("row of %v: time %q is not RFC 3339", t.in.Symbol, text)
		}
		return 0
	}
	return at.UnixMicro()
}

func (t *textReader) position(epoch, sequence uint64) market.Position {
	if sequence == 0 && t.err == nil {
		t.err = violation("row of %v without a sequence", t.in.Symbol)
	}
	return market.Position{Epoch: market.Epoch(epoch), Sequence: market.Sequence(sequence)}
}
