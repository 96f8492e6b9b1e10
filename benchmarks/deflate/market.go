package deflate

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
)

// A watchlist is as many instruments as recordings make when each is played several times, a while apart.
const (
	plays = 5
	apart = 37 * time.Second
)

// tick is a quote of the watchlist, or changes of a book.
type tick struct {
	at         int64 // microseconds since the beginning
	instrument int
	quote      market.Quote
}

// tape is what is played.
type tape struct {
	instruments []market.Instrument
	quotes      []tick
	books       []book.Book // as they were at the end of each recording that has one
}

// read plays all recordings (*.gz) in dir.
func read(dir string) (*tape, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no recordings (*.gz) in %s", dir)
	}
	t := new(tape)
	for _, path := range paths {
		if err := t.play(path); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(t.quotes, func(a, b tick) int { return int(a.at - b.at) })
	return t, nil
}

func (t *tape) play(path string) error {
	survey, err := recording.SurveyFile(path)
	if err != nil {
		return err
	}
	if len(survey.Instruments) != 1 {
		return fmt.Errorf("%s: %d instruments, want one", path, len(survey.Instruments))
	}
	r, err := recording.Open(path, survey)
	if err != nil {
		return err
	}
	in := survey.Instruments[0]
	first := len(t.instruments)
	for range plays {
		t.instruments = append(t.instruments, market.Instrument{Symbol: in.Symbol, PriceScale: in.Price.Scale, SizeScale: in.Size.Scale})
	}
	var e recording.Event
	var b book.Book
	var begin int64
	last := market.Sequence(0)
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		at := e.ReceiveTime / 1000
		if begin == 0 {
			begin = at
		}
		switch {
		case e.Kind == recording.Quote:
			last++
			for n := range plays {
				q := e.Quote
				q.IngestTime, q.Position = at, market.Position{Epoch: 1_723_161_254_000_000, Sequence: last}
				t.quotes = append(t.quotes, tick{at: at - begin + int64(n)*apart.Microseconds(), instrument: first + n, quote: q})
			}
		case e.Kind == recording.Snapshot && b.Ticks() == 0, e.Kind == recording.Depth && b.Ticks() > 0:
			b.Apply(&market.BookEvent{Snapshot: e.Kind == recording.Snapshot, Bids: e.Book.Bids, Asks: e.Book.Asks, IngestTime: at,
				Position: market.Position{Epoch: 1, Sequence: market.Sequence(b.Ticks() + 1)}})
		}
	}
	if !errors.Is(err, io.EOF) {
		return errors.Join(err, r.Close())
	}
	if b.Ticks() > 0 {
		t.books = append(t.books, b)
	}
	return r.Close()
}
