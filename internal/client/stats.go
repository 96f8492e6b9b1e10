package client

import (
	"strings"
	"time"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Window is what was traded in the rolling 24 hours or the session. Without trades all of it is 0.
type Window struct {
	Open, High, Low, VWAP int64
	Volume, Trades        int64
	Turnover              string // decimal, without zeros at its end: it outgrows 64 bits
}

// Stats are an instrument's statistics.
type Stats struct {
	Last         int64
	Day, Session Window
	SessionStart int64             // seconds since the Unix epoch
	Venue        market.Statistics // what the venue states; its times and position stay 0
	// Of the newest trade or statement, as in Bar.
	IngestTime, ExchangeTime int64
}

// StatsRow is an instrument's statistics behind a row.
type StatsRow struct {
	Symbol string
	Stats  Stats
	Full   bool
	Cut    time.Time
}

type statsState struct {
	value   Stats
	transit int64
}

// noStats are those of an instrument of which nothing was told.
var noStats = Stats{Day: Window{Turnover: "0"}, Session: Window{Turnover: "0"}}

// amount drops the zeros at the end of a decimal number's fraction.
func amount(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func (m *Model) applyStats(u *Update) error {
	for _, r := range u.Frame.Stats {
		s, err := m.find(r.Handle, market.ChannelStats)
		if err != nil {
			return err
		}
		if err := s.applyStats(r, u.Cut); err != nil {
			return err
		}
		u.Stats = append(u.Stats, StatsRow{s.symbol, s.stats.value, r.Full, u.Cut})
	}
	for _, r := range u.Frame.StatsTexts {
		s, err := m.findText(r.Symbol, market.ChannelStats, market.View{})
		if err != nil {
			return err
		}
		v, err := statsFromText(r, m.instruments[named(r.Symbol, m.delayMs)])
		if err != nil {
			return err
		}
		s.stats = &statsState{value: v}
		u.Stats = append(u.Stats, StatsRow{s.symbol, v, true, u.Cut})
	}
	return nil
}

// applyStats follows the comment of feed.v1.Stats word for word.
func (s *subscription) applyStats(r *feedv1.Stats, cut time.Time) error {
	next := &statsState{value: noStats}
	if !r.Full {
		if s.stats == nil {
			return violation("statistics of %s: a difference without a full row before it", s.symbol)
		}
		*next = *s.stats
	}
	v := &next.value
	for _, sum := range []struct {
		to   *int64
		more int64
	}{
		{&v.Last, r.Last}, {&v.SessionStart, r.SessionStartS}, {&next.transit, int64(r.TransitMs)},
		{&v.Day.Open, r.Open}, {&v.Day.High, r.High}, {&v.Day.Low, r.Low}, {&v.Day.VWAP, r.Vwap},
		{&v.Day.Volume, r.Volume}, {&v.Day.Trades, r.Trades},
		{&v.Session.Open, r.SessionOpen}, {&v.Session.High, r.SessionHigh}, {&v.Session.Low, r.SessionLow}, {&v.Session.VWAP, r.SessionVwap},
		{&v.Session.Volume, r.SessionVolume}, {&v.Session.Trades, r.SessionTrades},
		{&v.Venue.PreviousClose, r.PreviousClose}, {&v.Venue.Settlement, r.Settlement}, {&v.Venue.Mark, r.Mark}, {&v.Venue.Index, r.Index},
		{&v.Venue.OpenInterest, r.OpenInterest}, {&v.Venue.FundingRateE8, r.FundingRateE8},
	} {
		*sum.to += sum.more
	}
	if r.Has != nil {
		v.Venue.Has = market.HasStatistics(*r.Has)
	}
	if r.Turnover != "" {
		v.Day.Turnover = amount(r.Turnover)
	}
	if r.SessionTurnover != "" {
		v.Session.Turnover = amount(r.SessionTurnover)
	}
	v.IngestTime = cut.Add(-time.Duration(r.AgeMs) * time.Millisecond).UnixMicro()
	v.ExchangeTime = v.IngestTime - 1000*next.transit
	s.stats = next
	return s.checkStats()
}

func (s *subscription) checkStats() error {
	v := &s.stats.value
	for _, w := range []*Window{&v.Day, &v.Session} {
		switch {
		case w.Trades < 0 || w.Volume < 0:
			return violation("statistics of %s: %d trades and a volume of %d", s.symbol, w.Trades, w.Volume)
		case w.Trades > 0 && (w.Low > w.Open || w.Open > w.High):
			return violation("statistics of %s: open %d, high %d, low %d", s.symbol, w.Open, w.High, w.Low)
		case w.Trades == 0 && (w.Open != 0 || w.High != 0 || w.Low != 0 || w.Volume != 0 || w.VWAP != 0):
			return violation("statistics of %s: %+v without trades", s.symbol, *w)
		}
	}
	for _, part := range []struct {
		has   market.HasStatistics
		value int64
	}{
		{market.HasPreviousClose, v.Venue.PreviousClose}, {market.HasSettlement, v.Venue.Settlement}, {market.HasMark, v.Venue.Mark},
		{market.HasIndex, v.Venue.Index}, {market.HasOpenInterest, v.Venue.OpenInterest}, {market.HasFundingRate, v.Venue.FundingRateE8},
	} {
		if v.Venue.Has&part.has == 0 && part.value != 0 {
			return violation("statistics of %s: %d where the venue states nothing", s.symbol, part.value)
		}
	}
	return nil
}

// fundingScale is that of a funding rate in text.
const fundingScale = 8

func statsFromText(r *feedv1.StatsText, in market.Instrument) (v Stats, err error) {
	read := textReader{in: in}
	v = noStats
	if r.Last != "" {
		v.Last = read.price(r.Last)
	}
	for _, w := range []struct {
		from *feedv1.WindowText
		to   *Window
	}{{r.Day, &v.Day}, {r.Session, &v.Session}} {
		if w.from == nil {
			continue
		}
		*w.to = Window{
			Open: read.price(w.from.Open), High: read.price(w.from.High), Low: read.price(w.from.Low), VWAP: read.price(w.from.Vwap),
			Volume: read.size(w.from.Volume), Trades: int64(w.from.Trades), Turnover: amount(w.from.Turnover),
		}
		if change := read.price(w.from.Change); read.err == nil && change != v.Last-w.to.Open {
			return v, violation("statistics of %s: a change of %s from %s to %s", r.Symbol, w.from.Change, w.from.Open, r.Last)
		}
	}
	v.SessionStart = read.time(r.SessionStart) / 1_000_000
	for _, part := range []struct {
		text  string
		scale uint8
		has   market.HasStatistics
		to    *int64
	}{
		{r.PreviousClose, in.PriceScale, market.HasPreviousClose, &v.Venue.PreviousClose},
		{r.Settlement, in.PriceScale, market.HasSettlement, &v.Venue.Settlement},
		{r.Mark, in.PriceScale, market.HasMark, &v.Venue.Mark},
		{r.Index, in.PriceScale, market.HasIndex, &v.Venue.Index},
		{r.OpenInterest, in.SizeScale, market.HasOpenInterest, &v.Venue.OpenInterest},
		{r.FundingRate, fundingScale, market.HasFundingRate, &v.Venue.FundingRateE8},
	} {
		if part.text != "" {
			*part.to = read.decimal(part.text, part.scale)
			v.Venue.Has |= part.has
		}
	}
	v.IngestTime = read.time(r.IngestTime)
	v.ExchangeTime = v.IngestTime
	if r.ExchangeTime != "" {
		v.ExchangeTime = read.time(r.ExchangeTime)
	}
	return v, read.err
}

// Stats returns the latest statistics of a symbol.
func (m *Model) Stats(symbol string) (Stats, bool) {
	s := m.byName[topic{symbol, market.ChannelStats, market.View{}}]
	if s == nil || s.stats == nil {
		return Stats{}, false
	}
	return s.stats.value, true
}
