package feed

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuotesPassTheirOwnCheckAndNoOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		instrument := rapid.IntRange(0, 10_000).Draw(t, "instrument")
		stamp := rapid.SampledFrom([]int64{0, 1_700_000_000_000_000}).Draw(t, "stamp")
		w := NewWalk(seed, instrument)
		mixed, foreign := 0, 0
		last := w.Next(stamp)
		const ticks = 500
		for i := range ticks {
			q := w.Next(stamp + int64(i)*min(stamp, 1))
			if !Check(instrument, q) {
				t.Fatalf("quote %+v of instrument %d fails its check", q, instrument)
			}
			if q.Ask <= q.Bid || q.AskSize <= 0 {
				t.Fatalf("quote %+v is no market", q)
			}
			half := q
			half.BidSize = last.BidSize
			if half != q && Check(instrument, half) {
				mixed++
			}
			if Check(instrument+1, q) {
				foreign++
			}
			last = q
		}
		// Small sizes coincide now and then.
		if mixed > ticks/100 || foreign > ticks/100 {
			t.Fatalf("of %d quotes %d pass with another's size and %d for another instrument", ticks, mixed, foreign)
		}
	})
}

func TestSameSeedSameMarket(t *testing.T) {
	a, b := NewWalk(7, 3), NewWalk(7, 3)
	s, r := NewSchedule(7, 5, 40, 4), NewSchedule(7, 5, 40, 4)
	for range 100 {
		if x, y := a.Next(0), b.Next(0); x != y {
			t.Fatalf("quotes differ: %+v, %+v", x, y)
		}
		if x, y := s.Next(), r.Next(); x != y {
			t.Fatalf("bursts differ: %+v, %+v", x, y)
		}
	}
}

func TestMostTicksChangeOnlySizes(t *testing.T) {
	w := NewWalk(1, 1)
	last, moved := w.Next(0), 0
	const ticks = 10_000
	for range ticks {
		q := w.Next(0)
		if q.Bid != last.Bid {
			moved++
		}
		last = q
	}
	if share := float64(moved) / ticks; share < 0.03 || share > 0.11 {
		t.Errorf("%.1f %% of ticks change a price, want 3 to 11 %%", share*100)
	}
}

func TestScheduleKeepsRateAndOrder(t *testing.T) {
	for _, c := range []struct{ hz, burst float64 }{{40, 4}, {40, 1}, {5, 10}, {320, 32}} {
		const instruments, seconds = 50, 60
		s := NewSchedule(3, instruments, c.hz, c.burst)
		var last time.Duration
		ticks, bursts := 0, 0
		for s.Peek() < seconds*time.Second {
			peek := s.Peek()
			b := s.Next()
			if b.At != peek || b.At < last || b.Ticks < 1 || b.Instrument < 0 || b.Instrument >= instruments {
				t.Fatalf("burst %+v after %v, announced for %v", b, last, peek)
			}
			last = b.At
			ticks += b.Ticks
			bursts++
		}
		if want := c.hz * instruments * seconds; math.Abs(float64(ticks)-want) > want*0.1 {
			t.Errorf("%v: %d ticks, want about %.0f", c, ticks, want)
		}
		if mean := float64(ticks) / float64(bursts); math.Abs(mean-c.burst) > c.burst*0.1 {
			t.Errorf("%v: %.2f ticks in a burst", c, mean)
		}
	}
}
