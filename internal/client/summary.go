package client

import (
	"time"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Summary sums up a run of trades.
type Summary struct {
	Last, High, Low int64
	Volume          int64
	Trades          uint64
	Position        market.Position // of the last trade
	// Of the last trade, as in Bar.
	IngestTime, ExchangeTime int64
}

// SummaryRow is what was traded since the row before.
type SummaryRow struct {
	Symbol  string
	Summary Summary
	Cut     time.Time
}

// summaryState adds up the rows of a subscription.
type summaryState struct {
	total Summary
}

func (m *Model) applySummaries(u *Update) error {
	for _, r := range u.Frame.TradeSummaries {
		s, err := m.find(r.Handle, market.ChannelTrade)
		if err != nil {
			return err
		}
		if !s.view.Summary {
			return violation("summary of handle %d, which stands for the trades of %s", r.Handle, s.symbol)
		}
		ingest := u.Cut.Add(-time.Duration(r.AgeMs) * time.Millisecond).UnixMicro()
		sum := Summary{
			Last: r.Last, High: r.Last + r.High, Low: r.Last + r.Low, Volume: r.Volume, Trades: r.Trades,
			Position:   market.Position{Epoch: market.Epoch(r.Epoch), Sequence: market.Sequence(r.Sequence)},
			IngestTime: ingest, ExchangeTime: ingest - 1000*int64(r.TransitMs),
		}
		if err := s.takeSummary(sum, u); err != nil {
			return err
		}
	}
	for _, r := range u.Frame.TradeSummaryTexts {
		s, err := m.findText(r.Symbol, market.ChannelTrade, market.View{Summary: true})
		if err != nil {
			return err
		}
		sum, err := summaryFromText(r, m.instruments[named(r.Symbol, m.delayMs)])
		if err != nil {
			return err
		}
		if err := s.takeSummary(sum, u); err != nil {
			return err
		}
	}
	return nil
}

func (s *subscription) takeSummary(sum Summary, u *Update) error {
	total := &s.summary.total
	switch {
	case sum.Position.Sequence == 0:
		return violation("summary of %s without a sequence", s.symbol)
	case sum.Trades == 0:
		return violation("summary of %s of no trades", s.symbol)
	case sum.Volume < 0 || sum.Low > sum.Last || sum.High < sum.Last:
		return violation("summary of %s: volume %d, last %d, high %d, low %d", s.symbol, sum.Volume, sum.Last, sum.High, sum.Low)
	case !total.Position.Before(sum.Position):
		return violation("summary of %s went back from %v to %v", s.symbol, total.Position, sum.Position)
	}
	u.Summaries = append(u.Summaries, SummaryRow{s.symbol, sum, u.Cut})
	before := *total
	*total = sum
	if before.Trades != 0 {
		total.High, total.Low = max(before.High, sum.High), min(before.Low, sum.Low)
		total.Volume, total.Trades = before.Volume+sum.Volume, before.Trades+sum.Trades
	}
	return nil
}

func summaryFromText(r *feedv1.TradeSummaryText, in market.Instrument) (Summary, error) {
	read := textReader{in: in}
	sum := Summary{
		Last: read.price(r.Last), High: read.price(r.High), Low: read.price(r.Low), Volume: read.size(r.Volume), Trades: r.Trades,
		Position: read.position(r.Epoch, r.Sequence), IngestTime: read.time(r.IngestTime),
	}
	sum.ExchangeTime = sum.IngestTime
	if r.ExchangeTime != "" {
		sum.ExchangeTime = read.time(r.ExchangeTime)
	}
	return sum, read.err
}

// Summed returns the sum of all summaries of a subscription so far.
func (m *Model) Summed(symbol string) (Summary, bool) {
	s := m.byName[topic{symbol, market.ChannelTrade, market.View{Summary: true}}]
	if s == nil || s.summary.total.Trades == 0 {
		return Summary{}, false
	}
	return s.summary.total, true
}
