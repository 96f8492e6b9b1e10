package bars

import (
	"fmt"
	"iter"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
)

// world is a Set with the log that it mends from, and the naive one beside it.
type world struct {
	set   *Set
	naive *naive
	now   int64
	next  market.Sequence
}

func newWorld(c Calendar, log int) *world {
	w := &world{set: NewSet(c), naive: &naive{calendar: c, limits: limits, log: log}, now: at("2031-05-06 23:00:00"), next: 1}
	w.advance(0)
	return w
}

func at(text string) int64 {
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

// limit has an interval hold fewer bars.
func (w *world) limit(i, n int) { w.set.series[i].limit, w.naive.limits[i] = n, n }

func (w *world) tape() iter.Seq[*market.Trade] {
	return func(yield func(*market.Trade) bool) {
		e := w.naive.events
		for i := len(e) - 1; i >= max(0, len(e)-w.naive.log); i-- {
			if !yield(&e[i]) {
				return
			}
		}
	}
}

func (w *world) advance(by time.Duration) {
	w.now += by.Microseconds()
	w.set.Advance(w.now)
	w.naive.advance(w.now)
}

// event has a trade or a mend come now; its position and arrival are set.
func (w *world) event(t market.Trade) (counted bool) {
	t.IngestTime, t.Position = w.now, market.Position{Epoch: 1, Sequence: w.next}
	w.next++
	counted = w.naive.trade(t)
	var change Change
	if t.Kind == market.TradeOrdinary {
		change = w.set.Trade(&t)
	} else {
		change = w.set.Mend(&t, w.tape())
	}
	if (change&Counted != 0) != counted {
		panic(fmt.Sprintf("counted: %v, want %v for %+v", change, counted, t))
	}
	return counted
}

// check compares everything.
func (w *world) check(t interface{ Fatalf(string, ...any) }) {
	for i, want := range w.naive.bars {
		s := &w.set.series[i]
		if int(s.next-s.First()) != len(want) {
			t.Fatalf("interval %d: %d bars, want %d", s.interval, s.next-s.First(), len(want))
		}
		for k, b := range want {
			if got := s.At(s.First() + uint64(k)).Bar; got != w.naive.bar(b) {
				t.Fatalf("interval %d, bar %d:\ngot  %+v\nwant %+v", s.interval, k, got, w.naive.bar(b))
			}
		}
	}
	if got, want := w.set.Statistics(), w.naive.statistics(); got != want {
		t.Fatalf("statistics at %s:\ngot  %+v\nwant %+v", time.UnixMicro(w.now).UTC(), got, want)
	}
	if due := w.set.Due(); due <= w.now {
		t.Fatalf("due at %d, which has passed at %d", due, w.now)
	}
}

func calendars() *rapid.Generator[Calendar] {
	return rapid.Custom(func(t *rapid.T) Calendar {
		zone := Zones{}.Find(rapid.SampledFrom([]string{"", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"}).Draw(t, "zone"))
		return NewCalendar(rapid.Int32Range(-secondsPerDay, secondsPerDay).Draw(t, "start"), zone)
	})
}

// Whatever is traded, mended and left out in whatever order of times, a Set agrees with one that looks at all trades
// every time. So does what is read back of its stored form.
func TestSetAgreesWithAllTrades(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(calendars().Draw(t, "calendar"), rapid.SampledFrom([]int{3, 20, 1000}).Draw(t, "log"))
		w.limit(0, rapid.IntRange(2, 9).Draw(t, "seconds"))
		w.limit(2, rapid.IntRange(2, 9).Draw(t, "five minutes"))
		steps := []time.Duration{time.Millisecond, 300 * time.Millisecond, time.Second, 40 * time.Second, 11 * time.Minute, 5 * time.Hour, 26 * time.Hour}
		step := rapid.SampledFrom(steps)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1:
				w.advance(step.Draw(t, "by"))
			case 2: // time passes, but nobody says so yet
				w.now += step.Draw(t, "by").Microseconds()
			case 3:
				w.event(market.Trade{
					Kind:     market.TradeKind(rapid.IntRange(1, 2).Draw(t, "kind")),
					RefersTo: market.Sequence(rapid.IntRange(max(0, int(w.next)-10), int(w.next)+1).Draw(t, "refers")),
					Price:    rapid.Int64Range(-5, 9).Draw(t, "price"), Size: rapid.Int64Range(0, 9).Draw(t, "size"),
				})
			default:
				tr := market.Trade{Price: rapid.Int64Range(-5, 9).Draw(t, "price"), Size: rapid.Int64Range(0, 9).Draw(t, "size")}
				switch rapid.IntRange(0, 9).Draw(t, "time") {
				case 0:
					tr.ExchangeTime = w.now - step.Draw(t, "late").Microseconds()
				case 1:
					tr.ExchangeTime = w.now + step.Draw(t, "ahead").Microseconds()
				case 2:
					tr.ExchangeTime = rapid.SampledFrom([]int64{-1, 1, earliest - 1, earliest, math.MaxInt64, math.MinInt64}).Draw(t, "hostile")
				case 3, 4:
				default:
					tr.ExchangeTime = w.now - rapid.Int64Range(0, 900_000).Draw(t, "transit")
				}
				w.event(tr)
			}
			if rapid.Bool().Draw(t, "check") {
				w.advance(0)
				w.check(t)
			}
		}
		w.advance(0)
		w.check(t)

		stored := w.set.AppendTo(nil)
		again := NewSet(w.set.calendar)
		for i := range again.series {
			again.series[i].limit = w.set.series[i].limit
		}
		rest, err := again.ReadFrom(append(stored, 7))
		if err != nil || len(rest) != 1 {
			t.Fatalf("reading back: %v, %d bytes are left", err, len(rest))
		}
		w.set = again
		w.advance(0)
		w.check(t)
		w.event(market.Trade{Price: 3, Size: 4})
		w.advance(time.Minute)
		w.check(t)
	})
}
