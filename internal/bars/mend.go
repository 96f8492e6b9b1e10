package bars

import (
	"iter"
	"math"

	"github.com/feedd/feedd/market"
)

// Mend takes a cancellation or correction into the bars in which the trade that it refers to has counted. tape is the
// log of the instrument's events, newest first. A result of 0 says that nothing was mended: the log or the bars no
// longer go back to that trade, or it was cancelled already.
func (s *Set) Mend(t *market.Trade, tape iter.Seq[*market.Trade]) Change {
	was, ok := concerned(t, tape)
	if !ok {
		return 0
	}
	sec, ok := timeOf(&was)
	if !ok {
		return 0
	}
	var mends [intervals]mend
	found := false
	for i := range s.series {
		mends[i] = s.series[i].mend(sec, &s.calendar, &was, t)
		found = found || mends[i].bar != nil
	}
	if !found {
		return 0
	}
	retrace(&mends, tape)
	for i := range mends {
		mends[i].finish()
	}
	s.window.rebuild(&s.series[minutes])
	s.findLast()
	s.revision++
	return Counted
}

// concerned returns the trade that t refers to as it stood before t: with the price and size of the last correction.
func concerned(t *market.Trade, tape iter.Seq[*market.Trade]) (was market.Trade, ok bool) {
	var last *market.Trade // mend of the same trade
	for e := range tape {
		p := e.Position
		switch {
		case !p.Before(t.Position):
			continue
		case p.Epoch != t.Position.Epoch || p.Sequence < t.RefersTo:
			return was, false
		case p.Sequence == t.RefersTo:
			was = *e
			if last != nil {
				was.Price, was.Size = last.Price, last.Size
			}
			return was, e.Kind == market.TradeOrdinary && (last == nil || last.Kind == market.TradeCorrection)
		case e.Kind != market.TradeOrdinary && e.RefersTo == t.RefersTo && last == nil:
			last = e
		}
	}
	return was, false
}

// mend is a bar that is being mended.
type mend struct {
	bar        *Held // nil: the interval does not hold it
	start, end int64
	whole      bool       // open, high, low and close must be found again
	price      int64      // of the correction; only where kept
	kept       bool       // the trade still counts
	traced     market.Bar // what the log says of the bar's prices and trades
}

// mend corrects the sums of the bar that holds sec.
func (s *Series) mend(sec int64, cal *Calendar, was, now *market.Trade) mend {
	if s.end == 0 {
		return mend{}
	}
	i, ok := s.find(sec)
	if !ok {
		return mend{}
	}
	b := s.At(i)
	start, end := s.bounds(sec, cal)
	if i == s.next-1 {
		end = s.end
	}
	if b.Start < start || sec >= end || b.Trades == 0 {
		return mend{}
	}
	s.revision++
	s.changed(i, b)
	m := mend{bar: b, start: b.Start, end: end, kept: now.Kind == market.TradeCorrection, price: now.Price}
	m.whole = was.Price == b.Open || was.Price == b.Close || was.Price == b.High || was.Price == b.Low
	b.Turnover = b.Turnover.Minus(market.Times(was.Price, was.Size))
	b.Volume = max(0, b.Volume-was.Size)
	if m.kept {
		b.Turnover = b.Turnover.Plus(market.Times(now.Price, now.Size))
		b.Volume = plus(b.Volume, now.Size)
	} else {
		b.Trades--
	}
	return m
}

// retrace goes through the log once and finds what it knows of the prices of the bars that need it.
func retrace(mends *[intervals]mend, tape iter.Seq[*market.Trade]) {
	oldest := int64(math.MaxInt64)
	for i := range mends {
		if mends[i].bar != nil && mends[i].whole {
			oldest = min(oldest, mends[i].start)
		}
	}
	if oldest == math.MaxInt64 {
		return
	}
	last := map[market.Position]*market.Trade{} // the last mend of each trade
	for e := range tape {
		if e.Kind != market.TradeOrdinary {
			at := market.Position{Epoch: e.Position.Epoch, Sequence: e.RefersTo}
			if last[at] == nil {
				last[at] = e
			}
			continue
		}
		sec, ok := timeOf(e)
		if !ok || sec < oldest {
			continue
		}
		price := e.Price
		if l := last[e.Position]; l != nil {
			if l.Kind == market.TradeCancellation {
				continue
			}
			price = l.Price
		}
		for i := range mends {
			if m := &mends[i]; sec >= m.start && sec < m.end {
				m.trace(price)
			}
		}
	}
}

// trace takes in the price of a trade; trades come newest first.
func (m *mend) trace(price int64) {
	b := &m.traced
	if b.Trades == 0 {
		b.Close, b.High, b.Low = price, price, price
	}
	b.Open, b.High, b.Low = price, max(b.High, price), min(b.Low, price)
	b.Trades++
}

// finish sets the prices of the bar.
func (m *mend) finish() {
	b := m.bar
	switch {
	case b == nil:
	case b.Trades == 0:
		b.Bar = market.Bar{Start: b.Start, Closed: b.Closed, ExchangeTime: b.ExchangeTime, IngestTime: b.IngestTime}
	case m.whole && m.traced.Trades == b.Trades:
		b.Open, b.High, b.Low, b.Close = m.traced.Open, m.traced.High, m.traced.Low, m.traced.Close
	case m.kept:
		b.High, b.Low = max(b.High, m.price), min(b.Low, m.price)
	}
}

// findLast sets the last price to the close of the newest minute. Where all were cancelled it stays as it is.
func (s *Set) findLast() {
	m := &s.series[minutes]
	for i := m.next; i > m.First(); i-- {
		if b := m.At(i - 1); b.Trades != 0 {
			s.last = b.Close
			return
		}
	}
}
