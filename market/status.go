package market

// Stream says whether more will come of an instrument or source. The numbers are those of
// feed.v1.Stream.
type Stream uint8

// States of a stream.
const (
	StreamUnknown Stream = iota
	StreamOpen
	StreamClosed      // for good
	StreamClosedRetry // ask again later
)

// Quality says whether what was sent may be believed. It tells of the source and of open gaps, never
// of a price that merely did not move. The numbers are those of feed.v1.Quality.
type Quality uint8

// Qualities.
const (
	QualityUnknown Quality = iota
	QualityOK
	QualitySuspect // the source is silent or a gap is open
	QualitySyncing // being rebuilt
)

// Trading is what the venue lets participants do. The numbers are those of feed.v1.Trading and
// marketdata.v1.Trading.
type Trading uint8

// Trading states.
const (
	TradingUnknown Trading = iota
	TradingOpen
	TradingHalted
	TradingAuction
	TradingPreOpen
	TradingClosed
)

// Status is the state of an instrument beside its prices, or (without Trading) of a source.
type Status struct {
	Stream  Stream
	Quality Quality
	Trading Trading
	Reason  string // words for people; at most MaxReasonLen bytes
	// Since is when a node began to carry the instrument, in microseconds since the Unix epoch: it knows no trade from
	// before. 0: it has carried it since its own start.
	Since int64
}

// MaxReasonLen bounds what a publisher may say in a status.
const MaxReasonLen = 120

// Channel is a kind of rows that can be subscribed of an instrument.
type Channel uint8

// Channels. ChannelNone is what an unknown name parses to.
const (
	ChannelNone Channel = iota
	ChannelQuote
	ChannelTrade
	ChannelStatus
	ChannelBook
	ChannelBar
	ChannelStats
	// ChannelDefinition is upstream only: subscribers get definitions with the answer to subscribe.
	ChannelDefinition
	channelEnd
)

var channelNames = [channelEnd]string{
	ChannelNone: "", ChannelQuote: "quote", ChannelTrade: "trade", ChannelStatus: "status", ChannelBook: "book",
	ChannelBar: "bar", ChannelStats: "stats", ChannelDefinition: "definition",
}

// String returns the name that subjects and subscriptions use.
func (c Channel) String() string {
	if c < channelEnd {
		return channelNames[c]
	}
	return ""
}

// ParseChannel returns ChannelNone for a name that no channel has.
func ParseChannel(name string) Channel {
	for c := ChannelQuote; c < channelEnd; c++ {
		if channelNames[c] == name {
			return c
		}
	}
	return ChannelNone
}
