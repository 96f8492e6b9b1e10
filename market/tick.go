package market

// Epoch and Sequence order ticks. A publisher that starts its numbers again takes a larger epoch; a
// sequence counts up by one per tick of one instrument and channel within an epoch, from 1.
type (
	Epoch    uint64
	Sequence uint64
)

// Position is a point in the stream of ticks of one instrument and channel.
type Position struct {
	Epoch    Epoch
	Sequence Sequence
}

// Before reports whether p lies strictly ahead of q in time.
func (p Position) Before(q Position) bool {
	if p.Epoch != q.Epoch {
		return p.Epoch < q.Epoch
	}
	return p.Sequence < q.Sequence
}

// Has tells which parts of a quote exist. The bits are those of feed.v1.Quote.has.
type Has uint8

// The parts of a quote that may be missing.
const (
	HasBid Has = 1 << iota
	HasAsk
	HasExchangeTime
)

// Quote is the whole top of an instrument's book. What Has does not name is zero.
type Quote struct {
	Bid, BidSize int64
	Ask, AskSize int64
	ExchangeTime int64
	IngestTime   int64 // when feedd took it in; never zero once a quote was seen
	Position     Position
	Has          Has
}

// Side is who took liquidity in a trade. The numbers are those of feed.v1.Side.
type Side uint8

// Sides of a trade.
const (
	SideUnknown Side = iota
	SideBuy
	SideSell
)

// String returns "buy", "sell" or "".
func (s Side) String() string {
	switch s {
	case SideBuy:
		return "buy"
	case SideSell:
		return "sell"
	}
	return ""
}

// TradeKind tells an ordinary trade from one that mends an earlier one. The numbers are those of
// feed.v1.TradeKind.
type TradeKind uint8

// Kinds of trade.
const (
	TradeOrdinary TradeKind = iota
	TradeCorrection
	TradeCancellation
)

// String returns "", "correction" or "cancellation".
func (k TradeKind) String() string {
	switch k {
	case TradeCorrection:
		return "correction"
	case TradeCancellation:
		return "cancellation"
	}
	return ""
}

// Trade is one trade.
type Trade struct {
	Price, Size  int64
	ExchangeTime int64
	IngestTime   int64
	ID           uint64 // the venue's own number; 0: none
	RefersTo     Sequence
	Position     Position
	Aggressor    Side
	Kind         TradeKind
}

// Handle is the number that rows carry on the wire: one for each instrument, channel and View, and one for
// each source's status, the same for every session of a node. Handles start at 1 and are never used again
// while the node runs.
type Handle uint32
