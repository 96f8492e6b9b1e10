package client

import (
	"fmt"
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

// Model is what a session was told: instruments, grants, and the state of every subscription. Its
// methods must not run at the same time.
type Model struct {
	instruments map[string]market.Instrument
	statusOf    map[uint32]string // status handle → symbol
	subs        map[uint32]*subscription
	byName      map[pair]*subscription
	statuses    map[string]market.Status
	sources     map[string]market.Status
	resumes     map[string]market.Position // positions that a trade subscription must continue from
	welcome     *feedv1.Welcome
}

type pair struct {
	symbol  string
	channel market.Channel
}

// subscription is one handle. After an unsubscribe it stays, ended, so that rows that come too late are
// noticed.
type subscription struct {
	pair
	handle uint32
	open   bool
	grant  *feedv1.Grant
	quote  *quoteState // nil until a full row came
	trade  tradeState
}

// NewModel returns the model of a session that has heard nothing.
func NewModel() *Model {
	return &Model{
		instruments: map[string]market.Instrument{}, statusOf: map[uint32]string{}, subs: map[uint32]*subscription{},
		byName: map[pair]*subscription{}, statuses: map[string]market.Status{}, sources: map[string]market.Status{},
		resumes: map[string]market.Position{},
	}
}

// Update is what one frame changed.
type Update struct {
	Frame    *feedv1.ServerFrame
	Cut      time.Time // zero in frames without rows
	Quotes   []QuoteRow
	Trades   []TradeEvent
	Statuses []StatusRow
	Sources  []SourceRow
	// Instruments that the frame told of, which is ahead of their first row.
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
	if f.CutTimeUs != 0 {
		u.Cut = time.UnixMicro(int64(f.CutTimeUs))
	} else if hasRows(f) {
		return u, violation("rows without a cut time")
	}
	m.applyAnswers(&u)
	for _, step := range []func(*Update) error{m.applyQuotes, m.applyTrades, m.applyStatuses} {
		if err := step(&u); err != nil {
			return u, err
		}
	}
	return u, nil
}

func hasRows(f *feedv1.ServerFrame) bool {
	return len(f.Quotes)+len(f.Trades)+len(f.Statuses)+len(f.SourceStatuses)+len(f.Losses)+len(f.Gaps)+
		len(f.QuoteTexts)+len(f.TradeTexts) > 0
}

// applyAnswers takes what the session says, which goes out ahead of the rows that it concerns.
func (m *Model) applyAnswers(u *Update) {
	f := u.Frame
	if f.Welcome != nil {
		m.welcome = f.Welcome
	}
	for _, list := range [][]*feedv1.Instrument{f.Instruments, f.GetSubscribed().GetInstruments()} {
		for _, in := range list {
			u.Instruments = append(u.Instruments, m.define(in))
		}
	}
	for _, r := range f.GetSubscribed().GetResults() {
		if r.Handle != 0 {
			m.open(r)
		}
	}
	for _, h := range f.GetUnsubscribed().GetHandles() {
		if s := m.subs[h]; s != nil {
			s.open, s.grant, s.quote, s.trade = false, nil, nil, tradeState{}
		}
	}
	for _, g := range f.Grants {
		for _, h := range g.Handles {
			if s := m.subs[h]; s != nil {
				s.grant = g
			}
		}
	}
}

func (m *Model) define(in *feedv1.Instrument) market.Instrument {
	sym, err := market.ParseSymbol(in.Symbol)
	if err != nil {
		sym = market.Symbol{Name: in.Symbol}
	}
	known := market.Instrument{
		Symbol: sym, PriceScale: uint8(in.PriceScale), SizeScale: uint8(in.SizeScale), PriceStep: in.PriceStep,
		SizeStep: in.SizeStep, Description: in.Description, Base: in.Base, Quote: in.Quote, Source: in.Source,
	}
	m.instruments[in.Symbol] = known
	m.statusOf[in.StatusHandle] = in.Symbol
	return known
}

func (m *Model) open(r *feedv1.SubscribeResult) {
	s := m.subs[r.Handle]
	if s == nil {
		s = &subscription{pair: pair{r.Symbol, market.ParseChannel(r.Channel)}, handle: r.Handle}
		m.subs[r.Handle], m.byName[s.pair] = s, s
	}
	if !s.open && s.channel == market.ChannelTrade {
		s.trade.last, s.trade.known = m.resumes[r.Symbol], m.resumes[r.Symbol] != market.Position{}
		delete(m.resumes, r.Symbol)
	}
	s.open = true
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
	}
	return s, nil
}

func (m *Model) findText(symbol string, want market.Channel) (*subscription, error) {
	s := m.byName[pair{symbol, want}]
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
			Stream: market.Stream(r.Stream), Quality: market.Quality(r.Quality), Trading: market.Trading(r.Trading), Reason: r.Reason,
		}
		m.statuses[symbol] = st
		u.Statuses = append(u.Statuses, StatusRow{symbol, st})
	}
	for _, r := range u.Frame.SourceStatuses {
		st := market.Status{Stream: market.Stream(r.Stream), Quality: market.Quality(r.Quality), Reason: r.Reason}
		m.sources[r.Source] = st
		u.Sources = append(u.Sources, SourceRow{r.Source, st})
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
	for p, s := range m.byName {
		if s.open && p.channel == ch {
			symbols = append(symbols, p.symbol)
		}
	}
	return symbols
}

// Handle returns the handle of an open subscription; 0 for none.
func (m *Model) Handle(symbol string, ch market.Channel) uint32 {
	if s := m.byName[pair{symbol, ch}]; s != nil && s.open {
		return s.handle
	}
	return 0
}

// Grant returns what was granted to a subscription last; nil for none.
func (m *Model) Grant(symbol string, ch market.Channel) *feedv1.Grant {
	if s := m.byName[pair{symbol, ch}]; s != nil {
		return s.grant
	}
	return nil
}

// Quote returns the latest quote of a symbol.
func (m *Model) Quote(symbol string) (market.Quote, bool) {
	s := m.byName[pair{symbol, market.ChannelQuote}]
	if s == nil || s.quote == nil {
		return market.Quote{}, false
	}
	return s.quote.value, true
}

// LastTrade returns the latest trade of a symbol.
func (m *Model) LastTrade(symbol string) (market.Trade, bool) {
	s := m.byName[pair{symbol, market.ChannelTrade}]
	if s == nil || s.trade.previous == nil {
		return market.Trade{}, false
	}
	return *s.trade.previous, true
}

// TradePosition returns where the trades of a symbol have got to, trades reported as missing included.
func (m *Model) TradePosition(symbol string) (market.Position, bool) {
	s := m.byName[pair{symbol, market.ChannelTrade}]
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
