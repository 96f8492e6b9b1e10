package publish

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// Instrument publishes the ticks of one instrument. Its methods may be called from any goroutine; ticks
// of a channel are numbered in the order of the calls. An error means that the tick was not sent: one
// that was refused took no number, one that NATS refused did, so that feedd sees the loss.
type Instrument struct {
	p *Publisher

	// mu guards everything below.
	mu         sync.Mutex
	definition market.Instrument // its Source as the wire has it: without the venue
	definitions, quotes, trades, books,
	statuses, stats series
	waiting bool // on the publisher's list of those to flush

	// What a snapshot is made of.
	quote     market.Quote
	history   []market.Trade // ring of the last trades, oldest at oldest once it is full
	oldest    int
	image     image
	status    statusTick
	statement market.Statistics
	quoteTime int64 // publish times, in the order of the states above
	tradeTime int64
	bookTime  int64
	statsTime int64
}

// series is the numbered ticks of one instrument and channel.
type series struct {
	subject string
	channel market.Channel
	last    market.Sequence // given to a tick
	sent    market.Sequence // handed to NATS
	report  uint8           // heartbeats that still name sent
	batch   []byte          // ticks that wait, behind room for the header
	ticks   int
}

// Level is one price of a book and what is offered there. In a change, size 0 means that it is gone.
type Level = market.Level

// Book is a step in the life of an order book: its whole image, or the levels that changed.
type Book struct {
	Snapshot     bool
	Bids, Asks   []Level // in any order; of levels with the same price the last one counts
	ExchangeTime int64   // microseconds since the Unix epoch; 0: the venue gives none
}

type statusTick struct {
	trading      market.Trading
	reason       string
	exchangeTime int64
	publishTime  int64
}

// maxBatchBytes ends a batch ahead of its number of ticks; it is far below what NATS carries (1 MiB).
const maxBatchBytes = 64 << 10

// reports is how many heartbeats name the last number of a channel, so that one lost heartbeat does not
// hide a loss.
const reports = 2

func newInstrument(p *Publisher, in market.Instrument) *Instrument {
	i := &Instrument{p: p, definition: in}
	for _, s := range []struct {
		series  *series
		channel market.Channel
	}{
		{&i.definitions, market.ChannelDefinition}, {&i.quotes, market.ChannelQuote}, {&i.trades, market.ChannelTrade},
		{&i.books, market.ChannelBook}, {&i.statuses, market.ChannelStatus}, {&i.stats, market.ChannelStats},
	} {
		*s.series = series{subject: subject.For(in.Symbol, s.channel), channel: s.channel}
	}
	return i
}

// Symbol returns the instrument's symbol.
func (i *Instrument) Symbol() market.Symbol {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.definition.Symbol
}

// define publishes in as the definition from here on.
func (i *Instrument) define(in market.Instrument) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.p.closed.Load() {
		return ErrClosed
	}
	if in.PriceScale != i.definition.PriceScale || in.SizeScale != i.definition.SizeScale {
		return fmt.Errorf("publish: symbol %s: scales are %d and %d and cannot change within an epoch",
			in.Symbol, i.definition.PriceScale, i.definition.SizeScale)
	}
	in.Source = i.p.o.Source
	i.definition = in
	return i.sendDefinition()
}

// repeat publishes the definition again, and has the next heartbeat name the last number of each channel: whoever came late, or was away
// for longer than heartbeats name what ticked, learns what there is however quiet the instrument.
func (i *Instrument) repeat() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.reported() {
		if s.sent != 0 {
			s.report = max(s.report, 1)
		}
	}
	return i.sendDefinition()
}

// reported are the channels that heartbeats name.
func (i *Instrument) reported() [5]*series {
	return [...]*series{&i.quotes, &i.trades, &i.books, &i.statuses, &i.stats}
}

// sendDefinition never lingers: ticks mean nothing ahead of their definition.
func (i *Instrument) sendDefinition() error {
	s := &i.definitions
	s.batch = appendDefinition(room(s.batch), &i.definition)
	s.last++
	s.ticks++
	return i.send(s)
}

// maxExact bounds every price and size: clients in JavaScript hold larger integers only roughly, so feedd refuses them.
const maxExact = 1<<53 - 1

func exact(what string, values ...int64) error {
	for _, v := range values {
		if v > maxExact || v < -maxExact {
			return fmt.Errorf("publish: %s with %d: want at most %d either way: choose a smaller scale", what, v, int64(maxExact))
		}
	}
	return nil
}

