package fanout

import (
	"testing"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

func TestSummariesTellLossesAndGapsAndAddUpToTheRest(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		const log = 64
		x := newExchange(1, log, Options{})
		h := x.summary(0)
		r := newBoard(e)
		x.trade(0, market.Trade{Price: 5, Size: 1})
		x.join(r).Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
		x.worker.turn()
		if r.frames != 0 {
			t.Fatalf("%d frames before the first trade since", r.frames)
		}
		x.trade(0, market.Trade{Price: 9, Size: 1})
		x.trade(0, market.Trade{Price: 4, Size: 2})
		x.trade(0, market.Trade{Price: 7, Size: 3})
		x.trade(0, market.Trade{Kind: market.TradeCancellation, RefersTo: 2})
		x.pass(100)
		if s := r.sums[h]; s == nil || s.Trades != 3 || s.Volume != 6 || s.High != 9 || s.Low != 4 || s.Last != 7 || s.Sequence != 4 {
			t.Fatalf("%v", s)
		}
		r.stalled = true
		for range 2 {
			x.trade(0, market.Trade{Price: 7, Size: 1})
			x.pass(100)
		}
		for range 200 {
			x.trade(0, market.Trade{Price: 7, Size: 1})
		}
		x.store.Begin()
		x.store.TradeGap(0, x.epoch, market.Sequence(x.trades[0]+1), market.Sequence(x.trades[0]+10))
		x.store.Commit()
		x.trades[0] += 10
		x.trade(0, market.Trade{Price: 7, Size: 1})
		frames := r.frames
		r.resume()
		x.pass(200)
		lost := uint64(0)
		for _, l := range r.lost[h] {
			lost += l.To - l.From + 1
		}
		if s := r.sums[h]; s.Trades+lost != 3+2+201 || lost == 0 || r.gaps[h] != 10 || r.frames-frames > 2 {
			t.Fatalf("%d trades, %d lost, %d in gaps, in %d frames", s.Trades, lost, r.gaps[h], r.frames-frames)
		}
		x.checkErrors(t, r)
	}
}

func TestSummariesBeginWithHistoryOrWhereTheReaderLeft(t *testing.T) {
	x := newExchange(1, 64, Options{})
	for i := range 9 {
		x.trade(0, market.Trade{Price: int64(i), Size: 1})
	}
	for _, c := range []struct {
		item   Item
		trades uint64
	}{
		{Item{History: 4}, 4},
		{Item{After: market.Position{Epoch: x.epoch, Sequence: 7}}, 2},
		{Item{After: market.Position{Epoch: x.epoch, Sequence: 9}}, 0},
	} {
		r := newBoard(Proto)
		c.item.Handle = x.summary(0)
		x.join(r).Subscribe([]Item{c.item}, throttle.Every100ms)
		x.pass(200)
		if s := r.sums[c.item.Handle]; s.GetTrades() != c.trades {
			t.Fatalf("%+v begins with %v", c.item, s)
		}
	}
}

// A row that sums up what a reader missed says how many trades it stands for beyond one, as those of readers in step do.
func TestSummariesOfMissedCutsCountWhatTheyMerge(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		x := newExchange(1, 64, Options{})
		h := x.summary(0)
		r := newBoard(e)
		s := x.join(r)
		s.Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
		x.pass(200)
		trade := func(times int) {
			for range times {
				x.trade(0, market.Trade{Price: 7, Size: 1})
			}
			x.pass(100)
		}
		r.stalled = true
		trade(1) // the row that fills the connection
		trade(2)
		trade(3)
		before := r.sums[h].Trades
		r.resume()
		x.pass(200)
		if got := r.sums[h].Trades - before; got != 5 || r.last.Conflated != 4 {
			t.Errorf("%v: a row of %d trades is said to stand for %d beyond one, want 5 and 4", e, got, r.last.Conflated)
		}
		if s.conflated != 4 || x.counters.Count(drop.Conflated) != 4 {
			t.Errorf("%v: the subscriber counts %d merged trades and the engine %d, want 4", e, s.conflated, x.counters.Count(drop.Conflated))
		}
		x.checkErrors(t, r)
	}
}
