package feed

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// record makes the stream over the ticks that feedd reads after a restart, as feedd makes it in its own NATS.
func record(nc *nats.Conn, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return ingest.EnsureStream(ctx, nc, ingest.StreamOptions{}, slog.New(slog.DiscardHandler))
}

// middle is the price around which books lie.
const middle = 1_000_000

// openBook publishes the image of an instrument's book.
func (s *Source) openBook(i int) error {
	if s.cfg.Levels == 0 {
		return nil
	}
	b := publish.Book{Snapshot: true, ExchangeTime: time.Now().UnixMicro()}
	for n := range int64(s.cfg.Levels) {
		b.Bids = append(b.Bids, publish.Level{Price: middle - 1 - n, Size: 100 + n})
		b.Asks = append(b.Asks, publish.Level{Price: middle + 1 + n, Size: 100 + n})
	}
	if err := s.instruments[i].Book(b); err != nil {
		return fmt.Errorf("publish %s: %w", symbol(i), err)
	}
	return nil
}

// depth publishes a change of an instrument's book and a trade.
func (s *Source) depth(i int, us int64) error {
	if s.cfg.Levels == 0 {
		return nil
	}
	n := s.published.Bursts
	change := publish.Book{ExchangeTime: us, Bids: []publish.Level{{Price: middle - 1 - n%int64(s.cfg.Levels), Size: 100 + n%1000}}}
	if err := s.instruments[i].Book(change); err != nil {
		return fmt.Errorf("publish %s: %w", symbol(i), err)
	}
	trade := market.Trade{Price: middle + n%100, Size: 1 + n%50, ExchangeTime: us, ID: uint64(n)}
	if err := s.instruments[i].Trade(trade); err != nil {
		return fmt.Errorf("publish %s: %w", symbol(i), err)
	}
	return nil
}
