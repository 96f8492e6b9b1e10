package client

import (
	"cmp"
	"slices"
	"time"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Bar is what was traded in one interval.
type Bar struct {
	Start                        int64 // seconds since the Unix epoch
	Open, High, Low, Close, VWAP int64
	Volume, Trades               int64
	Closed                       bool
	// Times of the newest trade. IngestTime is exact to the millisecond; ExchangeTime is the same where the venue gives none.
	IngestTime, ExchangeTime int64
}

// BarRow is a bar behind a row.
type BarRow struct {
	Symbol  string
	Seconds uint32
	Bar     Bar
	Full    bool
	// Void says that all trades of the bar were cancelled: it does not exist any more.
	Void bool
	Cut  time.Time
}

// LostBars are closed bars that this session will not get, by number: start divided by length, rounded down. Not every
// one need have existed.
type LostBars struct {
	Symbol   string
	Seconds  uint32
	From, To uint64
}

// heldBars bounds the bars of a subscription; it is more than a server keeps of those that tick fastest.
const heldBars = 2000

// barState is the bars of a subscription, by start.
type barState struct {
	bars    []Bar
	transit int64 // milliseconds, of the newest bar
}

func (b *barState) find(start int64) (int, bool) {
	return slices.BinarySearchFunc(b.bars, start, func(have Bar, start int64) int { return cmp.Compare(have.Start, start) })
}

func (m *Model) applyBars(u *Update) error {
	touched := map[*subscription]bool{}
	for _, r := range u.Frame.Bars {
		s, err := m.find(r.Handle, market.ChannelBar)
		if err != nil {
			return err
		}
		row, err := s.applyBar(r, u.Cut)
		if err != nil {
			return err
		}
		touched[s] = true
		u.Bars = append(u.Bars, row)
	}
	for _, r := range u.Frame.BarTexts {
		s, err := m.findText(r.Symbol, market.ChannelBar, market.View{Interval: r.BarSeconds})
		if err != nil {
			return err
		}
		b, err := barFromText(r, m.instruments[named(r.Symbol, m.delayMs)])
		if err != nil {
			return err
		}
		row, err := s.takeBar(b, true, 0)
		if err != nil {
			return err
		}
		touched[s], row.Cut = true, u.Cut
		u.Bars = append(u.Bars, row)
	}
	for s := range touched {
		if err := s.checkClosed(); err != nil {
			return err
		}
	}
	return nil
}

// applyBar follows the comment of feed.v1.Bar word for word.
func (s *subscription) applyBar(r *feedv1.Bar, cut time.Time) (BarRow, error) {
	full := r.StartS != 0
	b, transit := Bar{Start: r.StartS}, int64(0)
	if !full {
		if len(s.bar.bars) == 0 {
			return BarRow{}, violation("bar of %s: a difference without a full row before it", s.symbol)
		}
		b, transit = s.bar.bars[len(s.bar.bars)-1], s.bar.transit
	}
	b.Open += r.Open
	base := int64(0)
	if full {
		base = b.Open
	}
	b.High += base + r.High
	b.Low += base + r.Low
	b.Close += base + r.Close
	b.VWAP += base + r.Vwap
	b.Volume += r.Volume
	b.Trades += r.Trades
	b.Closed = r.Closed
	transit += int64(r.TransitMs)
	b.IngestTime = cut.Add(-time.Duration(r.AgeMs) * time.Millisecond).UnixMicro()
	b.ExchangeTime = b.IngestTime - 1000*transit
	row, err := s.takeBar(b, full, transit)
	row.Cut = cut
	return row, err
}

// takeBar puts a bar in its place.
func (s *subscription) takeBar(b Bar, full bool, transit int64) (BarRow, error) {
	row := BarRow{Symbol: s.symbol, Seconds: s.view.Interval, Bar: b, Full: full, Void: b.Trades == 0}
	if err := s.checkBar(&b); err != nil {
		return row, err
	}
	at, found := s.bar.find(b.Start)
	switch {
	case found && s.bar.bars[at].Closed && !b.Closed:
		return row, violation("bar of %s from %d: open again", s.symbol, b.Start)
	case row.Void && found:
		s.bar.bars = slices.Delete(s.bar.bars, at, at+1)
	case row.Void:
	case found:
		s.bar.bars[at] = b
	default:
		s.bar.bars = slices.Insert(s.bar.bars, at, b)
		if len(s.bar.bars) > heldBars {
			s.bar.bars = slices.Delete(s.bar.bars, 0, 1)
			at--
		}
	}
	if at == len(s.bar.bars)-1 {
		s.bar.transit = transit
	}
	return row, nil
}

func (s *subscription) checkBar(b *Bar) error {
	switch {
	case b.Trades < 0 || b.Volume < 0:
		return violation("bar of %s from %d: %d trades and a volume of %d", s.symbol, b.Start, b.Trades, b.Volume)
	case s.view.Interval < 86400 && b.Start%int64(s.view.Interval) != 0:
		return violation("bar of %s from %d: does not lie on the grid of %d s", s.symbol, b.Start, s.view.Interval)
	case b.Trades > 0 && (b.Low > min(b.Open, b.Close) || b.High < max(b.Open, b.Close)):
		return violation("bar of %s from %d: open %d, high %d, low %d, close %d", s.symbol, b.Start, b.Open, b.High, b.Low, b.Close)
	}
	return nil
}

// checkClosed holds the bars behind a frame against the promise that each closed bar comes in its last form: only
// the newest may be open.
func (s *subscription) checkClosed() error {
	for i, b := range s.bar.bars {
		if !b.Closed && i < len(s.bar.bars)-1 {
			return violation("bar of %s from %d: a later one came and it is open", s.symbol, b.Start)
		}
	}
	return nil
}

func barFromText(r *feedv1.BarText, in market.Instrument) (b Bar, err error) {
	read := textReader{in: in}
	b = Bar{Start: read.time(r.Start) / 1_000_000, Trades: int64(r.Trades), Closed: r.Closed, IngestTime: read.time(r.IngestTime)}
	if r.Trades != 0 {
		b.Open, b.High, b.Low, b.Close = read.price(r.Open), read.price(r.High), read.price(r.Low), read.price(r.Close)
		b.VWAP, b.Volume = read.price(r.Vwap), read.size(r.Volume)
	}
	b.ExchangeTime = b.IngestTime
	if r.ExchangeTime != "" {
		b.ExchangeTime = read.time(r.ExchangeTime)
	}
	return b, read.err
}

// Bars returns the bars of a symbol of so many seconds each, oldest first.
func (m *Model) Bars(symbol string, seconds uint32) []Bar {
	if s := m.byName[topic{symbol, market.ChannelBar, market.View{Interval: seconds}}]; s != nil {
		return slices.Clone(s.bar.bars)
	}
	return nil
}
