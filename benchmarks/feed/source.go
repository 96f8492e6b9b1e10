package feed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// Config says what market to publish.
type Config struct {
	Instruments int     `json:"instruments"`
	Hz          float64 `json:"hz"`    // ticks a second and instrument
	Burst       float64 `json:"burst"` // ticks that come together, on average
	Seed        uint64  `json:"seed"`
	// Stamp puts the time of publishing into the bid sizes.
	Stamp bool `json:"stamp"`
	// Levels a side of each instrument's book; 0: no books. With books, each burst also brings a change of
	// the book and a trade.
	Levels int `json:"levels"`
	// Books is how many instruments have them, lowest numbers first; 0: all.
	Books int `json:"books,omitempty"`
	// Zipf makes the n-th instrument tick 1/n as often as the first, Hz on average.
	Zipf bool `json:"zipf,omitempty"`
	// Recorded is a directory of recordings whose gaps between ticks are played; empty: gaps are random.
	Recorded string `json:"recorded,omitempty"`
	Surge    Surge  `json:"surge,omitzero"`
	// Stream is the directory of a JetStream that records the ticks; empty: none.
	Stream string `json:"stream"`
	// NATS is the address of a server with a JetStream that somebody else runs; empty: the market has its own.
	NATS string `json:"nats,omitempty"`
	// Unrecorded has that server record nothing.
	Unrecorded bool `json:"unrecorded,omitempty"`
	// Past is how many trades instruments with books have behind them from the start: the last ones a second apart, those
	// before a day. With FullPast of them all that a server keeps of trades and bars has its full size.
	Past int `json:"past,omitempty"`
}

func (c Config) validate() error {
	switch {
	case c.Instruments < 1:
		return fmt.Errorf("instruments %d: want at least 1", c.Instruments)
	case c.Hz <= 0:
		return fmt.Errorf("%g ticks a second: want more than 0", c.Hz)
	case c.Burst < 1:
		return fmt.Errorf("bursts of %g ticks: want at least 1", c.Burst)
	case c.Surge.Factor != 0 && (c.Surge.Factor <= 1 || c.Surge.Factor > 100 || c.Surge.Every < surging):
		return fmt.Errorf("surges of %g times every %v: want more than 1, at most 100, and %v or more", c.Surge.Factor, c.Surge.Every, surging)
	case c.Past < 0 || c.Past > FullPast:
		return fmt.Errorf("%d trades of the past: want 0 to %d", c.Past, FullPast)
	case c.Levels < 0 || c.Levels > market.MaxLevels:
		return fmt.Errorf("books of %d levels: want 0 to %d", c.Levels, market.MaxLevels)
	}
	return nil
}

// Venue is that of all instruments.
const Venue = "bench"

func symbol(i int) market.Symbol { return market.Symbol{Venue: Venue, Name: fmt.Sprintf("I%05d", i)} }

// Symbols returns the symbols of the first n instruments.
func Symbols(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = symbol(i).String()
	}
	return all
}

// Source is a NATS server with a publisher. Its methods belong to one goroutine.
type Source struct {
	cfg         Config
	speed       float64 // of the market's time
	server      *server.Server
	nc          *nats.Conn
	publisher   *publish.Publisher
	walks       []*Walk
	instruments []*publish.Instrument

	mu        sync.Mutex // guards the schedule, the walks and what follows
	schedule  *Schedule
	ladders   []ladder
	random    *rand.Rand // of books
	last      []Quote
	ticks     []uint64  // of each instrument
	newest    time.Time // of a burst
	published Published
	err       error // that ended publishing

	halt chan struct{} // of the publishing goroutine; nil: paused
	done chan struct{}
}

// Published counts what went out since the start.
type Published struct {
	Ticks  int64 `json:"ticks"`
	Bursts int64 `json:"bursts"`
	// Levels of books that were changed, and trades.
	Changes int64 `json:"changes,omitempty"`
	Trades  int64 `json:"trades,omitempty"`
	// LagMax is how far publishing fell behind its schedule at worst, since it was asked last.
	LagMax time.Duration `json:"lag_max"`
}

// Where are the addresses of the NATS server.
type Where struct {
	NATS      string `json:"nats"`
	WebSocket string `json:"websocket"`
}

// Open starts the NATS server on free ports of 127.0.0.1 and defines the instruments, each with a first
// quote. Ticks begin with Resume. Close ends it.
func Open(cfg Config) (*Source, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	tempo := Tempo{Instruments: cfg.Instruments, Hz: cfg.Hz, Burst: cfg.Burst, Zipf: cfg.Zipf}
	if cfg.Recorded != "" {
		var err error
		if tempo.Tapes, err = Tapes(cfg.Recorded); err != nil {
			return nil, err
		}
	}
	s := &Source{cfg: cfg, speed: 1, schedule: NewSchedule(cfg.Seed, tempo), random: rand.New(rand.NewPCG(cfg.Seed, 0xb00c))}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open needs no lock: nobody else knows s yet.
func (s *Source) open() error {
	address := s.cfg.NATS
	var err error
	if address == "" {
		if s.server, err = startServer(server.RANDOM_PORT, s.cfg.Stream); err != nil {
			return err
		}
		address = s.server.ClientURL()
	}
	// A server that is away for a moment gets what was published meanwhile when it is back.
	if s.nc, err = nats.Connect(address, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond)); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	if s.cfg.Stream != "" || s.cfg.NATS != "" && !s.cfg.Unrecorded {
		if err := record(s.nc, patience); err != nil {
			return err
		}
	}
	s.publisher, err = publish.New(s.nc, publish.Options{Venue: Venue, Linger: publish.UntilFlush})
	if err != nil {
		return err
	}
	for i := range s.cfg.Instruments {
		in, err := s.publisher.Define(market.Instrument{
			Symbol: symbol(i), PriceScale: 2, SizeScale: 5, PriceStep: 1, SizeStep: 1, Description: "benchmark",
		})
		if err != nil {
			return err
		}
		s.instruments = append(s.instruments, in)
		s.walks = append(s.walks, NewWalk(s.cfg.Seed, i))
		s.last, s.ticks = append(s.last, Quote{}), append(s.ticks, 0)
		if err := s.openBook(i); err != nil {
			return err
		}
	}
	if err := s.past(); err != nil {
		return err
	}
	for i := range s.cfg.Instruments {
		if err := s.burst(i, 1, time.Now()); err != nil {
			return err
		}
	}
	return errors.Join(s.publisher.Flush(), s.nc.Flush())
}

