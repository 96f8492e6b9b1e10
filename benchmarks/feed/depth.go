package feed

import (
	"context"
	"errors"
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

// ladder is the book of an instrument: a size at each price, one step apart, best first. 0: no level there.
type ladder struct{ bids, asks []int64 }

// Level is a price of a book.
type Level struct {
	Price int64 `json:"p"`
	Size  int64 `json:"s"`
}

// Book is the best levels of a book.
type Book struct {
	Bids []Level `json:"bids"`
	Asks []Level `json:"asks"`
}

// top returns the best levels of both sides.
func (l *ladder) top(depth int) Book {
	side := func(sizes []int64, first, step int64) []Level {
		var levels []Level
		for n, size := range sizes {
			if size > 0 && len(levels) < depth {
				levels = append(levels, Level{first + int64(n)*step, size})
			}
		}
		return levels
	}
	return Book{Bids: side(l.bids, middle-1, -1), Asks: side(l.asks, middle+1, 1)}
}

// hasBook reports whether an instrument has a book and trades.
func (s *Source) hasBook(i int) bool {
	return s.cfg.Levels > 0 && (s.cfg.Books == 0 || i < s.cfg.Books)
}

// openBook publishes the image of an instrument's book.
func (s *Source) openBook(i int) error {
	s.ladders = append(s.ladders, ladder{})
	if !s.hasBook(i) {
		return nil
	}
	b := publish.Book{Snapshot: true, ExchangeTime: time.Now().UnixMicro()}
	l := &s.ladders[i]
	for n := range int64(s.cfg.Levels) {
		l.bids, l.asks = append(l.bids, 100+n), append(l.asks, 100+n)
		b.Bids = append(b.Bids, publish.Level{Price: middle - 1 - n, Size: 100 + n})
		b.Asks = append(b.Asks, publish.Level{Price: middle + 1 + n, Size: 100 + n})
	}
	if err := s.instruments[i].Book(b); err != nil {
		return fmt.Errorf("publish %s: %w", symbol(i), err)
	}
	return nil
}

// FullPast is a past with which nothing that feedd keeps of a trading instrument can grow any more.
const FullPast = pastDays + pastSeconds

const (
	// A trade a day begins a bar of every interval there is, so that this many fill the longest ring, of 1,440 minutes.
	pastDays = 1500
	// More than the ring of seconds, and more than a log keeps: what is kept then looks like what will take its place.
	pastSeconds = 1100
	// A log grows beyond what it keeps with what comes within 6 s, and stays so large: fewer than it keeps come at once.
	pastRound = 1000
	pastPause = 7 * time.Second
)

// past publishes the trades that instruments with books have behind them.
func (s *Source) past() error {
	now := time.Now()
	for left := s.cfg.Past; left > 0; {
		round := min(left, pastRound)
		for i := range s.instruments {
			if !s.hasBook(i) {
				continue
			}
			for k := left; k > left-round; k-- {
				if err := s.trade(i, now.Add(-ago(k)).UnixMicro()); err != nil {
					return err
				}
			}
		}
		if err := errors.Join(s.publisher.Flush(), s.nc.Flush()); err != nil {
			return err
		}
		left -= round
		time.Sleep(pastPause)
	}
	return nil
}

// ago is how long the last but k trades of the past lie back.
func ago(k int) time.Duration {
	const day = 24 * time.Hour
	return time.Duration(min(k, pastSeconds))*time.Second + time.Duration(max(0, k-pastSeconds))*day
}

func (s *Source) trade(i int, us int64) error {
	s.published.Trades++
	n := s.published.Trades
	if err := s.instruments[i].Trade(market.Trade{Price: middle + n%100, Size: 1 + n%50, ExchangeTime: us, ID: uint64(n)}); err != nil {
		return fmt.Errorf("publish %s: %w", symbol(i), err)
	}
	return nil
}

// For each tick of the top, an exchange sends about a quarter of a trade and a tenth of a message of some dozens of
// levels that changed.
const (
	tradeOneIn  = 4
	changeOneIn = 8
	mostLevels  = 24
)

// depth publishes what goes with a burst of quotes: now and then a trade, now and then a change of the book.
func (s *Source) depth(i int, us int64) error {
	if !s.hasBook(i) {
		return nil
	}
	if s.random.IntN(changeOneIn) == 0 {
		if err := s.change(i, us); err != nil {
			return fmt.Errorf("publish %s: %w", symbol(i), err)
		}
	}
	if s.random.IntN(tradeOneIn) == 0 {
		return s.trade(i, us)
	}
	return nil
}

// change publishes new sizes of some levels of a book, most of them near the market.
func (s *Source) change(i int, us int64) error {
	change := publish.Book{ExchangeTime: us}
	l := &s.ladders[i]
	for range 1 + s.random.IntN(mostLevels) {
		at := int64(min(s.random.ExpFloat64()*8, float64(s.cfg.Levels-1)))
		size := 1 + s.random.Int64N(1000)
		if s.random.IntN(8) == 0 {
			size = 0 // the level is gone
		}
		if s.random.IntN(2) == 0 {
			l.bids[at] = size
			change.Bids = append(change.Bids, publish.Level{Price: middle - 1 - at, Size: size})
		} else {
			l.asks[at] = size
			change.Asks = append(change.Asks, publish.Level{Price: middle + 1 + at, Size: size})
		}
	}
	s.published.Changes += int64(len(change.Bids) + len(change.Asks))
	return s.instruments[i].Book(change)
}

// Tops returns the best levels of every book, nothing for instruments that have none.
func (s *Source) Tops(depth int) []Book {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Book, len(s.ladders))
	for i := range all {
		all[i] = s.ladders[i].top(depth)
	}
	return all
}
