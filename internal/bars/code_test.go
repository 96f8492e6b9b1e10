package bars

import (
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/market"
)

func stored() []byte {
	w := newWorld(Calendar{}, 100)
	for i := range 40 {
		w.event(market.Trade{Price: 1 << 40, Size: int64(i) << 40, ExchangeTime: w.now - 7})
		w.advance(time.Duration(i) * 700 * time.Millisecond)
	}
	w.event(market.Trade{Kind: market.TradeCancellation, RefersTo: 7})
	return w.set.AppendTo(nil)
}

// Whatever is read, it gives an error or a Set that works.
func FuzzReadFrom(f *testing.F) {
	whole := stored()
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(NewSet(Calendar{}).AppendTo(nil))
	f.Add([]byte(nil))
	for i := range whole {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 0x55
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := NewSet(NewCalendar(34200, Zones{}.Find("America/New_York")))
		rest, err := s.ReadFrom(b)
		if err != nil {
			if err.Error() == "" || rest != nil {
				t.Fatal("an error says what is wrong, and nothing is left")
			}
			return
		}
		if len(rest) > len(b) {
			t.Fatal("more is left than there was")
		}
		now := at("2031-05-06 23:00:00")
		s.Trade(&market.Trade{Price: 1, Size: 1, IngestTime: now})
		s.Advance(now + second)
		s.Statistics()
		for i := range s.series {
			series := &s.series[i]
			c := series.Join(9)
			for n := 0; series.Read(&c, nil) != nil; n++ {
				if n > 2*limits[i] {
					t.Fatal("a pass does not end")
				}
			}
			for k := series.First() + 1; k < series.Next(); k++ {
				if series.At(k-1).Start >= series.At(k).Start {
					t.Fatal("bars are out of order")
				}
			}
		}
		again := NewSet(s.calendar)
		if _, err := again.ReadFrom(s.AppendTo(nil)); err != nil && !strings.Contains(err.Error(), "out of range") {
			t.Fatalf("what was written is not read: %v", err)
		}
	})
}

func TestReadFromSaysWhatIsWrong(t *testing.T) {
	whole := stored()
	for n := range whole {
		if _, err := NewSet(Calendar{}).ReadFrom(whole[:n]); err == nil {
			t.Fatalf("the first %d bytes of %d are taken for all", n, len(whole))
		}
	}
	s := newWorld(Calendar{}, 100)
	for range 9 {
		s.event(market.Trade{Price: 1, Size: 1})
		s.advance(2 * time.Second)
	}
	small := NewSet(Calendar{})
	small.series[0].limit = 3
	if _, err := small.ReadFrom(s.set.AppendTo(nil)); err == nil || err.Error() != "bars of 1 s: 9 are stored, but at most 3 are held" {
		t.Fatal(err)
	}
}
