package client

import (
	"fmt"
	"slices"
	"time"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// ProtocolError is a frame that breaks a promise of the protocol.
type ProtocolError struct{ Text string }

func (e *ProtocolError) Error() string { return "protocol: " + e.Text }

func violation(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}

// Delayed is what the model calls the delayed data of a symbol, or of a source. That in real time goes by its own name.
func Delayed(name string, delay time.Duration) string {
	if delay == 0 {
		return name
	}
	return name + " delayed " + delay.String()
}

// named is the same, with the delay as it is on the wire.
func named(name string, delayMs uint32) string {
	return Delayed(name, time.Duration(delayMs)*time.Millisecond)
}

// Model is what a session was told: instruments, grants, and the state of every subscription. Its
// methods must not run at the same time.
type Model struct {
	delayMs     uint32 // of the frame at hand
	instruments map[string]market.Instrument
	statusOf    map[uint32]string // status handle → symbol
	subs        map[uint32]*subscription
	byName      map[topic]*subscription
	statuses    map[string]market.Status
	sources     map[string]market.Status
	resumes     map[string]market.Position // positions that a trade subscription must continue from
	welcome     *feedv1.Welcome
}

// topic is what a handle stands for.
type topic struct {
	symbol  string
	channel market.Channel
	view    market.View
}

// subscription is one handle. After an unsubscribe it stays, ended, so that rows that come too late are
// noticed.
type subscription struct {
	topic
	handle uint32
	open   bool
	grant  *feedv1.Grant

	// The state that the topic's channel and view have.
	quote   *quoteState // nil until a full row came
	trade   tradeState
	summary summaryState
	book    bookState
	bar     barState
	stats   *statsState // nil until a full row came
}

// forget makes the subscription begin anew.
func (s *subscription) forget() {
	*s = subscription{topic: s.topic, handle: s.handle}
}

// NewModel returns the model of a session that has heard nothing.
func NewModel() *Model {
	return &Model{
		instruments: map[string]market.Instrument{}, statusOf: map[uint32]string{}, subs: map[uint32]*subscription{},
		byName: map[topic]*subscription{}, statuses: map[string]market.Status{}, sources: map[string]market.Status{},
		resumes: map[string]market.Position{},
	}
}

// Update is what one frame changed.
type Update struct {
	Frame    *feedv1.ServerFrame
	Cut      time.Time // zero in frames without rows
	Quotes   []QuoteRow
	Trades   []TradeEvent
	Books    []BookRow
	Bars     []BarRow
	Stats    []StatsRow
	Statuses []StatusRow
	Sources  []SourceRow
	// Summaries of trades, and what they leave out.
	Summaries   []SummaryRow
	SummaryGaps []TradeEvent
	LostBars    []LostBars
	// Instruments that the frame told of, or told anew, which is ahead of their first row.
	Instruments []market.Instrument
}

// QuoteRow is the top of an instrument's book behind a row. Quote.Position is that of the last full row,
// since differences carry none; Quote.IngestTime is exact to the millisecond.
type QuoteRow struct {
	Symbol string
	Quote  market.Quote
	Full   bool
	Cut    time.Time
}

// StatusRow is the state of an instrument.
type StatusRow struct {
	Symbol string
	Status market.Status
}

// SourceRow is the state of a source.
type SourceRow struct {
	Source string
	Status market.Status
}

// Apply takes the session's next frame. On an error the model is in the middle of the frame and good
// for nothing more.
func (m *Model) Apply(f *feedv1.ServerFrame) (Update, error) {
	u := Update{Frame: f}
	m.delayMs = f.DelayMs
	if f.CutTimeUs != 0 {
		u.Cut = time.UnixMicro(int64(f.CutTimeUs))
	} else if hasRows(f) {
		return u, violation("rows without a cut time")
	}
	for _, step := range []func(*Update) error{
		m.applyAnswers, m.applyQuotes, m.applyTrades, m.applySummaries, m.applyBooks, m.applyBars, m.applyStats, m.applyStatuses,
	} {
		if err := step(&u); err != nil {
			return u, err
		}
	}
	return u, nil
}

func hasRows(f *feedv1.ServerFrame) bool {
	return len(f.Quotes)+len(f.Trades)+len(f.Statuses)+len(f.SourceStatuses)+len(f.Losses)+len(f.Gaps)+
		len(f.QuoteTexts)+len(f.TradeTexts)+len(f.Books)+len(f.BookTexts)+len(f.Bars)+len(f.BarTexts)+len(f.Stats)+len(f.StatsTexts)+
		len(f.TradeSummaries)+len(f.TradeSummaryTexts) > 0
}

// applyAnswers takes what the session says, which goes out ahead of the rows that it concerns.
func (m *Model) applyAnswers(u *Update) error {
	f := u.Frame
	if f.Welcome != nil {
		m.welcome = f.Welcome
	}
	for _, list := range [][]*feedv1.Instrument{f.Instruments, f.GetSubscribed().GetInstruments()} {
		for _, in := range list {
			known, err := m.define(in)
			if err != nil {
				return err
			}
			u.Instruments = append(u.Instruments, known)
		}
	}
	for _, r := range f.GetSubscribed().GetResults() {
		if old := m.subs[r.Replaces]; old != nil {
			old.forget()
			delete(m.byName, old.topic)
		}
		if r.Handle == 0 {
			continue
		}
		if err := m.open(r); err != nil {
			return err
		}
	}
	for _, h := range f.GetUnsubscribed().GetHandles() {
		if s := m.subs[h]; s != nil {
			s.forget()
		}
	}
	for _, g := range f.Grants {
		for _, h := range g.Handles {
			if s := m.subs[h]; s != nil {
				s.grant = g
			}
		}
	}
	return nil
}

// assetClasses are the words of feed.v1.Instrument.asset_class, by the numbers of market.AssetClass.
var assetClasses = []string{"", "spot", "perpetual", "future", "option", "equity", "fx", "index", "bond"}

func (m *Model) define(in *feedv1.Instrument) (market.Instrument, error) {
	sym, err := market.ParseSymbol(in.Symbol)
	if err != nil {
		return market.Instrument{}, violation("instrument %q: %v", in.Symbol, err)
	}
	asset := slices.Index(assetClasses, in.AssetClass)
	if asset < 0 {
		return market.Instrument{}, violation("instrument %s: asset class %q", in.Symbol, in.AssetClass)
	}
	known := market.Instrument{
		Symbol: sym, PriceScale: uint8(in.PriceScale), SizeScale: uint8(in.SizeScale), PriceStep: in.PriceStep,
		SizeStep: in.SizeStep, Description: in.Description, Base: in.Base, Quote: in.Quote, Source: in.Source,
		Asset: market.AssetClass(asset), SessionStart: in.SessionStartS, TimeZone: in.TimeZone, Delisted: in.Delisted,
	}
	name := named(in.Symbol, in.DelayMs)
	if old, told := m.instruments[name]; told && (old.PriceScale != known.PriceScale || old.SizeScale != known.SizeScale) {
		return known, violation("instrument %s: scales went from %d and %d to %d and %d", in.Symbol, old.PriceScale, old.SizeScale, known.PriceScale, known.SizeScale)
	}
	m.instruments[name] = known
	m.statusOf[in.StatusHandle] = name
	return known, nil
}

func (m *Model) open(r *feedv1.SubscribeResult) error {
	t := topic{named(r.Symbol, r.DelayMs), market.ParseChannel(r.Channel), market.View{
		Depth: uint8(r.Depth), Group: r.PriceGroup, Interval: r.BarSeconds, Summary: r.TradeSummary,
	}}
	if _, told := m.instruments[t.symbol]; !told {
		return violation("result for %s, of which nothing was told", r.Symbol)
	}
	if !t.valid() {
		return violation("result for %s: %+v is no form of %v", r.Symbol, t.view, t.channel)
	}
	s, other := m.subs[r.Handle], m.byName[t]
	switch {
	case other != nil && other != s, s != nil && s.topic != t:
		return violation("result for %v of %s: handle %d does not stand for it alone", t.channel, r.Symbol, r.Handle)
	case s == nil:
		s = &subscription{topic: t, handle: r.Handle}
		m.subs[r.Handle] = s
	}
	m.byName[t] = s
	if !s.open && s.channel == market.ChannelTrade {
		s.trade.last, s.trade.known = m.resumes[r.Symbol], m.resumes[r.Symbol] != market.Position{}
		delete(m.resumes, r.Symbol)
	}
	s.open = true
	return nil
}

// valid reports whether the view is one that the channel has.
func (t *topic) valid() bool {
	plain := t.view
	switch t.channel {
	case market.ChannelBook:
		if t.view.Depth != 0 && !slices.Contains(market.Depths[:], t.view.Depth) || !market.GroupOK(t.view.Group) || t.view.Group != 0 && t.view.Depth == 0 {
			return false
		}
		plain.Depth, plain.Group = 0, 0
	case market.ChannelBar:
		if !slices.Contains(market.Intervals[:], t.view.Interval) {
			return false
		}
		plain.Interval = 0
	case market.ChannelTrade:
		plain.Summary = false
	}
	return plain == market.View{}
}

// find returns the open and granted subscription that rows of a handle belong to.
func (m *Model) find(handle uint32, want market.Channel) (*subscription, error) {
	s := m.subs[handle]
	switch {
	case s == nil:
		return nil, violation("%v row of handle %d, which no answer named", want, handle)
	case s.channel != want:
		return nil, violation("%v row of handle %d, which stands for %v of %s", want, handle, s.channel, s.symbol)
	case !s.open:
		return nil, violation("%v row of %s behind its unsubscribe", want, s.symbol)
	case s.grant == nil:
		return nil, violation("%v row of %s ahead of its grant", want, s.symbol)
	case s.grant.DelayMs != m.delayMs:
		return nil, violation("%v row of %s in a frame that is %d ms late, granted are %d", want, s.symbol, m.delayMs, s.grant.DelayMs)
	}
	return s, nil
}

func (m *Model) findText(symbol string, want market.Channel, view market.View) (*subscription, error) {
	s := m.byName[topic{named(symbol, m.delayMs), want, view}]
	if s == nil {
		return nil, violation("%v row of %q, which no answer named", want, symbol)
	}
	return m.find(s.handle, want)
}

func (m *Model) applyStatuses(u *Update) error {
	for _, r := range u.Frame.Statuses {
		symbol, ok := m.statusOf[r.Handle]
		if !ok {
			return violation("status row of handle %d, which no answer named", r.Handle)
		}
		st := market.Status{
			Stream: market.Stream(r.Stream), Quality: market.Quality(r.Quality), Trading: market.Trading(r.Trading), Reason: r.Reason, Since: r.SinceUs,
		}
		m.statuses[symbol] = st
		u.Statuses = append(u.Statuses, StatusRow{symbol, st})
	}
	for _, r := range u.Frame.SourceStatuses {
		st := market.Status{Stream: market.Stream(r.Stream), Quality: market.Quality(r.Quality), Reason: r.Reason}
		name := named(r.Source, m.delayMs)
		m.sources[name] = st
		u.Sources = append(u.Sources, SourceRow{name, st})
	}
	return nil
}

// Welcome returns the server's greeting; nil before it came.
func (m *Model) Welcome() *feedv1.Welcome { return m.welcome }

// Instrument returns what is known of a symbol that an answer named.
func (m *Model) Instrument(symbol string) (market.Instrument, bool) {
	in, ok := m.instruments[symbol]
	return in, ok
}

// Symbols returns the symbols with an open subscription to ch, in no order.
func (m *Model) Symbols(ch market.Channel) (symbols []string) {
	for t, s := range m.byName {
		if s.open && t.channel == ch && !slices.Contains(symbols, t.symbol) {
			symbols = append(symbols, t.symbol)
		}
	}
	return symbols
}

// Handle returns the handle of an open subscription to a channel in its plain form; 0 for none.
func (m *Model) Handle(symbol string, ch market.Channel) uint32 {
	return m.HandleOf(symbol, ch, market.View{})
}

// HandleOf returns the handle of an open subscription; 0 for none.
func (m *Model) HandleOf(symbol string, ch market.Channel, view market.View) uint32 {
	if s := m.byName[topic{symbol, ch, view}]; s != nil && s.open {
		return s.handle
	}
	return 0
}

// Grant returns what was granted last to a subscription to a channel in its plain form; nil for none.
func (m *Model) Grant(symbol string, ch market.Channel) *feedv1.Grant {
	return m.GrantOf(symbol, ch, market.View{})
}

// GrantOf returns what was granted last to a subscription; nil for none.
func (m *Model) GrantOf(symbol string, ch market.Channel, view market.View) *feedv1.Grant {
	if s := m.byName[topic{symbol, ch, view}]; s != nil {
		return s.grant
	}
	return nil
}

// Quote returns the latest quote of a symbol.
func (m *Model) Quote(symbol string) (market.Quote, bool) {
	s := m.byName[topic{symbol: symbol, channel: market.ChannelQuote}]
	if s == nil || s.quote == nil {
		return market.Quote{}, false
	}
	return s.quote.value, true
}

// LastTrade returns the latest trade of a symbol.
func (m *Model) LastTrade(symbol string) (market.Trade, bool) {
	s := m.byName[topic{symbol: symbol, channel: market.ChannelTrade}]
	if s == nil || s.trade.previous == nil {
		return market.Trade{}, false
	}
	return *s.trade.previous, true
}

// TradePosition returns where the trades of a symbol have got to, trades reported as missing included.
func (m *Model) TradePosition(symbol string) (market.Position, bool) {
	s := m.byName[topic{symbol: symbol, channel: market.ChannelTrade}]
	if s == nil || !s.trade.known {
		return market.Position{}, false
	}
	return s.trade.last, true
}

// Status returns the latest status of a symbol.
func (m *Model) Status(symbol string) (market.Status, bool) {
	st, ok := m.statuses[symbol]
	return st, ok
}

// Source returns the latest status of a source.
func (m *Model) Source(name string) (market.Status, bool) {
	st, ok := m.sources[name]
	return st, ok
}

// Resume makes the next subscription to the trades of symbol continue behind p: what comes first must be
// the next trade, or a report of what is missing.
func (m *Model) Resume(symbol string, p market.Position) { m.resumes[symbol] = p }
