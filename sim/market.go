package sim

import (
	"fmt"
	"iter"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// Config says what a simulated market is like.
type Config struct {
	Instruments int    // 1 to MaxInstruments
	Rate        int    // quotes and trades a second, of all instruments together, in the mean; 1 to MaxRate
	Seed        uint64 // the same seed gives the same market
	// Start is the time of the first events in microseconds since the Unix epoch, 0 to MaxStart. Run
	// takes the present instead.
	Start int64
}

// MaxRate bounds Config.Rate.
const MaxRate = 1_000_000

// MaxStart bounds Config.Start: the year 2200.
const MaxStart = 7_258_118_400_000_000

// books is how many instruments have a book: the busiest ones, of which the first few have a deep one. Each tells at
// most ten changes a second, which Config.Rate does not count.
const (
	books     = 10
	deepBooks = 3
)

// depthOf returns how many levels a side the book of an instrument has; 0: none is told.
func depthOf(index int) int {
	switch {
	case index < deepBooks:
		return 300
	case index < books:
		return 40
	}
	return 0
}

// Validate reports the first value that is out of its range.
func (c Config) Validate() error {
	switch {
	case c.Instruments < 1 || c.Instruments > MaxInstruments:
		return fmt.Errorf("%d simulated instruments: want 1 to %d", c.Instruments, MaxInstruments)
	case c.Rate < 1 || c.Rate > MaxRate:
		return fmt.Errorf("simulated rate of %d ticks a second: want 1 to %d", c.Rate, MaxRate)
	case c.Start < 0 || c.Start > MaxStart:
		return fmt.Errorf("simulated start at %d µs: want 0 to %d", c.Start, MaxStart)
	}
	return nil
}

// Kind is what an Event tells.
type Kind uint8

// Kinds of event. The zero Kind is none of them.
const (
	Quote Kind = iota + 1
	Trade
	Book
	Stats
	Status
)

// Event is something that happened in a simulated market. The field that Kind names is meant.
type Event struct {
	Time       int64 // microseconds since the Unix epoch
	Instrument int   // index into Instruments
	Kind       Kind
	Quote      market.Quote
	Trade      market.Trade
	Book       publish.Book
	Stats      market.Statistics
	Trading    market.Trading
	Reason     string // of Trading
}

// Market is a simulated market. It is for use by one goroutine.
type Market struct {
	instruments []market.Instrument
	heap        []*actor // by next, then index; the first is the earliest
	event       Event
	now         int64 // µs; all events up to here were given
}

// New makes a market that begins at cfg.Start with a quote of every instrument.
func New(cfg Config) (*Market, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	listings, err := list(cfg.Instruments)
	if err != nil {
		return nil, err
	}
	total := 0.0
	for i := range listings {
		total += 1 / float64(i+1)
	}
	m := &Market{now: cfg.Start - 1}
	for i, l := range listings {
		meanGap := int64(total * float64(i+1) * 1e9 / float64(cfg.Rate))
		m.instruments = append(m.instruments, l.instrument)
		m.heap = append(m.heap, newActor(l, i, cfg.Seed, cfg.Start*1000, meanGap, depthOf(i))) // in order: all begin at once
	}
	return m, nil
}

// Instruments returns the instruments, the busiest first. The slice is the market's own.
func (m *Market) Instruments() []market.Instrument { return m.instruments }

// Now returns the time up to which events were given, in microseconds.
func (m *Market) Now() int64 { return m.now }

// NextTime returns when the next event may come, in microseconds; there is none before.
func (m *Market) NextTime() int64 { return m.heap[0].next / 1000 }

// Next gives the events up to and including until, in microseconds, in order of time. An event is valid
// until the next one. Who stops early goes on where they stopped with the next call.
func (m *Market) Next(until int64) iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		for m.NextTime() <= until {
			m.now = max(m.now, m.NextTime())
			m.heap[0].step(&m.event)
			m.settle()
			if m.event.Kind != 0 && !yield(&m.event) {
				return
			}
		}
		m.now = max(m.now, until)
	}
}

// Skip moves everything to come by some microseconds, forth or back, as if the market had slept.
func (m *Market) Skip(microseconds int64) {
	m.now += microseconds
	for _, a := range m.heap {
		a.delay(microseconds * 1000)
	}
}

// settle puts the first of the heap where it belongs after its time has moved.
func (m *Market) settle() {
	h, at := m.heap, 0
	for {
		child := 2*at + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h[right].before(h[child]) {
			child = right
		}
		if !h[child].before(h[at]) {
			return
		}
		h[at], h[child] = h[child], h[at]
		at = child
	}
}

func (a *actor) before(b *actor) bool {
	return a.next < b.next || a.next == b.next && a.index < b.index
}
