package bars

import (
	"cmp"
	"math"
	"slices"

	"github.com/feedd/feedd/market"
)

// naive keeps every trade and makes everything anew from them whenever it is asked. It is what a Set must agree with.
type naive struct {
	calendar Calendar
	limits   [intervals]int
	log      int // how many events can be looked up to mend
	events   []market.Trade
	bars     [intervals][]*naiveBar
	clock    int64 // seconds, of Advance
	newest   int64 // time of the newest minute, in seconds
	last     int64
	session  int64
	ends     int64
	lastTime [2]int64
}

type naiveBar struct {
	start, end int64
	closed     bool
	trades     []int // in events
	price      [4]int64
	times      [2]int64
}

func (n *naive) bounds(i int, sec int64) (int64, int64) {
	if i == days {
		return n.calendar.Day(sec)
	}
	l := int64(market.Intervals[i])
	return sec / l * l, sec/l*l + l
}

// effective is a trade with its mends; false where it was cancelled.
func (n *naive) effective(k int) (market.Trade, bool) {
	t := n.events[k]
	for _, e := range n.events[k+1:] {
		if e.Kind != market.TradeOrdinary && e.RefersTo == t.Position.Sequence && e.Position.Epoch == t.Position.Epoch {
			if e.Kind == market.TradeCancellation {
				return t, false
			}
			t.Price, t.Size = e.Price, e.Size
		}
	}
	return t, true
}

func (n *naive) trade(t market.Trade) (counted bool) {
	n.events = append(n.events, t)
	if t.Kind != market.TradeOrdinary {
		return n.mend(t)
	}
	at := t.ExchangeTime
	if at == 0 {
		at = t.IngestTime
	}
	if at < earliest || at > t.IngestTime+maxAhead {
		return false
	}
	sec := at / second
	if sec >= n.ends {
		n.session, n.ends = n.calendar.Day(sec)
	}
	for i := range n.bars {
		start, end := n.bounds(i, sec)
		list := n.bars[i]
		if len(list) > 0 && start < list[0].start {
			continue
		}
		counted = true
		at, found := slices.BinarySearchFunc(list, start, func(b *naiveBar, start int64) int { return cmp.Compare(b.start, start) })
		if !found {
			b := &naiveBar{start: start, end: end, closed: at < len(list)}
			if at == len(list) && at > 0 {
				list[at-1].closed = true
			}
			list = slices.Insert(list, at, b)
			if len(list) > n.limits[i] {
				list, at = list[1:], at-1
			}
			n.bars[i] = list
		}
		b := list[max(at, 0)]
		p := t.Price
		if n.count(b) == 0 {
			b.price = [4]int64{p, p, p, p}
		}
		b.price = [4]int64{b.price[0], max(b.price[1], p), min(b.price[2], p), p}
		b.trades = append(b.trades, len(n.events)-1)
		b.times = [2]int64{t.ExchangeTime, t.IngestTime}
		if i == minutes && at == len(list)-1 {
			n.last, n.lastTime, n.newest = t.Price, b.times, start
		}
	}
	return counted
}

// count is how many trades of b were not cancelled.
func (n *naive) count(b *naiveBar) (c int) {
	for _, k := range b.trades {
		if _, ok := n.effective(k); ok {
			c++
		}
	}
	return c
}

func (n *naive) mend(t market.Trade) bool {
	me := len(n.events) - 1
	k := slices.IndexFunc(n.events, func(e market.Trade) bool {
		return e.Position == market.Position{Epoch: t.Position.Epoch, Sequence: t.RefersTo}
	})
	n.events[me].RefersTo = 0 // as if it had not come
	if k < 0 || k >= me || len(n.events)-k > n.log || n.events[k].Kind != market.TradeOrdinary {
		return false
	}
	if _, alive := n.effective(k); !alive {
		return false
	}
	n.events[me].RefersTo = t.RefersTo
	found := false
	for i := range n.bars {
		for _, b := range n.bars[i] {
			if !slices.Contains(b.trades, k) {
				continue
			}
			found = true
			n.reprice(b, t)
		}
	}
	for _, b := range n.bars[minutes] {
		if found && n.count(b) > 0 {
			n.last = b.price[3]
		}
	}
	return found
}

func (n *naive) reprice(b *naiveBar, t market.Trade) {
	all := true
	var prices []int64
	for _, k := range b.trades {
		if e, ok := n.effective(k); ok {
			prices = append(prices, e.Price)
			all = all && len(n.events)-k <= n.log
		}
	}
	switch {
	case len(prices) == 0:
		b.price = [4]int64{}
	case all:
		b.price = [4]int64{prices[0], slices.Max(prices), slices.Min(prices), prices[len(prices)-1]}
	case t.Kind == market.TradeCorrection:
		b.price[1], b.price[2] = max(b.price[1], t.Price), min(b.price[2], t.Price)
	}
}

func (n *naive) advance(now int64) {
	n.clock = now / second
	for i := range n.bars {
		if l := len(n.bars[i]); l > 0 && n.clock >= n.bars[i][l-1].end+1 {
			n.bars[i][l-1].closed = true
		}
	}
	if n.ends != 0 && n.clock >= n.ends {
		n.session, n.ends = n.calendar.Day(n.clock)
	}
}

func (n *naive) bar(b *naiveBar) market.Bar {
	out := market.Bar{
		Start: b.start, Open: b.price[0], High: b.price[1], Low: b.price[2], Close: b.price[3], Closed: b.closed,
		ExchangeTime: b.times[0], IngestTime: b.times[1],
	}
	for _, k := range b.trades {
		if e, ok := n.effective(k); ok {
			out.Trades++
			out.Volume += e.Size
			out.Turnover = out.Turnover.Plus(market.Times(e.Price, e.Size))
		}
	}
	return out
}

func (n *naive) statistics() Statistics {
	st := Statistics{Last: n.last, SessionStart: n.session, ExchangeTime: n.lastTime[0], IngestTime: n.lastTime[1]}
	from := max(n.clock/60*60, n.newest) - 1439*60
	st.Day = n.totals(minutes, from)
	st.Session = n.totals(days, n.session)
	return st
}

func (n *naive) totals(i int, from int64) (t Totals) {
	t.High, t.Low = math.MinInt64, math.MaxInt64
	for _, b := range n.bars[i] {
		v := n.bar(b)
		if b.start < from || v.Trades == 0 {
			continue
		}
		if t.Trades == 0 {
			t.Open = v.Open
		}
		t.High, t.Low = max(t.High, v.High), min(t.Low, v.Low)
		t.Volume += v.Volume
		t.Trades += v.Trades
		t.Turnover = t.Turnover.Plus(v.Turnover)
	}
	if t.Trades == 0 {
		return Totals{}
	}
	return t
}
