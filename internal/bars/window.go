package bars

import (
	"math"

	"github.com/feedd/feedd/market"
)

// Totals is what was traded over a span of time. Without trades it is zero.
type Totals struct {
	Open, High, Low int64
	Volume, Trades  int64
	Turnover        market.Amount
}

// VWAP is the mean price, weighed by size.
func (t *Totals) VWAP() int64 { return t.Turnover.Over(t.Volume) }

const (
	minute        = 60
	windowMinutes = 24 * 60
)

// window sums up the bars of the last 24 hours, to the minute: those of the minute that it is now and of the 1,439
// ahead of it. The bars themselves stay in their Series; high and low are looked for there again only when a bar that
// held them leaves.
type window struct {
	start     int64  // of its first minute, in seconds
	from      uint64 // index of its first bar
	high, low int64  // where trades is not 0
	trades    int64
	volume    market.Amount // of the bars; it does not overflow, as a plain sum might
	turnover  market.Amount
}

func windowStart(now int64) int64 { return floor(now, minute) - (windowMinutes-1)*minute }

// add takes in a trade that the newest of minutes has taken, whose volume was before.
func (w *window) add(minutes *Series, before, price int64, worth market.Amount) {
	if minutes.newest.Start < w.start {
		w.from = minutes.next
		return
	}
	if w.trades == 0 {
		w.high, w.low = price, price
	}
	w.high, w.low = max(w.high, price), min(w.low, price)
	w.trades++
	w.volume = w.volume.Plus(market.Times(minutes.newest.Volume-before, 1))
	w.turnover = w.turnover.Plus(worth)
}

// advance lets the bars ahead of start leave. It reports whether any did.
func (w *window) advance(minutes *Series, start int64) bool {
	if start <= w.start {
		return false
	}
	w.start = start
	from, extreme := w.from, false
	for ; w.from < minutes.next; w.from++ {
		b := minutes.At(w.from)
		if b.Start >= start {
			break
		}
		if b.Trades == 0 {
			continue
		}
		extreme = extreme || b.High == w.high || b.Low == w.low
		w.trades -= b.Trades
		w.volume = w.volume.Minus(market.Times(b.Volume, 1))
		w.turnover = w.turnover.Minus(b.Turnover)
	}
	if extreme {
		w.findExtremes(minutes)
	}
	return w.from != from
}

func (w *window) findExtremes(minutes *Series) {
	high, low := int64(math.MinInt64), int64(math.MaxInt64)
	for i := w.from; i < minutes.next; i++ {
		if b := minutes.At(i); b.Trades != 0 {
			high, low = max(high, b.High), min(low, b.Low)
		}
	}
	w.high, w.low = high, low
}

// rebuild makes the sums anew after bars other than the newest changed.
func (w *window) rebuild(minutes *Series) {
	*w = window{start: w.start, from: minutes.First()}
	for w.from < minutes.next && minutes.At(w.from).Start < w.start {
		w.from++
	}
	for i := w.from; i < minutes.next; i++ {
		b := minutes.At(i)
		w.trades += b.Trades
		w.volume = w.volume.Plus(market.Times(b.Volume, 1))
		w.turnover = w.turnover.Plus(b.Turnover)
	}
	w.findExtremes(minutes)
}

// due is when the next bar leaves, in seconds.
func (w *window) due(minutes *Series) int64 {
	if w.from >= minutes.next {
		return math.MaxInt64
	}
	return minutes.At(w.from).Start + windowMinutes*minute
}

func (w *window) totals(minutes *Series) Totals {
	if w.trades == 0 {
		return Totals{}
	}
	t := Totals{High: w.high, Low: w.low, Trades: w.trades, Turnover: w.turnover, Volume: math.MaxInt64}
	if hi, lo := w.volume.Words(); hi == 0 && lo <= math.MaxInt64 {
		t.Volume = int64(lo)
	}
	for i := w.from; i < minutes.next; i++ {
		if b := minutes.At(i); b.Trades != 0 {
			t.Open = b.Open
			break
		}
	}
	return t
}
