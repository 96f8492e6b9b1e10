package bars

import (
	"math"
	"testing"
	"time"

	"github.com/feedd/feedd/market"
)

func (w *world) newest(i int) *Held { return &w.set.series[i].newest }

func TestABarClosesByALaterTradeOrASecondBehindItsEnd(t *testing.T) {
	w := newWorld(Calendar{}, 100)
	w.event(market.Trade{Price: 5, Size: 1})
	w.advance(1900 * time.Millisecond)
	if w.newest(0).Closed {
		t.Fatal("closed within its second of grace")
	}
	if due := w.set.Due(); due != w.now+100_000 {
		t.Fatalf("due in %d µs, want 100 ms", due-w.now)
	}
	w.advance(100 * time.Millisecond)
	if !w.newest(0).Closed || w.newest(minutes).Closed {
		t.Fatal("the bar of the second is over, that of the minute is not")
	}
	w.event(market.Trade{Price: 5, Size: 1})
	w.advance(time.Minute)
	w.event(market.Trade{Price: 6, Size: 1})
	if m := &w.set.series[minutes]; m.Next() != 2 || !m.At(0).Closed || m.At(1).Closed {
		t.Fatal("a later trade closes the bar")
	}
	w.check(t)
}

func TestALateTradeAmendsItsBarOrPutsOneIn(t *testing.T) {
	w := newWorld(Calendar{}, 100)
	for range 3 {
		w.event(market.Trade{Price: 5, Size: 1})
		w.advance(2 * time.Minute)
	}
	m := &w.set.series[minutes]
	revision := m.Revision()
	if !w.event(market.Trade{Price: 9, Size: 2, ExchangeTime: w.now - 4*minute*second}) {
		t.Fatal("the bar of that minute is held")
	}
	if !w.event(market.Trade{Price: 8, Size: 2, ExchangeTime: w.now - 3*minute*second}) {
		t.Fatal("the minutes around it are held")
	}
	if m.Next() != 4 || m.At(1).High != 9 || m.At(2).Open != 8 || !m.At(2).Closed || m.Revision() != revision+2 {
		t.Fatalf("%+v", m)
	}
	if last := w.set.Statistics().Last; last != 5 {
		t.Fatalf("last price %d is that of a late trade", last)
	}
	if w.event(market.Trade{Price: 8, Size: 2, ExchangeTime: w.now - 86400*second}) {
		t.Fatal("nothing that old is held")
	}
	w.check(t)
}

func TestHostileTimesAreLate(t *testing.T) {
	w := newWorld(Calendar{}, 100)
	for _, when := range []int64{-1, 1, earliest - 1, w.now + maxAhead + 1, at("2500-01-01 00:00:00"), math.MaxInt64, math.MinInt64} {
		if w.event(market.Trade{Price: 1, Size: 1, ExchangeTime: when}) {
			t.Errorf("a trade at %d counts", when)
		}
	}
	if !w.event(market.Trade{Price: 2, Size: 1, ExchangeTime: w.now + maxAhead}) || !w.event(market.Trade{Price: 1, Size: 1}) {
		t.Error("a trade a minute ahead, and one now, count")
	}
	w.check(t)
}

func TestStatisticsForgetToTheMinute(t *testing.T) {
	w := newWorld(Calendar{}, 100)
	w.event(market.Trade{Price: 100, Size: 1})
	w.advance(90 * time.Second)
	w.event(market.Trade{Price: 10, Size: 1})
	w.event(market.Trade{Price: 20, Size: 1})
	day := func() Totals { return w.set.Statistics().Day }
	w.advance(24*time.Hour - 91*time.Second)
	if d := day(); d.Open != 100 || d.Trades != 3 || d.High != 100 {
		t.Fatalf("a second before the first minute leaves: %+v", d)
	}
	w.advance(time.Second)
	if d := day(); d.Open != 10 || d.Trades != 2 || d.High != 20 || d.Low != 10 || d.Volume != 2 || d.VWAP() != 15 {
		t.Fatalf("when it has left: %+v", d)
	}
	w.advance(time.Minute)
	if s := w.set.Statistics(); s.Day != (Totals{}) || s.Last != 20 {
		t.Fatalf("when all have: %+v", s)
	}
	w.check(t)
}

