package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"

	"github.com/feedd/feedd/market"
)

// maxLine bounds a line in bytes: a snapshot of 5,000 levels a side is 300 KB.
const maxLine = 4 << 20

// lines reads a recording line by line.
type lines struct {
	name   string // for errors
	number int    // of the line read last, from 1
	scan   *bufio.Scanner
	close  []io.Closer // innermost first
}

func openLines(path string) (*lines, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	in, err := newLines(f, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in.close = append(in.close, f)
	return in, nil
}

// newLines tells gzip from plain text by its first two bytes, so that a file's name does not matter.
func newLines(r io.Reader, name string) (*lines, error) {
	in := &lines{name: name}
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, err := buffered.Peek(2)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var text io.Reader = buffered
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("%s: starts as gzip: %w", name, err)
		}
		in.close = append(in.close, z)
		text = z
	}
	in.scan = bufio.NewScanner(text)
	in.scan.Buffer(make([]byte, 0, 128<<10), maxLine)
	return in, nil
}

// next reads one line into l, whose contents are valid until the next call. io.EOF: there is none.
func (in *lines) next(l *line) error {
	if !in.scan.Scan() {
		if err := in.scan.Err(); err != nil {
			in.number++
			return in.wrap(readError(err))
		}
		return io.EOF
	}
	in.number++
	if err := l.parse(in.scan.Bytes()); err != nil {
		// A read that failed leaves half a line behind: the failure is the news, not the half.
		if rerr := in.scan.Err(); rerr != nil {
			err = readError(rerr)
		}
		return in.wrap(err)
	}
	return nil
}

func readError(err error) error {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line of more than %d bytes", maxLine)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the gzip data ends too early: the file is cut off")
	}
	return err
}

func (in *lines) wrap(err error) error {
	return fmt.Errorf("%s:%d: %w", in.name, in.number, err)
}

func (in *lines) Close() error {
	var errs []error
	for _, c := range in.close {
		errs = append(errs, c.Close())
	}
	in.close = nil
	return errors.Join(errs...)
}

// Reader reads the events of one recording in order. It is for use by one goroutine.
type Reader struct {
	in          *lines
	instruments []*Instrument
	names       symbols
	line        line
	bids, asks  []market.Level
}

// Open opens the recording at path, of which survey tells the scales.
func Open(path string, survey *Survey) (*Reader, error) {
	in, err := openLines(path)
	if err != nil {
		return nil, err
	}
	return newReader(in, survey), nil
}

func newReader(in *lines, survey *Survey) *Reader {
	r := &Reader{in: in}
	for i := range survey.Instruments {
		r.instruments = append(r.instruments, &survey.Instruments[i])
	}
	return r
}

// Close closes the file.
func (r *Reader) Close() error { return r.in.Close() }

// Next reads the next event into e. It returns io.EOF behind the last one; any other error names the file
// and the line, and ends the recording.
func (r *Reader) Next(e *Event) error {
	if err := r.in.next(&r.line); err != nil {
		return err
	}
	if err := r.event(e); err != nil {
		return r.in.wrap(err)
	}
	return nil
}

func (r *Reader) event(e *Event) error {
	l := &r.line
	in, err := r.instrument()
	if err != nil {
		return err
	}
	*e = Event{Kind: l.kind, ReceiveTime: l.received, Symbol: in.Symbol}
	s := scaler{price: in.Price.Scale, size: in.Size.Scale}
	switch l.kind {
	case Quote:
		e.Quote = s.quote(l)
	case Trade:
		e.Trade = s.trade(l)
	default:
		r.bids, r.asks = s.levels(r.bids[:0], l.bids), s.levels(r.asks[:0], l.asks)
		e.Book = Book{
			First: l.first, Last: l.last, Previous: l.previous, HasPrevious: l.has&hasPrevious != 0,
			Bids: r.bids, Asks: r.asks, ExchangeTime: l.exchangeTime(),
		}
	}
	if s.failed {
		return fmt.Errorf("instrument %s: a number needs more decimals than the survey found: the file has changed since", e.Symbol)
	}
	return nil
}

// instrument returns whose line was read. A file holds few instruments, so that looking along them beats a map.
func (r *Reader) instrument() (*Instrument, error) {
	if r.line.kind == Snapshot {
		return snapshotOwner(r.instruments, r.line.venue())
	}
	symbol, err := r.names.of(&r.line)
	if err != nil {
		return nil, err
	}
	for _, in := range r.instruments {
		if in.Symbol == symbol {
			return in, nil
		}
	}
	return nil, fmt.Errorf("instrument %s is not in the survey: the file has changed since", symbol)
}

// exchangeTime is the matching engine's time in microseconds where the venue gives it, else when the
// event was sent, else 0.
func (l *line) exchangeTime() int64 {
	if l.has&hasTradeTime != 0 {
		return l.tradeTime * 1000
	}
	return l.eventTime * 1000
}

// scaler converts numbers to an instrument's scales and remembers whether one did not fit.
type scaler struct {
	price, size uint8
	failed      bool
}

func (s *scaler) convert(n number, scale uint8) int64 {
	v, ok := market.Rescale(n.value, n.decimals, scale)
	s.failed = s.failed || !ok
	return v
}

// quote takes a price of 0 as the exchange means it: nobody is there.
func (s *scaler) quote(l *line) market.Quote {
	q := market.Quote{ExchangeTime: l.exchangeTime()}
	if l.bid.value != 0 {
		q.Has |= market.HasBid
		q.Bid, q.BidSize = s.convert(l.bid, s.price), s.convert(l.bidSize, s.size)
	}
	if l.ask.value != 0 {
		q.Has |= market.HasAsk
		q.Ask, q.AskSize = s.convert(l.ask, s.price), s.convert(l.askSize, s.size)
	}
	if q.ExchangeTime != 0 {
		q.Has |= market.HasExchangeTime
	}
	return q
}

func (s *scaler) trade(l *line) market.Trade {
	t := market.Trade{
		Price: s.convert(l.price, s.price), Size: s.convert(l.size, s.size), ID: uint64(l.tradeID), ExchangeTime: l.exchangeTime(),
		Aggressor: market.SideBuy,
	}
	if l.maker { // the buyer was there first, so the seller took
		t.Aggressor = market.SideSell
	}
	return t
}

func (s *scaler) levels(dst []market.Level, raw []rawLevel) []market.Level {
	for _, l := range raw {
		dst = append(dst, market.Level{Price: s.convert(l.price, s.price), Size: s.convert(l.size, s.size)})
	}
	return dst
}
