package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// outlet is where a replay's ticks go: NATS, or a test's notebook.
type outlet interface {
	// open begins an epoch of a venue.
	open(venue string, epoch market.Epoch) (feed, error)
	// settle waits until all that was flushed has left this process and the server has read it.
	settle(ctx context.Context) error
}

// feed publishes for one venue. Ticks may be kept back until flush.
type feed interface {
	define(in market.Instrument) (instrument, error)
	Flush() error
	Close() error
}

type instrument interface {
	Quote(q market.Quote) error
	Trade(t market.Trade) error
	Book(b publish.Book) error
}

// feeds are those of one epoch, in the order of their opening.
type feeds []venueFeed

type venueFeed struct {
	venue string
	feed  feed
}

// of returns the feed of venue, which it opens the first time.
func (f *feeds) of(venue string, out outlet, epoch market.Epoch) (feed, error) {
	for _, v := range *f {
		if v.venue == venue {
			return v.feed, nil
		}
	}
	opened, err := out.open(venue, epoch)
	if err == nil {
		*f = append(*f, venueFeed{venue, opened})
	}
	return opened, err
}

func (f feeds) flush() error {
	var errs []error
	for _, v := range f {
		errs = append(errs, v.feed.Flush())
	}
	return errors.Join(errs...)
}

func (f feeds) close() error {
	var errs []error
	for _, v := range f {
		errs = append(errs, v.feed.Close())
	}
	return errors.Join(errs...)
}

const (
	// settleTimeout is how long a connected NATS server may take to read what it was sent.
	settleTimeout = 10 * time.Second
	// settleRetry is how often a server that is away is looked for.
	settleRetry = 100 * time.Millisecond
)

type natsOutlet struct{ nc *nats.Conn }

func (o natsOutlet) open(venue string, epoch market.Epoch) (feed, error) {
	p, err := publish.New(o.nc, publish.Options{Venue: venue, Epoch: epoch, Linger: publish.UntilFlush})
	if err != nil {
		return nil, err
	}
	return natsFeed{p}, nil
}

// settle waits for a server that is away for as long as the connection does: the market stands still
// meanwhile and nothing is lost.
func (o natsOutlet) settle(ctx context.Context) error {
	for {
		err := o.roundTrip(ctx)
		switch {
		case err == nil || ctx.Err() != nil || o.nc.IsClosed():
			return err
		case o.nc.IsConnected() && errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("NATS has not answered for %v", settleTimeout)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settleRetry):
		}
	}
}

func (o natsOutlet) roundTrip(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return o.nc.FlushWithContext(ctx)
}

type natsFeed struct{ *publish.Publisher }

func (f natsFeed) define(in market.Instrument) (instrument, error) {
	i, err := f.Define(in)
	if err != nil {
		return nil, err // and not an interface around a nil pointer
	}
	return i, nil
}