// Where returns the addresses of the NATS server.
func (s *Source) Where() Where {
	if s.server == nil {
		return Where{NATS: s.cfg.NATS}
	}
	return Where{NATS: s.server.ClientURL(), WebSocket: s.server.WebsocketURL()}
}

// Resume publishes ticks until Pause, on from where the schedule was paused.
func (s *Source) Resume() {
	if s.halt == nil {
		s.halt, s.done = make(chan struct{}), make(chan struct{})
		go s.publish(s.halt, s.done)
	}
}

// Speed has the market run so many times as fast as Hz says.
func (s *Source) Speed(times float64) error {
	if times <= 0 || times > 1000 {
		return fmt.Errorf("%g times as fast: want more than 0, at most 1000", times)
	}
	running := s.halt != nil
	if _, err := s.Pause(); err != nil {
		return err
	}
	s.speed = times
	if running {
		s.Resume()
	}
	return nil
}

// Pause stops the ticks and returns the last quote of each instrument.
func (s *Source) Pause() ([]Quote, error) {
	if s.halt != nil {
		close(s.halt)
		<-s.done
		s.halt, s.done = nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Quote(nil), s.last...), errors.Join(s.err, s.nc.Flush())
}

// Final is all that is published, as of its end.
type Final struct {
	Quotes []Quote `json:"quotes"`
	Tops   []Book  `json:"tops"`
	// Trades is how many each instrument has had in this epoch.
	Epoch  market.Epoch      `json:"epoch"`
	Trades []market.Sequence `json:"trades"`
}

// End stops the ticks and returns what all have come to, of books the best levels.
func (s *Source) End(depth int) (Final, error) {
	quotes, err := s.Pause()
	f := Final{Quotes: quotes, Tops: s.Tops(depth), Epoch: s.publisher.Epoch()}
	for _, in := range s.instruments {
		f.Trades = append(f.Trades, in.Trades())
	}
	return f, err
}

// Published returns the counts and begins LagMax anew.
func (s *Source) Published() (Published, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.published
	s.published.LagMax = 0
	return p, s.err
}

// Ticks returns how many quotes each instrument has had.
func (s *Source) Ticks() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ticks)
}

// step is the time between two looks at the schedule: bursts within one go out together.
const step = time.Millisecond

// publish is the goroutine between Resume and Pause.
func (s *Source) publish(halt <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	begin, first, steady := time.Now(), s.next(), s.speed
	for {
		select {
		case <-halt:
			return
		case now := <-ticker.C:
			gone, speed := s.cfg.Surge.market(now.Sub(begin))
			if !s.publishUntil(first+time.Duration(steady*float64(gone)), steady*speed) {
				return
			}
		}
	}
}

func (s *Source) next() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.schedule.Peek()
}

// publishUntil publishes what is due at a time of the market, which runs at that speed, and reports whether that worked.
func (s *Source) publishUntil(at time.Duration, speed float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schedule.Peek() > at {
		return true
	}
	now := time.Now()
	late := func() time.Duration { return time.Duration(float64(at-s.schedule.Peek()) / speed) }
	s.published.LagMax = max(s.published.LagMax, late())
	for s.schedule.Peek() <= at && s.err == nil {
		when := now
		// What should have gone out in an earlier step has waited since: its time is that at which it was due, or a
		// publisher that is held up would hide how late things are.
		if l := late(); l > 2*step {
			when = now.Add(-l)
		}
		b := s.schedule.Next()
		s.err = s.burst(b.Instrument, b.Ticks, when)
	}
	s.err = errors.Join(s.err, s.publisher.Flush())
	return s.err == nil
}

// burst needs mu.
func (s *Source) burst(i, ticks int, now time.Time) error {
	if now.Before(s.newest) { // that burst came late, this one not so much
		now = s.newest
	}
	s.newest = now
	us := now.UnixMicro()
	stamp := int64(0)
	if s.cfg.Stamp {
		stamp = us
	}
	for range ticks {
		q := s.walks[i].Next(stamp)
		s.last[i] = q
		err := s.instruments[i].Quote(market.Quote{
			Bid: q.Bid, BidSize: q.BidSize, Ask: q.Ask, AskSize: q.AskSize, ExchangeTime: us,
			Has: market.HasBid | market.HasAsk | market.HasExchangeTime,
		})
		if err != nil {
			return fmt.Errorf("publish %s: %w", symbol(i), err)
		}
	}
	s.ticks[i] += uint64(ticks)
	s.published.Ticks += int64(ticks)
	s.published.Bursts++
	return s.depth(i, us)
}

// Close ends publisher and server.
func (s *Source) Close() {
	if s.nc != nil {
		_, _ = s.Pause()
	}
	if s.publisher != nil {
		_ = s.publisher.Close()
	}
	if s.nc != nil {
		s.nc.Close()
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
}
