package rig

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

// Tape is what a person was told, over all connections, of the instruments of a Market. It knows what may never be: a trade twice
// or out of order, a trade missing without a word, a quote that goes back. The client itself ends a connection on which a
// position goes back.
type Tape struct {
	mu     sync.Mutex
	trades map[string]int64 // the number of the last one
	at     map[string]market.Position
	bids   map[string]int64
	wrong  []string
	lost   int // trades that this person was told are missing
	silent int // and those of which nothing was said
	ages   []aged
	told   []Told
	warned time.Time
}

// aged is how old a quote was when it came, of all the way from its publisher.
type aged struct {
	symbol string
	at     time.Time
	age    time.Duration
}

// Told is what was said of a source, or of an instrument, and when.
type Told struct {
	At      time.Time
	Of      string // a source, or a symbol
	Quality market.Quality
	Reason  string
}

// NewTape returns an empty one.
func NewTape() *Tape {
	return &Tape{trades: map[string]int64{}, at: map[string]market.Position{}, bids: map[string]int64{}}
}

// Update takes what a frame changed; it is for client.Options.OnUpdate.
func (p *Tape) Update(u client.Update) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range u.Quotes {
		p.quote(now, &u.Quotes[i])
	}
	for i := range u.Trades {
		p.trade(&u.Trades[i])
	}
	if u.Frame.GetTokenExpiring() != nil {
		p.warned = now
	}
	for _, s := range u.Sources {
		p.told = append(p.told, Told{now, s.Source, s.Status.Quality, s.Status.Reason})
	}
	for _, s := range u.Statuses {
		p.told = append(p.told, Told{now, s.Symbol, s.Status.Quality, s.Status.Reason})
	}
}

func (p *Tape) quote(now time.Time, r *client.QuoteRow) {
	if r.Quote.Bid < p.bids[r.Symbol] {
		p.complain("%s: quote %d behind %d", r.Symbol, r.Quote.Bid, p.bids[r.Symbol])
	}
	p.bids[r.Symbol] = r.Quote.Bid
	if r.Quote.ExchangeTime != 0 {
		p.ages = append(p.ages, aged{r.Symbol, now, now.Sub(time.UnixMicro(r.Quote.ExchangeTime))})
	}
}

func (p *Tape) trade(e *client.TradeEvent) {
	last := p.trades[e.Symbol]
	switch e.Kind {
	case client.Recovered: // they follow
	case client.Gap, client.Lost:
		n := int(e.To-e.From) + 1
		p.lost += n
		p.trades[e.Symbol], p.at[e.Symbol] = last+int64(n), market.Position{Epoch: e.Epoch, Sequence: e.To}
	case client.Traded:
		if e.Trade.Position == p.at[e.Symbol] {
			return // a resume may begin with what is held
		}
		if e.Trade.Price != last+1 {
			p.complain("%s: trade %d behind %d, and nothing was said of those between", e.Symbol, e.Trade.Price, last)
			p.silent += int(max(0, e.Trade.Price-last-1))
		}
		p.trades[e.Symbol], p.at[e.Symbol] = e.Trade.Price, e.Trade.Position
	}
}

// complain keeps the first complaints: they are about the same, and a broken server brings thousands.
func (p *Tape) complain(format string, args ...any) {
	if len(p.wrong) < 20 {
		p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
	}
}

// Wrong returns what must never be.
func (p *Tape) Wrong() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.wrong)
}

// Lost is how many trades this person was told are missing.
func (p *Tape) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Silent is how many trades are missing of which this person was told nothing.
func (p *Tape) Silent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent
}

// Told returns what was said since a time of a source, or of an instrument.
func (p *Tape) Told(of string, since time.Time) (all []Told) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.told {
		if s.Of == of && s.At.After(since) {
			all = append(all, s)
		}
	}
	return all
}

// Warned is when this person was last told that the token expires; the zero time: never.
func (p *Tape) Warned() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.warned
}

// Age returns a percentile (0 to 1) of how old quotes were that came from one time to another, and how many these are.
func (p *Tape) Age(percentile float64, from, to time.Time) (time.Duration, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ages []time.Duration
	for _, a := range p.ages {
		if a.at.After(from) && a.at.Before(to) {
			ages = append(ages, a.age)
		}
	}
	if len(ages) == 0 {
		return 0, 0
	}
	slices.Sort(ages)
	return ages[min(len(ages)-1, int(percentile*float64(len(ages))))], len(ages)
}

// Silence returns the longest time without a quote from one time to another.
func (p *Tape) Silence(from, to time.Time) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := from
	for _, a := range p.ages {
		if a.at.After(from) && a.at.Before(to) {
			longest = max(longest, a.at.Sub(last))
			last = a.at
		}
	}
	return max(longest, to.Sub(last))
}

// Wait returns the longest time that one instrument, any of them, went without a quote from one time to another.
func (p *Tape) Wait(from, to time.Time) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := make(map[string]time.Time, len(p.bids))
	for symbol := range p.bids {
		last[symbol] = from
	}
	for _, a := range p.ages {
		if a.at.After(from) && a.at.Before(to) {
			longest = max(longest, a.at.Sub(last[a.symbol]))
			last[a.symbol] = a.at
		}
	}
	for _, at := range last {
		longest = max(longest, to.Sub(at))
	}
	return longest
}

// Positions is where the trades of each instrument have got to, to resume from.
func (p *Tape) Positions() map[string]market.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	positions := make(map[string]market.Position, len(p.at))
	for symbol, at := range p.at {
		positions[symbol] = at
	}
	return positions
}
