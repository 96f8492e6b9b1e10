package recording

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
)

// field is a bit for each member of the exchange's messages that is read.
type field uint32

const (
	hasStream field = 1 << iota
	hasData
	hasSymbol
	hasBid
	hasBidSize
	hasAsk
	hasAskSize
	hasPrice
	hasSize
	hasMaker
	hasTradeID
	hasEventTime
	hasTradeTime
	hasFirst
	hasLast
	hasPrevious
	hasSnapshotID
	hasBids
	hasAsks
)

// fieldNames are as the exchange spells them, in the order of the bits.
var fieldNames = [...]string{
	"stream", "data", "s", "b", "B", "a", "A", "p", "q", "m", "t", "E", "T", "U", "u", "pu", "lastUpdateId", "bids", "asks",
}

func (f field) String() string {
	var names []string
	for i, name := range fieldNames {
		if f&(1<<i) != 0 {
			names = append(names, `"`+name+`"`)
		}
	}
	return strings.Join(names, ", ")
}

// required are the members without which an event of a kind means nothing.
var required = [kinds]field{
	Quote:    hasStream | hasData | hasSymbol | hasBid | hasBidSize | hasAsk | hasAskSize,
	Trade:    hasStream | hasData | hasSymbol | hasPrice | hasSize | hasMaker | hasTradeID | hasTradeTime,
	Depth:    hasStream | hasData | hasSymbol | hasFirst | hasLast | hasBids | hasAsks,
	Snapshot: hasSnapshotID | hasBids | hasAsks,
}

// line is one line of a recording with its numbers as they are written. The slices are used again for the
// next line.
type line struct {
	received int64 // ns
	kind     Kind
	futures  bool
	has      field
	name     []byte // the exchange's spelling of the symbol; none in a snapshot
	stream   []byte

	bid, bidSize, ask, askSize number
	price, size                number
	maker                      bool
	tradeID                    int64
	eventTime, tradeTime       int64 // ms
	first, last, previous      int64
	bids, asks                 []rawLevel
}

type rawLevel struct{ price, size number }

// parse reads text, which must not change while the line is in use.
func (l *line) parse(text []byte) error {
	*l = line{bids: l.bids[:0], asks: l.asks[:0]}
	c := cursor{b: text}
	received, err := c.whole()
	if err != nil || received == 0 || c.i >= len(text) || text[c.i] != ' ' {
		return errors.New(`want "<receive time in ns> <JSON of the exchange>"`)
	}
	l.received = received
	c = cursor{b: bytes.TrimLeft(text[c.i:], " ")}
	err = c.members(func(name []byte) error {
		switch string(name) {
		case "stream":
			l.has |= hasStream
			var err error
			l.stream, err = c.text()
			return err
		case "data":
			l.has |= hasData
			return c.members(func(name []byte) error { return l.member(&c, name) })
		}
		return l.member(&c, name)
	})
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	return l.classify()
}

// member reads one member of a message, whatever the kind of message may turn out to be.
func (l *line) member(c *cursor, name []byte) error {
	var err error
	var f field
	switch string(name) {
	case "s":
		f = hasSymbol
		l.name, err = c.text()
	case "b":
		if c.peek() == '[' {
			f = hasBids
			l.bids, err = levels(c, l.bids[:0])
		} else {
			f = hasBid
			l.bid, err = c.number()
		}
	case "a":
		if c.peek() == '[' {
			f = hasAsks
			l.asks, err = levels(c, l.asks[:0])
		} else {
			f = hasAsk
			l.ask, err = c.number()
		}
	case "bids":
		f = hasBids
		l.bids, err = levels(c, l.bids[:0])
	case "asks":
		f = hasAsks
		l.asks, err = levels(c, l.asks[:0])
	case "B":
		f = hasBidSize
		l.bidSize, err = c.number()
	case "A":
		f = hasAskSize
		l.askSize, err = c.number()
	case "p":
		f = hasPrice
		l.price, err = c.number()
	case "q":
		f = hasSize
		l.size, err = c.number()
	case "m":
		f = hasMaker
		l.maker, err = c.truth()
	case "t":
		f = hasTradeID
		l.tradeID, err = c.whole()
	case "E":
		f = hasEventTime
		l.eventTime, err = c.milliseconds()
	case "T":
		f = hasTradeTime
		l.tradeTime, err = c.milliseconds()
	case "U":
		f = hasFirst
		l.first, err = c.whole()
	case "u":
		f = hasLast
		l.last, err = c.whole()
	case "pu":
		f = hasPrevious
		l.previous, err = c.whole()
	case "lastUpdateId":
		f = hasSnapshotID
		l.last, err = c.whole()
	case "X": // the futures exchange's kind of trade
		l.futures = true
		err = c.skip()
	default:
		err = c.skip()
	}
	if err != nil {
		return fmt.Errorf("member %q: %w", name, err)
	}
	l.has |= f
	return nil
}

// milliseconds reads a time that becomes microseconds without overflow.
func (c *cursor) milliseconds() (int64, error) {
	v, err := c.whole()
	if err == nil && v > math.MaxInt64/1000 {
		err = fmt.Errorf("time %d: want milliseconds since the Unix epoch", v)
	}
	return v, err
}

func levels(c *cursor, dst []rawLevel) ([]rawLevel, error) {
	err := c.elements(func() error {
		var pair [2]number
		n := 0
		err := c.elements(func() (err error) {
			if n == len(pair) {
				return c.fail("a level of price and size")
			}
			pair[n], err = c.number()
			n++
			return err
		})
		if err == nil && n < len(pair) {
			err = c.fail("a level of price and size")
		}
		dst = append(dst, rawLevel{price: pair[0], size: pair[1]})
		return err
	})
	return dst, err
}

// classify finds out what the line is and whether it is whole.
func (l *line) classify() error {
	l.futures = l.futures || l.has&hasPrevious != 0
	switch {
	case l.has&(hasStream|hasData) == 0 && l.has&hasSnapshotID != 0:
		l.kind = Snapshot
	case l.has&hasStream == 0:
		return errors.New(`want {"stream":…,"data":{…}} or a book snapshot with "lastUpdateId"`)
	default:
		if err := l.classifyStream(); err != nil {
			return err
		}
	}
	if missing := required[l.kind] &^ l.has; missing != 0 {
		return fmt.Errorf("%s without %v", l.kind, missing)
	}
	// Spot trades have an event time too; there "X" tells.
	if (l.kind == Quote || l.kind == Snapshot) && l.has&hasEventTime != 0 {
		l.futures = true
	}
	return nil
}

func (l *line) classifyStream() error {
	name, stream, ok := bytes.Cut(l.stream, []byte("@"))
	if !ok {
		return fmt.Errorf("stream %q: want symbol@bookTicker, symbol@trade or symbol@depth", l.stream)
	}
	kind, _, _ := bytes.Cut(stream, []byte("@")) // the speed of a depth stream follows
	switch string(kind) {
	case "bookTicker":
		l.kind = Quote
	case "trade":
		l.kind = Trade
	case "depth":
		l.kind = Depth
	default:
		return fmt.Errorf("stream %q: want symbol@bookTicker, symbol@trade or symbol@depth", l.stream)
	}
	if l.has&hasSymbol != 0 && !bytes.EqualFold(name, l.name) {
		return fmt.Errorf("stream %q carries symbol %q", l.stream, l.name)
	}
	return nil
}