func TestTheSessionBeginsAnewThoughNothingIsTraded(t *testing.T) {
	w := newWorld(NewCalendar(34200, Zones{}.Find("America/New_York")), 100)
	w.event(market.Trade{Price: 100, Size: 1}) // at 19:00 there
	w.advance(14 * time.Hour)
	if s := w.set.Statistics(); s.Session.Trades != 1 || s.SessionStart != at("2031-05-06 13:30:00")/second {
		t.Fatalf("at 09:00: %+v", s)
	}
	w.advance(30 * time.Minute)
	if s := w.set.Statistics(); s.Session != (Totals{}) || s.Day.Trades != 1 || s.SessionStart != at("2031-05-07 13:30:00")/second {
		t.Fatalf("at 09:30: %+v", s)
	}
	w.check(t)
}

func TestAnotherCalendarHoldsFromItsNextDayOn(t *testing.T) {
	w := newWorld(Calendar{}, 100)
	w.event(market.Trade{Price: 1, Size: 1}) // at 23:00
	w.set.SetCalendar(NewCalendar(23*3600+1800, time.UTC))
	w.advance(10 * time.Minute)
	w.event(market.Trade{Price: 2, Size: 1})
	d := &w.set.series[days]
	if d.Next() != 1 || d.newest.Trades != 2 {
		t.Fatalf("%+v", d)
	}
	w.advance(20 * time.Minute)
	w.event(market.Trade{Price: 3, Size: 1})
	if d.Next() != 2 || d.newest.Start != at("2031-05-06 23:30:00")/second || w.set.Statistics().Session.Trades != 1 {
		t.Fatalf("%+v", d)
	}
}

func TestMendsOfTradesThatTheLogNoLongerHolds(t *testing.T) {
	w := newWorld(Calendar{}, 5)
	for _, p := range []int64{5, 9, 1, 6, 7} {
		w.event(market.Trade{Price: p, Size: 10})
	}
	mend := func(kind market.TradeKind, refers market.Sequence, price, size int64) bool {
		return w.event(market.Trade{Kind: kind, RefersTo: refers, Price: price, Size: size})
	}
	if mend(market.TradeCancellation, 1, 0, 0) {
		t.Fatal("the log no longer holds the first trade")
	}
	if !mend(market.TradeCancellation, 4, 0, 0) || mend(market.TradeCancellation, 4, 0, 0) {
		t.Fatal("a trade is cancelled once")
	}
	if !mend(market.TradeCorrection, 5, 12, 1) {
		t.Fatal("the last trade is still held")
	}
	b := w.newest(minutes)
	// The log does not hold all trades of the bar, so open, low and close stay; high takes in the corrected price.
	if b.Open != 5 || b.Low != 1 || b.High != 12 || b.Close != 7 || b.Volume != 31 || b.Trades != 4 || b.Turnover != market.AmountOf(0, 162) {
		t.Fatalf("%+v", b)
	}
	w.check(t)
}

func TestSumsSaturate(t *testing.T) {
	s := NewSet(Calendar{})
	now := at("2031-05-06 23:00:00")
	for range 3 {
		if s.Trade(&market.Trade{Price: math.MaxInt64, Size: math.MaxInt64, IngestTime: now}) == 0 {
			t.Fatal("late")
		}
	}
	st := s.Statistics()
	if b := s.Series(60).At(0); b.Volume != math.MaxInt64 || b.Trades != 3 || st.Day.Volume != math.MaxInt64 || st.Session.Volume != math.MaxInt64 {
		t.Fatalf("%+v, %+v", b, st)
	}
	s.Advance(now + 86400*second)
	if st := s.Statistics(); st.Day != (Totals{}) {
		t.Fatalf("a day later: %+v", st)
	}
}

func TestSeriesOfUnknownIntervalsDoNotExist(t *testing.T) {
	s := NewSet(Calendar{})
	if s.Series(0) != nil || s.Series(61) != nil || s.Series(3600) == nil {
		t.Fatal("only those of market.Intervals do")
	}
	if s.Due() != math.MaxInt64 {
		t.Fatal("nothing is due without a trade")
	}
}
