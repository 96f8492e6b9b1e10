package client

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Book is a view of an instrument's order book.
type Book struct {
	bids, asks side
	// Position is that of the last full row, since differences carry none; in readable rows that of the last row.
	Position market.Position
	// IngestTime is exact to the millisecond. ExchangeTime is the same where the venue gives none.
	IngestTime, ExchangeTime int64
}

// Bids returns the bids, best first.
func (b *Book) Bids() []market.Level { return b.bids.bestFirst() }

// Asks returns the asks, best first.
func (b *Book) Asks() []market.Level { return b.asks.bestFirst() }

// Checksum computes the self-test of a view: CRC-32 (IEEE) over bids and then asks, best first, at most 100 of each,
// price and then size as eight bytes each, the least significant first.
func (b *Book) Checksum() uint32 {
	var text []byte
	for _, s := range [...]*side{&b.bids, &b.asks} {
		levels := s.bestFirst()
		for _, l := range levels[:min(len(levels), 100)] {
			text = binary.LittleEndian.AppendUint64(text, uint64(l.Price))
			text = binary.LittleEndian.AppendUint64(text, uint64(l.Size))
		}
	}
	return crc32.ChecksumIEEE(text)
}

// side is one side of a book. The best level stands last, since most changes are near it.
type side struct {
	levels []market.Level
	ask    bool
}

// better reports whether a is nearer to the market than b.
func (s *side) better(a, b int64) bool {
	if s.ask {
		return a < b
	}
	return a > b
}

// set makes size what is offered at price; 0 takes the level away.
func (s *side) set(price, size int64) {
	at, found := slices.BinarySearchFunc(s.levels, price, func(l market.Level, price int64) int {
		switch {
		case l.Price == price:
			return 0
		case s.better(l.Price, price):
			return 1
		}
		return -1
	})
	switch {
	case found && size == 0:
		s.levels = slices.Delete(s.levels, at, at+1)
	case found:
		s.levels[at].Size = size
	case size != 0:
		s.levels = slices.Insert(s.levels, at, market.Level{Price: price, Size: size})
	}
}

func (s *side) bestFirst() []market.Level {
	levels := slices.Clone(s.levels)
	slices.Reverse(levels)
	return levels
}

// bookState is the book of a subscription.
type bookState struct {
	held     *Book // nil until a whole view came
	coming   *Book // a view of which some parts came; nil: none
	transit  int64
	checked  uint64 // checksums that were right
	lastFull market.Position
}

// BookRow is what a row did to a view of a book.
type BookRow struct {
	Symbol string
	View   market.View
	Full   bool // the view is stated anew; otherwise levels changed
	// Partial says that more parts of a full view follow, until which Book is the one before.
	Partial bool
	// Bids and Asks are the levels that the row names, best first; a size of 0 is gone.
	Bids, Asks []market.Level
	// Book is the view behind the last row of the frame, valid during OnUpdate. It is nil while parts of the first
	// one come.
	Book *Book
	Cut  time.Time
}

func (m *Model) applyBooks(u *Update) error {
	for _, r := range u.Frame.Books {
		s, err := m.find(r.Handle, market.ChannelBook)
		if err != nil {
			return err
		}
		row, err := s.applyBook(r, u.Cut)
		if err != nil {
			return err
		}
		u.Books = append(u.Books, row)
	}
	for _, r := range u.Frame.BookTexts {
		s, row, err := m.bookFromText(r)
		if err != nil {
			return err
		}
		row.Cut = u.Cut
		if err := s.takeBook(&row.BookRow, row.position, row.ingest, row.exchange, r.Snapshot, r.Partial); err != nil {
			return err
		}
		u.Books = append(u.Books, row.BookRow)
	}
	return nil
}

// applyBook follows the comment of feed.v1.Book word for word.
func (s *subscription) applyBook(r *feedv1.Book, cut time.Time) (row BookRow, err error) {
	row = BookRow{Symbol: s.symbol, View: s.view, Cut: cut}
	full := r.Sequence != 0
	if row.Bids, err = s.levels(r.Bids, false, full); err != nil {
		return row, err
	}
	if row.Asks, err = s.levels(r.Asks, true, full); err != nil {
		return row, err
	}
	if full {
		s.book.transit = 0
	}
	s.book.transit += int64(r.TransitMs)
	ingest := cut.Add(-time.Duration(r.AgeMs) * time.Millisecond).UnixMicro()
	position := market.Position{Epoch: market.Epoch(r.Epoch), Sequence: market.Sequence(r.Sequence)}
	if err := s.takeBook(&row, position, ingest, ingest-1000*s.book.transit, full, r.Partial); err != nil {
		return row, err
	}
	if r.Checksum == nil {
		return row, nil
	}
	if r.Partial {
		return row, violation("book of %s: a checksum of a part", s.symbol)
	}
	if sum := s.book.held.Checksum(); sum != *r.Checksum {
		return row, violation("book of %s %+v: checksum %08x, want %08x", s.symbol, s.view, sum, *r.Checksum)
	}
	s.book.checked++
	return row, nil
}

// levels reads the pairs of a row, best first.
func (s *subscription) levels(pairs []int64, ask, full bool) ([]market.Level, error) {
	if len(pairs)%2 != 0 {
		return nil, violation("book of %s: a price without a size", s.symbol)
	}
	levels := make([]market.Level, 0, len(pairs)/2)
	price := int64(0)
	for i := 0; i < len(pairs); i += 2 {
		price += pairs[i]
		levels = append(levels, market.Level{Price: price, Size: pairs[i+1]})
	}
	return levels, s.checkLevels(levels, ask, full)
}

