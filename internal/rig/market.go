package rig

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// MarketOptions of OpenMarket. The zero value is a venue "crash" with instruments A, B and C.
type MarketOptions struct {
	Venue string
	Names []string
	Seed  uint64
	// Trades is how many trades of each there have been before.
	Trades []int64
	// Epoch and Line are the publisher's; zero: it chooses.
	Epoch market.Epoch
	Line  string
	// Skew is how far the publisher's clock goes ahead.
	Skew time.Duration
	// Pace is the time between two steps of Run. 0: 2 ms.
	Pace time.Duration
}

// Market is a publisher of a few instruments whose trades count up: the price of each is its number, and so is the bid of the
// quote behind it. It knows what everybody must see in the end.
type Market struct {
	t       testing.TB
	o       MarketOptions
	Conn    *nats.Conn
	Pub     *publish.Publisher
	random  *rand.Rand
	Symbols []string

	// mu guards what was published.
	mu     sync.Mutex
	stalls []*stall
	steps  int
	more   chan struct{} // closed and replaced after each step
}

// stall is one instrument and how it stands.
type stall struct {
	in         *publish.Instrument
	trades     int64
	quote      market.Quote
	bids, asks map[int64]int64
}

// OpenMarket connects to NATS and defines the instruments.
func OpenMarket(t testing.TB, url string, o MarketOptions) *Market {
	t.Helper()
	if o.Venue == "" {
		o.Venue = "crash"
	}
	if len(o.Names) == 0 {
		o.Names = []string{"A", "B", "C"}
	}
	if o.Pace == 0 {
		o.Pace = 2 * time.Millisecond
	}
	m := &Market{t: t, o: o, random: rand.New(rand.NewPCG(o.Seed, 0)), more: make(chan struct{}), Conn: connect(t, url, nats.Name("rig market"))}
	var err error
	if m.Pub, err = publish.New(m.Conn, publish.Options{
		Venue: o.Venue, Epoch: o.Epoch, Line: o.Line, HeartbeatInterval: 200 * time.Millisecond, Now: m.now, TradeHistory: 2000,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Pub.Close() })
	for i, name := range o.Names {
		in, err := m.Pub.Define(market.Instrument{Symbol: market.Symbol{Venue: o.Venue, Name: name}, PriceScale: 2})
		if err != nil {
			t.Fatal(err)
		}
		s := &stall{in: in}
		if len(o.Trades) > 0 {
			s.trades = o.Trades[i]
		}
		m.Symbols = append(m.Symbols, o.Venue+":"+name)
		m.stalls = append(m.stalls, s)
		m.book(s, true)
	}
	return m
}

func (m *Market) now() time.Time { return time.Now().Add(m.o.Skew) }

// Trades is how many trades there have been of each instrument.
func (m *Market) Trades() (n []int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.stalls {
		n = append(n, s.trades)
	}
	return n
}

// book publishes an image, or a change of some levels.
func (m *Market) book(s *stall, image bool) {
	e := publish.Book{Snapshot: image}
	if image {
		s.bids, s.asks = map[int64]int64{}, map[int64]int64{}
	}
	for range 4 {
		for _, side := range []struct {
			held   map[int64]int64
			levels *[]market.Level
			price  int64
		}{{s.bids, &e.Bids, 1000 - m.random.Int64N(30)}, {s.asks, &e.Asks, 1001 + m.random.Int64N(30)}} {
			l := market.Level{Price: side.price, Size: m.random.Int64N(4)}
			*side.levels = append(*side.levels, l)
			side.held[l.Price] = l.Size
			if l.Size == 0 {
				delete(side.held, l.Price)
			}
		}
	}
	m.must(s.in.Book(e))
}

func (m *Market) must(err error) {
	if err != nil {
		m.t.Error(err)
	}
}

// Step publishes a little of everything for one instrument.
func (m *Market) Step() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.step(m.stalls[m.random.IntN(len(m.stalls))])
}

// StepEach does so for every instrument.
func (m *Market) StepEach() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.stalls {
		m.step(s)
	}
}

func (m *Market) step(s *stall) {
	at := m.now().UnixMicro()
	for range 1 + m.random.IntN(3) {
		s.trades++
		m.must(s.in.Trade(market.Trade{Price: s.trades, Size: 1, ID: uint64(s.trades), ExchangeTime: at}))
	}
	s.quote = market.Quote{Bid: s.trades, BidSize: m.random.Int64N(9), Ask: s.trades + 1, AskSize: 1, Has: market.HasBid | market.HasAsk | market.HasExchangeTime, ExchangeTime: at}
	m.must(s.in.Quote(s.quote))
	m.book(s, m.random.IntN(100) == 0)
	m.must(m.Pub.Flush())
	m.steps++
	close(m.more)
	m.more = make(chan struct{})
}

// Run publishes until the function that it returns is called, which waits for the end.
func (m *Market) Run() (end func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		pace := time.NewTicker(m.o.Pace)
		defer pace.Stop()
		for {
			select {
			case <-pace.C:
				m.Step()
			case <-stop:
				return
			}
		}
	})
	end = sync.OnceFunc(func() { stop <- struct{}{}; wg.Wait() })
	m.t.Cleanup(end)
	return end
}

// Await waits until n more steps were made.
func (m *Market) Await(n int) {
	m.t.Helper()
	timeout := time.After(Within)
	for until := -1; ; {
		m.mu.Lock()
		steps, more := m.steps, m.more
		m.mu.Unlock()
		if until < 0 {
			until = steps + n
		}
		if steps >= until {
			return
		}
		select {
		case <-more:
		case <-timeout:
			m.t.Fatalf("%d steps of %d", steps, until)
		}
	}
}

// Close ends the publisher in good order.
func (m *Market) Close() {
	m.t.Helper()
	if err := m.Pub.Close(); err != nil {
		m.t.Error(err)
	}
	m.Conn.Close()
}
