package client

import (
	"slices"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// EventKind says what a TradeEvent tells.
type EventKind uint8

// Kinds of TradeEvent.
const (
	// Traded is a trade.
	Traded EventKind = iota
	// Lost are trades that this session was too slow for.
	Lost
	// Gap are trades that are not in the server's log: they never reached it, or are older than it.
	Gap
	// Recovered are trades older than the server's log that it fetched from the stream: they follow.
	Recovered
)

// TradeEvent is a trade, or a report on a run of trades.
type TradeEvent struct {
	Symbol string
	Kind   EventKind
	Trade  market.Trade // of Traded
	// The run that is reported, both ends included.
	Epoch    market.Epoch
	From, To market.Sequence
}

// tradeState is where the trades of a subscription have got to.
type tradeState struct {
	previous *market.Trade // what the next difference is to; nil until a full row came
	last     market.Position
	known    bool // whether last is; without it any position may come first
}

func (m *Model) applyTrades(u *Update) error {
	missing, err := m.collectMissing(u)
	if err != nil {
		return err
	}
	take := func(s *subscription, t market.Trade) error {
		for len(missing[s]) > 0 && !t.Position.Before(missing[s][0].start()) {
			if err := s.skip(missing[s][0], u); err != nil {
				return err
			}
			missing[s] = missing[s][1:]
		}
		return s.takeTrade(t, u)
	}
	for _, r := range u.Frame.Trades {
		s, err := m.find(r.Handle, market.ChannelTrade)
		if err != nil {
			return err
		}
		if s.view.Summary {
			return violation("trade of handle %d, which stands for summaries of %s", r.Handle, s.symbol)
		}
		t, err := s.decodeTrade(r)
		if err != nil {
			return err
		}
		if err := take(s, t); err != nil {
			return err
		}
	}
	for _, r := range u.Frame.TradeTexts {
		s, err := m.findText(r.Symbol, market.ChannelTrade, market.View{})
		if err != nil {
			return err
		}
		t, err := tradeFromText(r, m.instruments[named(r.Symbol, m.delayMs)])
		if err != nil {
			return err
		}
		if err := take(s, t); err != nil {
			return err
		}
	}
	return m.skipRest(u, missing)
}

// collectMissing sorts the frame's reports of missing trades by subscription. Reports and trades of one
// frame lie in different fields, so their order among each other is that of their positions.
func (m *Model) collectMissing(u *Update) (map[*subscription][]TradeEvent, error) {
	missing := map[*subscription][]TradeEvent{}
	add := func(kind EventKind, handle uint32, epoch, from, to uint64) error {
		if s := m.subs[handle]; s != nil && s.channel == market.ChannelBar && kind == Lost {
			return m.loseBars(u, handle, epoch, from, to)
		}
		s, err := m.find(handle, market.ChannelTrade)
		if err != nil {
			return err
		}
		if from == 0 || to < from {
			return violation("missing trades %d to %d of %s", from, to, s.symbol)
		}
		e := TradeEvent{Symbol: s.symbol, Kind: kind, Epoch: market.Epoch(epoch), From: market.Sequence(from), To: market.Sequence(to)}
		if s.view.Summary {
			u.SummaryGaps = append(u.SummaryGaps, e)
			return nil
		}
		list := missing[s]
		at := len(list)
		for at > 0 && e.start().Before(list[at-1].start()) {
			at--
		}
		missing[s] = slices.Insert(list, at, e)
		return nil
	}
	for _, r := range u.Frame.Losses {
		if err := add(Lost, r.Handle, r.Epoch, r.From, r.To); err != nil {
			return nil, err
		}
	}
	for _, r := range u.Frame.Gaps {
		kind := Gap
		if r.Recovered {
			kind = Recovered
		}
		if err := add(kind, r.Handle, r.Epoch, r.From, r.To); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// loseBars takes a report of bars, which go by number since they have no sequence.
func (m *Model) loseBars(u *Update, handle uint32, epoch, from, to uint64) error {
	s, err := m.find(handle, market.ChannelBar)
	if err != nil {
		return err
	}
	if epoch != 0 || to < from {
		return violation("missing bars %d to %d of epoch %d of %s", from, to, epoch, s.symbol)
	}
	u.LostBars = append(u.LostBars, LostBars{s.symbol, s.view.Interval, from, to})
	return nil
}

// skipRest takes the reports that lie behind the frame's trades, in the order of the frame.
func (m *Model) skipRest(u *Update, missing map[*subscription][]TradeEvent) error {
	rest := func(handle uint32) error {
		s := m.subs[handle]
		for _, e := range missing[s] {
			if err := s.skip(e, u); err != nil {
				return err
			}
		}
		delete(missing, s)
		return nil
	}
	for _, r := range u.Frame.Losses {
		if err := rest(r.Handle); err != nil {
			return err
		}
	}
	for _, r := range u.Frame.Gaps {
		if err := rest(r.Handle); err != nil {
			return err
		}
	}
	return nil
}

// decodeTrade follows the comment of feed.v1.Trade word for word.
func (s *subscription) decodeTrade(r *feedv1.Trade) (market.Trade, error) {
	var before market.Trade
	full := r.Sequence != 0
	if !full {
		if s.trade.previous == nil {
			return before, violation("trade of %s: a difference without a full row before it", s.symbol)
		}
		before = *s.trade.previous
	}
	t := market.Trade{
		Price: before.Price + r.Price, Size: int64(r.Size), ExchangeTime: before.ExchangeTime + r.ExchangeTimeUs,
		ID: before.ID + uint64(r.Id), RefersTo: market.Sequence(r.RefersTo), Aggressor: market.Side(r.Aggressor), Kind: market.TradeKind(r.Kind),
	}
	if before.ID != 0 {
		t.ID++
	}
	transit := r.TransitMs + (before.IngestTime-before.ExchangeTime)/1000
	t.IngestTime = t.ExchangeTime + 1000*transit
	if full {
		t.Position = market.Position{Epoch: market.Epoch(r.Epoch), Sequence: market.Sequence(r.Sequence)}
	} else {
		t.Position = market.Position{Epoch: before.Position.Epoch, Sequence: before.Position.Sequence + 1}
	}
	return t, nil
}

// takeTrade takes one trade, which must be the next. A resume that finds nothing new begins with the trade that is
// held already, for the differences behind it.
func (s *subscription) takeTrade(t market.Trade, u *Update) error {
	if s.trade.previous == nil && s.trade.known && t.Position == s.trade.last {
		s.trade.previous = &t
		return nil
	}
	if err := s.advance("trade", t.Position, t.Position.Sequence); err != nil {
		return err
	}
	s.trade.previous = &t
	u.Trades = append(u.Trades, TradeEvent{Symbol: s.symbol, Kind: Traded, Trade: t})
	return nil
}

// skip takes one report on trades, which must begin with the next.
func (s *subscription) skip(e TradeEvent, u *Update) error {
	if e.Kind == Recovered {
		if s.trade.known && !s.trade.last.Before(e.start()) {
			return violation("trades of %s from %v on are told to be recovered, and %v is there", s.symbol, e.start(), s.trade.last)
		}
		u.Trades = append(u.Trades, e)
		return nil
	}
	if err := s.advance("report of missing trades", e.start(), e.To); err != nil {
		return err
	}
	u.Trades = append(u.Trades, e)
	return nil
}

func (e *TradeEvent) start() market.Position {
	return market.Position{Epoch: e.Epoch, Sequence: e.From}
}

// advance moves the subscription from its last position over first … to. Within an epoch nothing may be
// left out or come twice; a larger epoch may begin anywhere, since what went before it is not numbered.
func (s *subscription) advance(what string, first market.Position, to market.Sequence) error {
	last := s.trade.last
	switch {
	case !s.trade.known || first.Epoch > last.Epoch:
	case first.Epoch < last.Epoch || first.Sequence <= last.Sequence:
		return violation("%s of %s went back from %v to %v", what, s.symbol, last, first)
	case first.Sequence != last.Sequence+1:
		return violation("%s of %s at %v: nothing told of %d to %d", what, s.symbol, first, last.Sequence+1, first.Sequence-1)
	}
	s.trade.last, s.trade.known = market.Position{Epoch: first.Epoch, Sequence: to}, true
	return nil
}

func tradeFromText(r *feedv1.TradeText, in market.Instrument) (market.Trade, error) {
	read := textReader{in: in}
	t := market.Trade{
		Price: read.price(r.Price), Size: read.size(r.Size), ID: r.Id, RefersTo: market.Sequence(r.RefersTo),
		ExchangeTime: read.time(r.ExchangeTime), IngestTime: read.time(r.IngestTime), Position: read.position(r.Epoch, r.Sequence),
	}
	switch r.Aggressor {
	case "buy":
		t.Aggressor = market.SideBuy
	case "sell":
		t.Aggressor = market.SideSell
	case "":
	default:
		return t, violation("trade of %s: aggressor %q", r.Symbol, r.Aggressor)
	}
	switch r.Kind {
	case "correction":
		t.Kind = market.TradeCorrection
	case "cancellation":
		t.Kind = market.TradeCancellation
	case "":
	default:
		return t, violation("trade of %s: kind %q", r.Symbol, r.Kind)
	}
	return t, read.err
}
