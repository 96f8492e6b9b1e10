package bars

import (
	"testing"
	"time"

	"github.com/feedd/feedd/market"
)

// A trade in steady state: 40 a second, so that bars roll as they do in a busy market.
func BenchmarkTrade(b *testing.B) {
	s := NewSet(NewCalendar(34200, Zones{}.Find("America/New_York")))
	t := market.Trade{Price: 6183763, Size: 1200, IngestTime: at("2031-05-06 23:00:00")}
	for range 40 * 3600 {
		t.IngestTime += 25_000
		s.Trade(&t)
	}
	b.ReportAllocs()
	for b.Loop() {
		t.IngestTime += 25_000
		t.Price ^= 3
		s.Trade(&t)
	}
}

// The minute at which the highest bar of a full day leaves: the worst that Advance can meet.
func BenchmarkExtremeLeaves(b *testing.B) {
	s := NewSet(Calendar{})
	now := at("2031-05-06 23:00:00")
	for i := range 2 * windowMinutes {
		now += minute * second
		s.Trade(&market.Trade{Price: int64(1_000_000 - i), Size: 1, IngestTime: now})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.window.findExtremes(&s.series[minutes])
	}
}

func BenchmarkStored(b *testing.B) {
	s := NewSet(Calendar{})
	t := market.Trade{Price: 6183763, Size: 1200, IngestTime: at("2031-05-06 23:00:00")}
	for i := range 40 * 3600 {
		t.IngestTime += 500_000
		t.Price += int64(i%7) - 3
		s.Trade(&t)
	}
	buf := s.AppendTo(nil)
	held := 0
	for i := range s.series {
		held += int(s.series[i].Next() - s.series[i].First())
	}
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			buf = s.AppendTo(buf[:0])
		}
		b.ReportMetric(float64(len(buf))/float64(held), "B/bar")
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := NewSet(Calendar{}).ReadFrom(buf); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(held), "bars")
	})
}

// In steady state a trade takes no memory.
func TestTradesAllocateNothing(t *testing.T) {
	s := NewSet(Calendar{})
	tr := market.Trade{Price: 6183763, Size: 1200, IngestTime: at("2031-05-06 23:00:00")}
	step := func() {
		tr.IngestTime += int64(200 * time.Millisecond / time.Microsecond)
		s.Trade(&tr)
		s.Advance(tr.IngestTime)
	}
	for range 5 * 700 { // until the ring of seconds goes round
		step()
	}
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
