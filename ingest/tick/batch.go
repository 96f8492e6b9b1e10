package tick

import (
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// MaxTicks is how many ticks a payload may hold, so that a few bytes each cannot make memory grow.
const MaxTicks = 10_000

// MaxLevels is how many levels of books a payload may hold, both sides together, for the same reason: images of
// two whole books fit.
const MaxLevels = 4 * market.MaxLevels

// Batch is the ticks of one payload. Its memory is reused: what it holds is valid until the next read.
// Quotes and trades carry neither position nor ingest time, and their numbers are in the publisher's
// scales (after ReadJSON: in those that were asked for). The zero value is ready.
type Batch struct {
	Epoch    uint64
	Sequence uint64 // of the first tick
	// PublishTime is the publisher's clock in microseconds; 0: not stated.
	PublishTime int64

	Quotes      []market.Quote
	Trades      []market.Trade
	Statuses    []Status
	Definitions []Definition
	Books       []Book
	Statistics  []market.Statistics

	bids, asks []market.Level // of all books
}

// Book is a step in the life of an order book.
type Book struct {
	Snapshot     bool // the whole image, or a part of it
	Partial      bool // the tick behind this one holds another part of the image
	Bids, Asks   []market.Level
	ExchangeTime int64
}

// Status is a change of what the venue lets participants do.
type Status struct {
	Trading      market.Trading
	Reason       string
	ExchangeTime int64
}

// Definition is an instrument's definition as its publisher states it.
type Definition struct {
	PriceScale, SizeScale    uint32
	PriceStep, SizeStep      int64
	Description, Base, Quote string
	Source                   string // without the venue; empty: the venue has one feed
	Asset                    market.AssetClass
	SessionStart             int32
	TimeZone                 string
	Delisted                 bool
}

// KindUnknown is the kind of a trade that this version does not know.
const KindUnknown market.TradeKind = 255

// Refusal says why a payload or a tick is not taken.
type Refusal struct {
	Reason drop.Reason
	Text   string // what was wrong and what would be right
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

var (
	errMalformed = &Refusal{drop.MalformedProtobuf, "payload is not a marketdata.v1.TickBatch"}
	errTooMany   = &Refusal{drop.BadValue, "batch of more than 10000 ticks: send several"}
	errTooDeep   = &Refusal{drop.BadValue, "batch of books with more than 40000 levels: send several, or an image in parts"}
)

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	*b = Batch{
		Quotes: b.Quotes[:0], Trades: b.Trades[:0], Statuses: b.Statuses[:0], Definitions: b.Definitions[:0],
		Books: b.Books[:0], Statistics: b.Statistics[:0], bids: b.bids[:0], asks: b.asks[:0],
	}
}

// Len returns the number of ticks of all kinds.
func (b *Batch) Len() int {
	return len(b.Quotes) + len(b.Trades) + len(b.Statuses) + len(b.Definitions) + len(b.Books) + len(b.Statistics)
}

// Channel returns the channel that all ticks belong to: ChannelNone where there are none, and false where
// they belong to several.
func (b *Batch) Channel() (market.Channel, bool) {
	ch, kinds := market.ChannelNone, 0
	for _, k := range [...]struct {
		n  int
		ch market.Channel
	}{
		{len(b.Quotes), market.ChannelQuote}, {len(b.Trades), market.ChannelTrade}, {len(b.Statuses), market.ChannelStatus},
		{len(b.Definitions), market.ChannelDefinition}, {len(b.Books), market.ChannelBook}, {len(b.Statistics), market.ChannelStats},
	} {
		if k.n > 0 {
			ch = k.ch
			kinds++
		}
	}
	return ch, kinds <= 1
}

// IsJSON reports whether a payload is meant as JSON: its first byte other than white space is '{'. No
// TickBatch starts so: it would be field 15 as a group, which it does not have.
func IsJSON(payload []byte) bool {
	for _, c := range payload {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '{'
		}
	}
	return false
}
