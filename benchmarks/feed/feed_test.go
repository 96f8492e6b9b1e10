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
	tempo := Tempo{Instruments: 5, Hz: 40, Burst: 4}
	s, r := NewSchedule(7, tempo), NewSchedule(7, tempo)
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
	// A tape that is quiet most of the time: nine gaps of nothing, one of ten.
	tape := []float32{0, 0, 0, 0, 0, 0, 0, 0, 0, 10}
	for _, c := range []Tempo{
		{Hz: 40, Burst: 4}, {Hz: 40, Burst: 1}, {Hz: 5, Burst: 10}, {Hz: 320, Burst: 32},
		{Hz: 40, Burst: 4, Zipf: true}, {Hz: 40, Burst: 1, Tapes: [][]float32{tape}}, {Hz: 40, Burst: 1, Zipf: true, Tapes: [][]float32{tape, tape}},
	} {
		const seconds = 60
		c.Instruments = 50
		s := NewSchedule(3, c)
		var last time.Duration
		ticks, bursts := 0, 0
		var each [50]int
		for s.Peek() < seconds*time.Second {
			peek := s.Peek()
			b := s.Next()
			if b.At != peek || b.At < last || b.Ticks < 1 || b.Instrument < 0 || b.Instrument >= c.Instruments {
				t.Fatalf("burst %+v after %v, announced for %v", b, last, peek)
			}
			last = b.At
			ticks += b.Ticks
			each[b.Instrument] += b.Ticks
			bursts++
		}
		if want := c.Hz * float64(c.Instruments) * seconds; math.Abs(float64(ticks)-want) > want*0.1 {
			t.Errorf("%+v: %d ticks, want about %.0f", c, ticks, want)
		}
		if mean := float64(ticks) / float64(bursts); math.Abs(mean-c.Burst) > c.Burst*0.1 {
			t.Errorf("%+v: %.2f ticks in a burst", c, mean)
		}
		if ratio := float64(each[0]) / float64(each[9]); c.Zipf && (ratio < 8 || ratio > 12) {
			t.Errorf("%+v: the first ticks %.1f times as often as the tenth", c, ratio)
		}
	}
}

func TestSurgesRunTheMarketFasterForASecond(t *testing.T) {
	s := Surge{Factor: 20, Every: 10 * time.Second}
	for _, c := range []struct {
		real, gone time.Duration
		speed      float64
	}{
		{0, 0, 1}, {9 * time.Second, 9 * time.Second, 1}, {9500 * time.Millisecond, 19 * time.Second, 20},
		{10 * time.Second, 29 * time.Second, 1}, {15 * time.Second, 34 * time.Second, 1}, {20 * time.Second, 58 * time.Second, 1},
	} {
		if gone, speed := s.market(c.real); gone != c.gone || speed != c.speed {
			t.Errorf("after %v: %v at speed %g, want %v at %g", c.real, gone, speed, c.gone, c.speed)
		}
	}
	if gone, speed := (Surge{}).market(time.Hour); gone != time.Hour || speed != 1 {
		t.Errorf("no surge: %v at speed %g", gone, speed)
	}
}

func TestGapsHaveMeanOne(t *testing.T) {
	times := make([]int64, 1001)
	for i := range times {
		times[i] = int64(i) * 5
	}
	times[1000] += 500
	gaps, err := gapsOf("made", times)
	if err != nil || len(gaps) != 1000 {
		t.Fatalf("%d gaps, error %v", len(gaps), err)
	}
	sum := 0.0
	for _, g := range gaps {
		sum += float64(g)
	}
	if math.Abs(sum-1000) > 0.1 || gaps[999] < 90 {
		t.Errorf("mean %v, last %v", sum/1000, gaps[999])
	}
	if _, err := gapsOf("short", times[:10]); err == nil {
		t.Error("ten quotes are a recording")
	}
	if _, err := gapsOf("still", make([]int64, 2000)); err == nil {
		t.Error("quotes of one moment are a recording")
	}
}
