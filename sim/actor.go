package sim

import (
	"math"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// How ticks cluster, in percent and nanoseconds. A cluster is of quotes or, sometimes, of trades with
// quotes between them; each tick is followed by another one of its cluster or by the next cluster.
const (
	quoteGoesOn  = 45 // 1.8 ticks a cluster in the mean
	tradeGoesOn  = 70 // 3.3 ticks
	tradeCluster = 8  // of all clusters
	tradeTick    = 65 // of the ticks in a cluster of trades

	// clusterTicks is the mean number of ticks of a cluster, in thousandths.
	clusterTicks = 1000 * ((100-tradeCluster)*100/(100-quoteGoesOn) + tradeCluster*100/(100-tradeGoesOn)) / 100

	clusterGap = 200_000 // mean, within a cluster, of instruments that are not too busy for it

	burstFactor   = 20
	burstLength   = 1_000_000_000
	burstInterval = 300_000_000_000 // mean, from the end of one to the next
)

// How prices move, in percent.
const (
	moves    = 4  // of the quotes while the spread is usual
	shifts   = 70 // of those take both sides along; the others widen the spread
	narrows  = 40 // of the quotes while the spread is wide
	turns    = 10 // of the moves turn the trend
	trend    = 12 // more moves go with the trend than half
	maxPull  = 40 // more moves go home than half, far from home
	jumpPart = 50_000
)

const (
	bookInterval = 100_000_000 // ns
	deepChanges  = 6           // levels behind the best that change between book events, at most
)

// actor makes the events of one instrument. Times are in nanoseconds.
type actor struct {
	listing
	index  int
	chance chance

	// When.
	period     int64 // mean from cluster to cluster
	inside     int64 // mean within a cluster
	next       int64 // the earliest of those below
	nextTick   int64
	nextBook   int64 // never, for instruments without a book
	news       news
	burstFrom  int64
	burstUntil int64
	trades     bool // the running cluster is one of trades

	// The market. What was published last is what the ladders' best levels say.
	ladders [sides]ladder
	taken   [sides]int64 // traded at the best price since the last quote
	depth   int
	hit     int   // side that the running cluster of trades takes from
	drift   int64 // +1 or -1
	jump    int64 // mean step of a move
	opened  bool
	lastID  uint64

	// Trades that are put right later.
	told market.Sequence // number of the last trade told, mends included
	mend market.Trade    // to be told; its kind is ordinary where there is none
}

const never = math.MaxInt64

// newActor makes an instrument that ticks every meanGap nanoseconds in the mean.
func newActor(l listing, index int, seed uint64, start, meanGap int64, depth int) *actor {
	a := &actor{
		listing: l, index: index, chance: newChance(seed, streamEvents, index),
		next: start, nextTick: start, nextBook: never, depth: 1, drift: 1, jump: max(1, l.price/jumpPart),
	}
	// Bursts are part of the mean rate.
	const burstShare = (burstInterval + burstFactor*burstLength) / ((burstInterval + burstLength) / 1000) // in thousandths
	a.period = meanGap * clusterTicks / 1000 * burstShare / 1000
	a.inside = min(clusterGap, a.period/8)
	a.burstFrom = start + a.chance.exponential(burstInterval)
	if depth > 0 {
		a.depth, a.nextBook = depth, start
	}
	a.news = newNews(a, start)
	a.ladders[bid].moveBest(key(bid, l.price), a.newSize())
	a.ladders[ask].moveBest(key(ask, l.price+l.spread), a.newSize())
	return a
}

func (a *actor) price(side int) int64 { return key(side, a.ladders[side].best().key) }
func (a *actor) width() int64         { return a.price(ask) - a.price(bid) }

// delay moves everything that is to come.
func (a *actor) delay(nanoseconds int64) {
	a.next += nanoseconds
	a.nextTick += nanoseconds
	a.burstFrom += nanoseconds
	a.burstUntil += nanoseconds
	if a.nextBook != never {
		a.nextBook += nanoseconds
	}
	a.news.delay(nanoseconds)
}

// step makes the event that is due and sets next. It leaves e's kind at 0 where nothing is to be told.
func (a *actor) step(e *Event) {
	*e = Event{Time: a.next / 1000, Instrument: a.index, Book: publish.Book{Bids: e.Book.Bids[:0], Asks: e.Book.Asks[:0]}}
	switch a.next {
	case a.nextTick:
		a.tick(e)
		a.nextTick += a.gap(a.nextTick)
	case a.nextBook:
		a.book(e)
		a.nextBook += bookInterval
	default:
		a.report(e)
	}
	a.next = min(a.nextTick, a.nextBook, a.news.nextStats, a.news.nextTrading)
}

// gap draws the time to the next tick and decides which cluster that belongs to.
func (a *actor) gap(now int64) int64 {
	factor := int64(1)
	switch {
	case now >= a.burstFrom:
		a.burstUntil = now + burstLength
		a.burstFrom = a.burstUntil + a.chance.exponential(burstInterval)
		factor = burstFactor
	case now < a.burstUntil:
		factor = burstFactor
	}
	goesOn := int64(quoteGoesOn)
	if a.trades {
		goesOn = tradeGoesOn
	}
	if a.chance.percent(goesOn) {
		return 1 + a.chance.exponential(a.inside/factor)
	}
	a.trades = a.chance.percent(tradeCluster)
	a.hit = int(a.chance.below(sides))
	// The ticks within a cluster take their share of the period.
	between := a.period - a.inside*(clusterTicks-1000)/1000
	return 1 + a.chance.exponential(between/factor)
}

func (a *actor) tick(e *Event) {
	left := a.ladders[a.hit].best().size - a.taken[a.hit]
	switch {
	case !a.opened:
		a.opened = true
	case a.mend.Kind != market.TradeOrdinary && a.chance.percent(mendNow):
		a.putRight(e)
		return
	case a.trades && left > 0 && a.chance.percent(tradeTick):
		a.trade(e, left)
		return
	default:
		a.move()
	}
	e.Kind = Quote
	e.Quote = market.Quote{
		Bid: a.price(bid) * a.instrument.PriceStep, BidSize: a.ladders[bid].best().size,
		Ask: a.price(ask) * a.instrument.PriceStep, AskSize: a.ladders[ask].best().size,
		ExchangeTime: e.Time, Has: market.HasBid | market.HasAsk | market.HasExchangeTime,
	}
}

// trade takes up to left from the side that the cluster hits; the next quote shows it.
func (a *actor) trade(e *Event, left int64) {
	size := min(left, a.round(a.chance.exponential(a.size/6)))
	a.taken[a.hit] += size
	a.lastID++
	e.Kind = Trade
	e.Trade = market.Trade{
		Price: a.price(a.hit) * a.instrument.PriceStep, Size: size, ExchangeTime: e.Time, ID: a.lastID, Aggressor: market.SideSell,
	}
	if a.hit == ask {
		e.Trade.Aggressor = market.SideBuy
	}
	a.told++
	a.regret(&e.Trade)
}

// round makes a size a multiple of its step, and at least one step.
func (a *actor) round(size int64) int64 {
	return max(1, size/a.instrument.SizeStep) * a.instrument.SizeStep
}

func (a *actor) newSize() int64 { return a.round(a.chance.exponential(a.size)) }

// move makes the next quote: what was traded goes, else the spread narrows, the price moves or, mostly, a
// size changes.
func (a *actor) move() {
	if taken := a.taken; taken != [sides]int64{} {
		a.taken = [sides]int64{}
		for side, size := range taken {
			if best := a.ladders[side].best(); best.size > size {
				best.size -= size
			} else {
				a.retreat(side)
			}
		}
		return
	}
	switch wide := a.width() > a.spread; {
	case wide && a.chance.percent(narrows):
		side := int(a.chance.below(sides))
		a.advance(side, a.width()-a.spread-a.chance.below(a.width()-a.spread))
	case wide || !a.chance.percent(moves):
		a.resize(&a.ladders[a.chance.below(sides)])
	case a.chance.percent(shifts):
		a.shift()
	default:
		a.retreat(int(a.chance.below(sides)))
	}
}

// resize gives l's best level another size.
func (a *actor) resize(l *ladder) {
	size := a.newSize()
	if size == l.best().size {
		size += a.instrument.SizeStep
	}
	l.best().size = size
}

// advance makes side better by steps, which is less than the spread is wide.
func (a *actor) advance(side int, steps int64) {
	a.ladders[side].moveBest(a.ladders[side].best().key-steps, a.newSize())
	a.ladders[side].trim(a.depth)
}

// retreat makes side worse: its best level is gone. The spread stays within bounds: beyond them the other
// side follows.
func (a *actor) retreat(side int) {
	steps := 1 + a.chance.exponential(a.jump)
	l := &a.ladders[side]
	next := l.best().key + steps
	if len(l.rungs) > 1 { // what lies behind is the best now, if it lies nearer
		next = min(next, l.rungs[1].key)
	}
	if !a.within(key(side, next)) {
		a.resize(l)
		return
	}
	l.moveBest(next, a.newSize())
	if excess := a.width() - a.spread - 8*a.jump; excess > 0 {
		a.advance(1-side, excess)
	}
}

// within reports whether a best price stays within half and double of where the market began.
func (a *actor) within(price int64) bool {
	return price > a.listing.price/2 && price < 2*a.listing.price
}

// shift moves both sides, with the trend more often than not, and homeward the more the further away.
func (a *actor) shift() {
	if a.chance.percent(turns) {
		a.drift = -a.drift
	}
	away := (a.listing.price - a.price(bid)) * 4 * maxPull / a.listing.price // all of the pull at a quarter of the price
	up := a.chance.percent(50 + a.drift*trend + min(maxPull, max(-maxPull, away)))
	steps := 1 + a.chance.exponential(a.jump)
	if !up {
		steps = -steps
	}
	if !a.within(a.price(bid)+steps) || !a.within(a.price(ask)+steps) {
		steps = -steps
	}
	for _, side := range [sides]int{bid, ask} {
		l := &a.ladders[side]
		l.moveBest(l.best().key+key(side, steps), a.newSize())
		l.trim(a.depth)
	}
}

// book tells what changed in the book; the first time, the whole of it.
func (a *actor) book(e *Event) {
	e.Book.Snapshot = len(a.ladders[bid].sent) == 0
	e.Book.ExchangeTime = e.Time
	for side := range a.ladders {
		l := &a.ladders[side]
		for range a.chance.below(deepChanges + 1) {
			if deep := a.chance.below(int64(a.depth)); deep > 0 && deep < int64(len(l.rungs)) {
				l.rungs[deep].size = 2 * a.newSize()
			}
		}
		for len(l.rungs) < a.depth {
			worst := l.rungs[len(l.rungs)-1].key
			l.rungs = append(l.rungs, rung{worst + 1 + a.chance.exponential(a.jump/4), 2 * a.newSize()})
		}
	}
	e.Book.Bids = a.ladders[bid].appendChanges(e.Book.Bids, bid, a.instrument.PriceStep)
	e.Book.Asks = a.ladders[ask].appendChanges(e.Book.Asks, ask, a.instrument.PriceStep)
	if len(e.Book.Bids)+len(e.Book.Asks) > 0 {
		e.Kind = Book
	}
}