func (s *subscription) checkLevels(levels []market.Level, ask, full bool) error {
	order := side{ask: ask}
	for i, l := range levels {
		switch {
		case l.Size < 0 || full && l.Size == 0:
			return violation("book of %s: level %d of size %d", s.symbol, l.Price, l.Size)
		case i > 0 && !order.better(levels[i-1].Price, l.Price):
			return violation("book of %s: level %d behind %d is not best first", s.symbol, l.Price, levels[i-1].Price)
		case s.view.Group > 1 && l.Price%s.view.Group != 0:
			return violation("book of %s: level %d is no multiple of the group %d", s.symbol, l.Price, s.view.Group)
		}
	}
	return nil
}

// takeBook applies a row's levels, and its times and position where it is the last of its view.
func (s *subscription) takeBook(row *BookRow, p market.Position, ingest, exchange int64, full, partial bool) error {
	b := &s.book
	target := b.held
	switch {
	case !full && partial:
		return violation("book of %s: a part of a difference", s.symbol)
	case !full && b.coming != nil:
		return violation("book of %s: a difference between the parts of a view", s.symbol)
	case !full && b.held == nil:
		return violation("book of %s: a difference without a full row before it", s.symbol)
	case full && p.Before(b.lastFull):
		return violation("book of %s went back from %v to %v", s.symbol, b.lastFull, p)
	case full:
		if b.coming == nil || b.coming.Position != p {
			b.coming = &Book{asks: side{ask: true}, Position: p}
		}
		target, b.lastFull = b.coming, p
		if err := s.checkContinues(target, row); err != nil {
			return err
		}
	}
	for _, l := range row.Bids {
		target.bids.set(l.Price, l.Size)
	}
	for _, l := range row.Asks {
		target.asks.set(l.Price, l.Size)
	}
	target.IngestTime, target.ExchangeTime = ingest, exchange
	if d := int(s.view.Depth); d != 0 && (len(target.bids.levels) > d || len(target.asks.levels) > d) {
		return violation("book of %s: %d bids and %d asks at depth %d", s.symbol, len(target.bids.levels), len(target.asks.levels), d)
	}
	row.Full, row.Partial = full, partial
	if !partial {
		b.held, b.coming = target, nil
	}
	row.Book = b.held
	return nil
}

// checkContinues holds a part of a view against those before it: best first goes on.
func (s *subscription) checkContinues(b *Book, row *BookRow) error {
	for _, part := range []struct {
		have *side
		more []market.Level
	}{{&b.bids, row.Bids}, {&b.asks, row.Asks}} {
		if len(part.more) > 0 && len(part.have.levels) > 0 && !part.have.better(part.have.levels[0].Price, part.more[0].Price) {
			return violation("book of %s: a part begins with %d, which is not behind %d", s.symbol, part.more[0].Price, part.have.levels[0].Price)
		}
	}
	return nil
}

// textBookRow is a readable row, read.
type textBookRow struct {
	BookRow
	position         market.Position
	ingest, exchange int64
}

func (m *Model) bookFromText(r *feedv1.BookText) (*subscription, textBookRow, error) {
	in := m.instruments[named(r.Symbol, m.delayMs)]
	read := textReader{in: in}
	view := market.View{Depth: uint8(r.Depth)}
	if r.PriceGroup != "" {
		view.Group = read.price(r.PriceGroup)
	}
	s, err := m.findText(r.Symbol, market.ChannelBook, view)
	if err != nil {
		return nil, textBookRow{}, err
	}
	row := textBookRow{BookRow: BookRow{Symbol: r.Symbol, View: view}, position: read.position(r.Epoch, r.Sequence), ingest: read.time(r.IngestTime)}
	row.exchange = row.ingest
	if r.ExchangeTime != "" {
		row.exchange = read.time(r.ExchangeTime)
	}
	for _, list := range []struct {
		from []*feedv1.LevelText
		to   *[]market.Level
		ask  bool
	}{{r.Bids, &row.Bids, false}, {r.Asks, &row.Asks, true}} {
		for _, l := range list.from {
			*list.to = append(*list.to, market.Level{Price: read.price(l.Price), Size: read.size(l.Size)})
		}
		if err := s.checkLevels(*list.to, list.ask, r.Snapshot); err != nil {
			return nil, row, err
		}
	}
	if read.err == nil && !r.Snapshot && s.book.held != nil {
		if row.position.Before(s.book.held.Position) {
			return nil, row, violation("book of %s went back from %v to %v", s.symbol, s.book.held.Position, row.position)
		}
		s.book.held.Position = row.position
	}
	return s, row, read.err
}

// Book returns a copy of a view of a symbol's book. It is there once all parts of the first full view came.
func (m *Model) Book(symbol string, view market.View) (Book, bool) {
	s := m.byName[topic{symbol, market.ChannelBook, view}]
	if s == nil || s.book.held == nil {
		return Book{}, false
	}
	b := *s.book.held
	b.bids.levels, b.asks.levels = slices.Clone(b.bids.levels), slices.Clone(b.asks.levels)
	return b, true
}

// Checksums returns how many checksums of a view of a book were compared; all were right.
func (m *Model) Checksums(symbol string, view market.View) uint64 {
	if s := m.byName[topic{symbol, market.ChannelBook, view}]; s != nil {
		return s.book.checked
	}
	return 0
}
