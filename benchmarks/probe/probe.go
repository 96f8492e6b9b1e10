package probe

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Probe is one client's view of the market.
type Probe struct {
	record      *Record
	instruments map[string]int // number by symbol, of all that there are
	unmarshal   func([]byte, proto.Message) error
	model       *client.Model // nil once a frame broke the protocol: what follows means nothing
	held        map[string]feed.Quote
	history     history
	books       map[string]*client.Book
	beat        beat
	frame       feedv1.ServerFrame
}

// Options of a probe.
type Options struct {
	JSON bool // what it reads is feedd.v1.json
	// Cadence is what it asks for, in microseconds; 0: at once.
	Cadence int64
	// Busy says that every beat brings something, so that a beat without a frame is one that was missed.
	Busy bool
}

// New returns a probe that knows instruments by their symbols and adds to record.
func New(record *Record, instruments map[string]int, opt Options) *Probe {
	p := &Probe{
		record: record, instruments: instruments, model: client.NewModel(), unmarshal: proto.Unmarshal,
		held: make(map[string]feed.Quote), history: history{rows: make(map[string][]seen)}, books: make(map[string]*client.Book), beat: newBeat(opt.Cadence, opt.Busy),
	}
	if opt.JSON {
		p.unmarshal = protojson.Unmarshal
	}
	return p
}

// Frame takes one message of the server that arrived at received (microseconds since the Unix epoch).
func (p *Probe) Frame(received int64, payload []byte) {
	if p.model == nil {
		return
	}
	proto.Reset(&p.frame)
	err := p.unmarshal(payload, &p.frame)
	var changed client.Update
	if err == nil {
		changed, err = p.model.Apply(&p.frame)
	}
	if err != nil {
		p.record.problem("frame of %d bytes: %v", len(payload), err)
		p.model = nil
		return
	}
	if e := p.frame.GetError(); e != nil {
		p.record.problem("error %v: %s", e.GetCode(), e.GetText())
	}
	for _, r := range p.frame.GetSubscribed().GetResults() {
		if r.GetHandle() == 0 {
			p.record.problem("subscribe %s: %v: %s", r.GetSymbol(), r.GetCode(), r.GetText())
		}
	}
	for _, g := range p.frame.GetGrants() {
		p.record.grants++
		p.beat.granted(int64(g.GetCadenceMs())*1000, g.GetReason() == feedv1.GrantReason_GRANT_REASON_PAUSED)
	}
	for _, row := range changed.Books {
		p.record.books++
		if row.Book != nil { // else parts of the first view are still to come
			p.books[row.Symbol] = row.Book
		}
	}
	p.trades(changed.Trades)
	if len(changed.Quotes) == 0 {
		return
	}
	p.record.frames++
	p.record.conflated += int64(p.frame.GetConflated())
	if err := p.beat.cut(p.record, received, changed.Cut.UnixMicro()); err != nil {
		p.record.problem("%v", err)
	}
	merged := uint64(p.frame.GetConflated())
	p.history.told += merged
	p.history.mixed = p.history.mixed || merged > 0 && others(&changed)
	for _, row := range changed.Quotes {
		p.quote(received, row)
	}
}

// others reports whether a frame has rows besides quotes into which something may have been merged.
func others(u *client.Update) bool {
	return len(u.Books)+len(u.Bars)+len(u.Stats)+len(u.Statuses)+len(u.Sources)+len(u.Summaries) > 0
}

// trades counts events. That none is missing without a word is the model's to check.
func (p *Probe) trades(events []client.TradeEvent) {
	for _, e := range events {
		switch e.Kind {
		case client.Traded:
			p.record.trades++
		case client.Lost:
			p.record.lost += int64(e.To - e.From + 1)
		}
	}
}

