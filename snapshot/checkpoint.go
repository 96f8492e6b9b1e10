package snapshot

import (
	"fmt"

	"github.com/feedd/feedd/internal/checkpoint/section"
	"github.com/feedd/feedd/market"
)

// sectionSize is how many bytes are enough for a section. Ingest waits while one is put together, for 0.1 ms or so.
const sectionSize = 32 << 10

// Checkpoint gives emit the state of every instrument, a few in each section, for Restore to read. Readers and the writer go on
// meanwhile: every instrument is whole in itself, but one may be of a later moment than another. Of a log, at most
// Options.LogEvents events are kept; of a status, what the venue says: whether it may be believed is for the next start to
// find out. emit must not keep the section. Checkpoint ends with emit's first error.
func (s *Store) Checkpoint(emit func(section []byte) error) error {
	buf := make([]byte, 0, 2*sectionSize)
	for id := market.InstrumentID(0); ; {
		if buf, id = s.appendSome(buf[:0], id); len(buf) == 0 {
			return nil
		}
		if err := emit(buf); err != nil {
			return err
		}
	}
}

// appendSome appends the rows of a few instruments from id on, and returns the one behind them.
func (s *Store) appendSome(dst []byte, id market.InstrumentID) ([]byte, market.InstrumentID) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for ; int(id) < len(s.records) && len(dst) < sectionSize; id++ {
		r := &s.records[id]
		dst = section.AppendPart(dst, func(dst []byte) []byte { return r.appendTo(dst, s.options.LogEvents) })
	}
	return dst, id
}

// Restore takes in what a section of Checkpoint holds. It is for a store that knows none of these instruments, ahead of its first
// reader. Where it fails, the error says why, and the store holds a part of the section and is of no further use.
func (s *Store) Restore(b []byte) error {
	s.Begin()
	defer s.Commit()
	for in := section.NewReader(b); in.More() || in.Err() != nil; {
		row := in.Part()
		if err := in.Err(); err != nil {
			return fmt.Errorf("behind %d instruments: %w", len(s.records), err)
		}
		if err := s.restore(row); err != nil {
			return fmt.Errorf("instrument %d: %w", len(s.records), err)
		}
	}
	return nil
}

// restore takes in one row.
func (s *Store) restore(row []byte) error {
	in := section.NewReader(row)
	instrument := readInstrument(in)
	if err := in.Err(); err != nil {
		return err
	}
	if _, known := s.byName[instrument.Symbol]; known {
		return fmt.Errorf("%s is there twice", instrument.Symbol)
	}
	id, err := s.Define(instrument)
	if err != nil {
		return err
	}
	r := &s.records[id]
	r.readStatus(in)
	r.readQuote(in)
	s.readLog(in, id)
	book, bars := in.Part(), in.Part()
	if in.More() {
		in.Fail("more than an instrument has")
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%s: %w", instrument.Symbol, err)
	}
	if err := r.book.readFrom(book); err != nil {
		return fmt.Errorf("%s: %w", instrument.Symbol, err)
	}
	rest, err := s.readBars(id, bars)
	if err == nil && len(rest) > 0 {
		err = errStoredBars
	}
	if err != nil {
		return fmt.Errorf("%s: %w", instrument.Symbol, err)
	}
	return nil
}

// Position returns where in the ticks of an instrument's channel its state stands: what is up to there is in it. It is zero for a
// channel that keeps no position, and where there was no tick.
func (s *Store) Position(id market.InstrumentID, ch market.Channel) market.Position {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := &s.records[id]
	switch ch {
	case market.ChannelQuote:
		return r.quote.Position
	case market.ChannelTrade:
		return r.trades.end().Last
	case market.ChannelBook:
		return (*Reader)(s).Book(id).Position()
	case market.ChannelStats:
		if r.bars.venue != nil {
			return r.bars.venue.Position
		}
	}
	return market.Position{}
}
