package sim

import "github.com/feedd/feedd/market"

// What is told beside ticks: halts of shares, what the venue states, and trades that are put right.
const (
	haltInterval  = 1_200_000_000_000 // mean between two halts of a share, ns
	haltLength    = 10_000_000_000
	auctionLength = 3_000_000_000
	statsInterval = 1_000_000_000 // of instruments whose mark price moves

	mends   = 400 // one in so many trades is put right
	cancels = 40  // percent of those are cancelled, the others corrected
	mendNow = 5   // percent of the ticks behind one that is to be put right
)

// news is when an actor has something to say beside its ticks.
type news struct {
	nextStats   int64
	nextTrading int64 // never, where nothing is ever halted
	trading     market.Trading
}

func newNews(a *actor, start int64) news {
	n := news{nextStats: start, nextTrading: never, trading: market.TradingOpen}
	if a.instrument.Asset == market.AssetEquity {
		n.nextTrading = start + 1 + a.chance.exponential(haltInterval)
	}
	return n
}

func (n *news) delay(nanoseconds int64) {
	for _, at := range [...]*int64{&n.nextStats, &n.nextTrading} {
		if *at != never {
			*at += nanoseconds
		}
	}
}

// report makes the news that is due.
func (a *actor) report(e *Event) {
	if a.next == a.news.nextStats {
		a.state(e)
		return
	}
	n := &a.news
	e.Kind = Status
	switch n.trading {
	case market.TradingOpen:
		n.trading, e.Reason = market.TradingHalted, "volatility"
		a.pause(haltLength + auctionLength)
		n.nextTrading += haltLength
	case market.TradingHalted:
		n.trading = market.TradingAuction
		n.nextTrading += auctionLength
	default:
		n.trading = market.TradingOpen
		n.nextTrading += 1 + a.chance.exponential(haltInterval)
	}
	e.Trading = n.trading
}

// pause lets nothing be quoted or traded for a while.
func (a *actor) pause(length int64) {
	until := a.next + length
	a.nextTick = max(a.nextTick, until+1)
	if a.nextBook != never {
		a.nextBook = max(a.nextBook, until+1)
	}
}

// state makes what the venue states: of perpetuals and futures again and again, of others the last close once.
func (a *actor) state(e *Event) {
	price := func(steps int64) int64 { return steps * a.instrument.PriceStep }
	e.Kind = Stats
	e.Stats = market.Statistics{PreviousClose: price(a.listing.price), ExchangeTime: e.Time, Has: market.HasPreviousClose}
	a.news.nextStats += statsInterval
	mid := (a.price(bid) + a.price(ask)) / 2
	interest := a.round(1000*a.size + a.chance.below(100*a.size))
	switch a.instrument.Asset {
	case market.AssetPerpetual:
		e.Stats.Mark, e.Stats.Index = price(mid), price(mid-a.chance.below(2*a.jump+1))
		e.Stats.OpenInterest, e.Stats.FundingRateE8 = interest, 5_000+a.chance.below(10_000)
		e.Stats.Has |= market.HasMark | market.HasIndex | market.HasOpenInterest | market.HasFundingRate
	case market.AssetFuture:
		e.Stats.Settlement, e.Stats.OpenInterest = price(a.listing.price), interest
		e.Stats.Has |= market.HasSettlement | market.HasOpenInterest
	default:
		a.news.nextStats = never
	}
}

// regret decides whether a trade that was just told is to be put right later.
func (a *actor) regret(t *market.Trade) {
	if a.mend.Kind != market.TradeOrdinary || a.chance.below(mends) != 0 {
		return
	}
	a.mend = *t
	a.mend.RefersTo, a.mend.Kind = a.told, market.TradeCorrection
	if a.chance.percent(cancels) {
		a.mend.Kind = market.TradeCancellation
	} else {
		a.mend.Price += a.instrument.PriceStep
	}
}

// putRight tells the trade that is to be put right.
func (a *actor) putRight(e *Event) {
	e.Kind, e.Trade = Trade, a.mend
	e.Trade.ExchangeTime = e.Time
	a.mend = market.Trade{}
	a.told++
}
