package sim

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

const (
	// slice is the shortest time between two flushes: ticks of one instrument that fall into it share a
	// message, which keeps the cost of a burst down and the delay below what a person or a chart sees.
	slice = 2 * time.Millisecond
	// maxLag is how far the market may be behind or ahead of the clock before it skips: a machine that
	// slept must not wake up to an hour of ticks.
	maxLag = time.Second
	// complainEvery limits how often a failure to publish is logged.
	complainEvery = 10 * time.Second
)

// Run publishes a simulated market over nc in real time, and test:FAKE beside it, until ctx ends, which is
// no error. cfg.Start is ignored: the market begins now. While NATS is away ticks are lost, which the log
// says; a closed connection ends Run. It does not close nc.
func Run(ctx context.Context, nc *nats.Conn, cfg Config, log *slog.Logger) error {
	cfg.Start = time.Now().UnixMicro()
	m, err := New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	fake := make(chan error, 1)
	go func() { // ends with ctx; Run waits for it
		fake <- RunFake(ctx, nc, log)
	}()
	err = runMarket(ctx, nc, m, log)
	cancel()
	return errors.Join(err, <-fake)
}

func runMarket(ctx context.Context, nc *nats.Conn, m *Market, log *slog.Logger) (err error) {
	p, err := publish.New(nc, publish.Options{Venue: Venue, Linger: publish.UntilFlush})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFeed(p)) }()
	instruments := make([]*publish.Instrument, 0, len(m.Instruments()))
	for _, in := range m.Instruments() {
		i, err := p.Define(in)
		if err != nil {
			return err
		}
		if err := i.Trading(market.TradingOpen, "", m.Now()); err != nil {
			return err
		}
		instruments = append(instruments, i)
	}
	emit := func(e *Event) error {
		switch i := instruments[e.Instrument]; e.Kind {
		case Quote:
			return i.Quote(e.Quote)
		case Trade:
			return i.Trade(e.Trade)
		case Stats:
			return i.Statistics(e.Stats)
		case Status:
			return i.Trading(e.Trading, e.Reason, e.Time)
		default:
			return i.Book(e.Book)
		}
	}
	return play(ctx, m, emit, p.Flush, &complaints{log: log})
}

// play gives each event to emit when its time has come, and flushes behind those that came together.
func play(ctx context.Context, m *Market, emit func(*Event) error, flush func() error, c *complaints) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Now()
		if lag := time.Duration(now.UnixMicro()-m.Now()) * time.Microsecond; lag > maxLag || lag < -maxLag {
			m.Skip(lag.Microseconds())
		}
		var err error
		for e := range m.Next(now.UnixMicro()) {
			if failed := emit(e); failed != nil && err == nil {
				err = failed
			}
		}
		if err := c.hear(now, errors.Join(err, flush())); err != nil {
			return err
		}
		// Never longer than maxLag, or a quiet market would look as if it had slept.
		timer.Reset(min(max(time.UnixMicro(m.NextTime()).Sub(now), slice), maxLag/2))
	}
}

// RunFake publishes test:FAKE alone over nc until ctx ends, which is no error. Otherwise it is as Run.
func RunFake(ctx context.Context, nc *nats.Conn, log *slog.Logger) (err error) {
	p, err := publish.New(nc, publish.Options{Venue: FakeVenue})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFeed(p)) }()
	i, err := p.Define(FakeInstrument())
	if err != nil {
		return err
	}
	if err := i.Trading(market.TradingOpen, "", 0); err != nil {
		return err
	}
	emit := func(second int64) error {
		q, t := Fake(second)
		return errors.Join(i.Quote(q), i.Trade(t))
	}
	return playFake(ctx, emit, &complaints{log: log})
}

// playFake calls emit at once and then as each second of the clock begins. A clock that is set back
// repeats no second.
func playFake(ctx context.Context, emit func(second int64) error, c *complaints) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Now()
		if second := now.Unix(); second > last {
			last = second
			if err := c.hear(now, emit(second)); err != nil {
				return err
			}
		}
		timer.Reset(now.Truncate(time.Second).Add(time.Second).Sub(now))
	}
}

// closeFeed closes p. On a connection that is gone there is nobody left to tell.
func closeFeed(p *publish.Publisher) error {
	err := p.Close()
	if errors.Is(err, nats.ErrConnectionClosed) {
		return nil
	}
	return err
}

// complaints logs failures to publish at a limited rate.
type complaints struct {
	log    *slog.Logger
	since  time.Time // of the last line
	unsaid int
}

// hear takes what became of a flush at now. It returns only what no retry can mend.
func (c *complaints) hear(now time.Time, err error) error {
	switch {
	case err == nil:
	case errors.Is(err, nats.ErrConnectionClosed):
		return err
	case now.Sub(c.since) < complainEvery:
		c.unsaid++
	default:
		c.log.Warn("simulated ticks were lost on their way to NATS", "error", err, "flushes lost before", c.unsaid)
		c.since, c.unsaid = now, 0
	}
	return nil
}