// Quote publishes the whole top of the book. Position and IngestTime are ignored.
func (i *Instrument) Quote(q market.Quote) error {
	if q.BidSize < 0 || q.AskSize < 0 {
		return fmt.Errorf("publish: quote with sizes %d and %d: want 0 or more", q.BidSize, q.AskSize)
	}
	if err := exact("quote", q.Bid, q.BidSize, q.Ask, q.AskSize); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.p.closed.Load() {
		return ErrClosed
	}
	i.quote, i.quoteTime = q, i.p.micros()
	i.quotes.batch = appendQuote(room(i.quotes.batch), &q)
	return i.numbered(&i.quotes)
}

// Trade publishes one trade, or the correction or cancellation of one. Position and IngestTime are
// ignored; RefersTo is a number that Trades returned.
func (i *Instrument) Trade(t market.Trade) error {
	if t.Size < 0 {
		return fmt.Errorf("publish: trade of size %d: want 0 or more", t.Size)
	}
	if err := exact("trade", t.Price, t.Size); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.p.closed.Load() {
		return ErrClosed
	}
	i.tradeTime = i.p.micros()
	i.remember(t)
	i.trades.batch = appendTrade(room(i.trades.batch), &t)
	return i.numbered(&i.trades)
}

// Trades returns the number of the last trade published, 0 before the first.
func (i *Instrument) Trades() market.Sequence {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.trades.last
}

// remember keeps t among the last trades.
func (i *Instrument) remember(t market.Trade) {
	switch limit := i.p.o.TradeHistory; {
	case limit <= 0:
	case len(i.history) < limit:
		i.history = append(i.history, t)
	default:
		i.history[i.oldest] = t
		i.oldest = (i.oldest + 1) % limit
	}
}

// Book publishes a book's whole image or a change of it. A change ahead of the first image is an error,
// as is a book of more than MaxLevels a side.
func (i *Instrument) Book(b Book) error {
	for _, side := range [2][]Level{b.Bids, b.Asks} {
		for _, l := range side {
			if err := exact("book level", l.Price, l.Size); err != nil {
				return err
			}
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.p.closed.Load() {
		return ErrClosed
	}
	if err := i.image.apply(b); err != nil {
		return err
	}
	i.bookTime = i.p.micros()
	i.books.batch = appendBook(room(i.books.batch), &b)
	return i.numbered(&i.books)
}

// Trading publishes what the venue lets participants do, with words for people such as a halt code;
// feedd shows their first market.MaxReasonLen bytes. exchangeTime is in microseconds, 0 for none.
func (i *Instrument) Trading(st market.Trading, reason string, exchangeTime int64) error {
	if !utf8.ValidString(reason) {
		return fmt.Errorf("publish: reason %q is not UTF-8", reason)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.p.closed.Load() {
		return ErrClosed
	}
	i.status = statusTick{st, reason, exchangeTime, i.p.micros()}
	i.statuses.batch = appendStatus(room(i.statuses.batch), &i.status)
	return i.numbered(&i.statuses)
}

// Statistics publishes what the venue itself states of the instrument, the whole of it each time: what Has
// does not name is no longer stated. Position and IngestTime are ignored.
func (i *Instrument) Statistics(st market.Statistics) error {
	if st.OpenInterest < 0 {
		return fmt.Errorf("publish: open interest of %d: want 0 or more", st.OpenInterest)
	}
	if err := exact("stats", st.PreviousClose, st.Settlement, st.Mark, st.Index, st.OpenInterest, st.FundingRateE8); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.p.closed.Load() {
		return ErrClosed
	}
	i.statement, i.statsTime = st, i.p.micros()
	i.stats.batch = appendStatistics(room(i.stats.batch), &st)
	return i.numbered(&i.stats)
}

// numbered gives the tick that was appended to s its number, and sends the batch if it is due.
func (i *Instrument) numbered(s *series) error {
	s.last++
	s.ticks++
	if i.p.o.Linger == 0 || s.ticks >= i.p.o.MaxBatch || len(s.batch) >= maxBatchBytes {
		return i.send(s)
	}
	if !i.waiting {
		i.waiting = true
		i.p.await(i)
	}
	return nil
}

// flush sends what waits.
func (i *Instrument) flush() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting = false
	var first error
	for _, s := range [...]*series{&i.statuses, &i.quotes, &i.trades, &i.books, &i.stats} {
		if s.ticks == 0 {
			continue
		}
		if err := i.send(s); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// send hands s's batch to NATS, which copies it.
func (i *Instrument) send(s *series) error {
	payload := seal(s.batch, i.p.o.Epoch, s.last-market.Sequence(s.ticks)+1, i.p.micros())
	err := i.p.nc.Publish(s.subject, payload)
	s.batch, s.ticks = s.batch[:0], 0
	// A batch that NATS refused is named in heartbeats all the same: it is a loss that must show.
	s.sent, s.report = s.last, reports
	if err != nil {
		return fmt.Errorf("publish: %s: %w", s.subject, err)
	}
	return nil
}
