package market

// Bar is what was traded in one interval. Prices are in scaled units. A bar without trades does not exist.
type Bar struct {
	Start                  int64 // seconds since the Unix epoch
	Open, High, Low, Close int64
	Volume                 int64
	Trades                 int64
	Turnover               Amount // of all its trades
	Closed                 bool   // its time is over; a late or mended trade may still change it
	ExchangeTime           int64  // of its newest trade, in microseconds; 0: the venue gives none
	IngestTime             int64  // when its newest trade was taken in, in microseconds
}

// Statistics is what a venue itself states of an instrument and what cannot be computed from its trades. What
// Has does not name is zero.
type Statistics struct {
	PreviousClose, Settlement, Mark, Index int64
	OpenInterest                           int64
	FundingRateE8                          int64 // funding rate times 10^8
	ExchangeTime, IngestTime               int64
	Position                               Position
	Has                                    HasStatistics
}

// HasStatistics tells which parts of Statistics exist. The bits are those of feed.v1.Stats.has.
type HasStatistics uint8

// The parts of Statistics.
const (
	HasPreviousClose HasStatistics = 1 << iota
	HasSettlement
	HasMark
	HasIndex
	HasOpenInterest
	HasFundingRate
)