func (p *Probe) quote(received int64, row client.QuoteRow) {
	p.record.rows++
	if row.Full {
		p.record.full++
	}
	i, ok := p.instruments[row.Symbol]
	if !ok {
		p.record.problem("a row of %s, which nobody publishes", row.Symbol)
		return
	}
	before, known := p.held[row.Symbol]
	q := feed.Quote{Bid: row.Quote.Bid, BidSize: row.Quote.BidSize, Ask: row.Quote.Ask, AskSize: row.Quote.AskSize}
	p.held[row.Symbol] = q
	sequence := uint64(0)
	if row.Full {
		sequence = uint64(row.Quote.Position.Sequence)
	}
	p.history.add(row.Symbol, sequence, q)
	switch {
	case row.Quote.Has != market.HasBid|market.HasAsk|market.HasExchangeTime:
		p.record.problem("%s: bid, ask or time is missing (has=%b)", row.Symbol, row.Quote.Has)
		return
	case !feed.Check(i, q):
		p.record.problem("%s: no tick had the values %+v", row.Symbol, q)
		return
	case !known:
		return // as old as the last tick before subscribing
	case feed.Stamped(before) && feed.Stamped(q) && q.BidSize < before.BidSize:
		p.record.problem("%s: a tick of %d µs before the one that came ahead of it", row.Symbol, before.BidSize-q.BidSize)
		return
	}
	record(p.record.age, received-row.Quote.ExchangeTime)
	if feed.Stamped(q) {
		record(p.record.delay, received-q.BidSize)
	}
}

// LastCut is when the state in the last rows was frozen, in microseconds since the Unix epoch.
func (p *Probe) LastCut() int64 { return p.beat.last }

// Complete reports whether so many instruments have a quote, and so many a book.
func (p *Probe) Complete(quotes, books int) bool {
	return len(p.held) >= quotes && len(p.books) >= books
}

// Last is what a probe holds of an instrument.
type Last struct {
	Symbol string     `json:"symbol"`
	Quote  feed.Quote `json:"quote"`
}

// Holds returns the last quote of each instrument that had a row.
func (p *Probe) Holds() []Last {
	var all []Last
	for symbol, q := range p.held {
		all = append(all, Last{symbol, q})
	}
	return all
}

// LastBook is what a probe holds of an instrument's book.
type LastBook struct {
	Symbol string    `json:"symbol"`
	Book   feed.Book `json:"book"`
}

// Books returns the last view of each book.
func (p *Probe) Books() []LastBook {
	var all []LastBook
	for symbol, b := range p.books {
		all = append(all, LastBook{symbol, feed.Book{Bids: levels(b.Bids()), Asks: levels(b.Asks())}})
	}
	return all
}

func levels(from []market.Level) []feed.Level {
	var all []feed.Level
	for _, l := range from {
		all = append(all, feed.Level{Price: l.Price, Size: l.Size})
	}
	return all
}

// CompareBooks counts views that differ from the books as they were published, and tells one difference in words.
func CompareBooks(held []LastBook, symbols []string, published []feed.Book) (differ int, example string) {
	last := make(map[string]feed.Book, len(symbols))
	for i, symbol := range symbols {
		last[symbol] = published[i]
	}
	for _, l := range held {
		if want := last[l.Symbol]; !slices.Equal(l.Book.Bids, want.Bids) || !slices.Equal(l.Book.Asks, want.Asks) {
			differ++
			example = fmt.Sprintf("the book of %s is %v, published was %v", l.Symbol, l.Book, want)
		}
	}
	return differ, example
}

// Compare counts what differs between quotes held and the last ones published, and tells one difference in
// words.
func Compare(held []Last, symbols []string, published []feed.Quote) (differ int, example string) {
	last := make(map[string]feed.Quote, len(symbols))
	for i, symbol := range symbols {
		last[symbol] = published[i]
	}
	for _, l := range held {
		if want := last[l.Symbol]; l.Quote != want {
			differ++
			example = fmt.Sprintf("%s is %+v, published was %+v", l.Symbol, l.Quote, want)
		}
	}
	return differ, example
}
