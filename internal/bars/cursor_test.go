package bars

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
)

// follower holds what a reader was told.
type follower struct {
	cursor Cursor
	frozen Frozen // what it is brought to at times
	bars   map[int64]Held
	lost   [][2]int64
	from   int64 // start of the first bar that it asked for
}

func (f *follower) read(t interface{ Fatalf(string, ...any) }, s *Series, to *Frozen, most int) {
	if from, until, lost := s.Lost(&f.cursor, to); lost {
		if from > until {
			t.Fatalf("lost %d to %d", from, until)
		}
		f.lost = append(f.lost, [2]int64{from, until})
	}
	for range most {
		h := s.Read(&f.cursor, to)
		if h == nil {
			return
		}
		f.bars[h.Start] = *h
	}
}

func (f *follower) lostBar(number int64) bool {
	for _, r := range f.lost {
		if r[0] <= number && number <= r[1] {
			return true
		}
	}
	return false
}

// Whatever happens between the steps of a reader, however few bars it takes at a time, and whether it is brought to the
// present or to an earlier state: in the end it holds each bar since its first in its last form, or knows it as lost.
// At the moment that a cursor says it is at a frozen state, the reader holds the newest bar exactly as frozen, so that a
// difference can follow; unless another bar has begun since, for then full rows do.
func TestFollowersHoldEveryBar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(Calendar{}, 1000)
		w.limit(0, rapid.IntRange(2, 12).Draw(t, "limit"))
		s := &w.set.series[0]
		truth := map[int64]market.Bar{}
		record := func() {
			for i := s.First(); i < s.Next(); i++ {
				truth[s.At(i).Start] = s.At(i).Bar
			}
		}
		var all []*follower
		for range rapid.IntRange(5, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				w.event(market.Trade{Price: rapid.Int64Range(0, 9).Draw(t, "price"), Size: 1})
			case 3:
				w.event(market.Trade{Price: 1, Size: 1, ExchangeTime: w.now - rapid.Int64Range(0, 9).Draw(t, "late")*second})
			case 4:
				w.event(market.Trade{Kind: market.TradeCancellation, RefersTo: market.Sequence(rapid.IntRange(max(1, int(w.next)-4), int(w.next)).Draw(t, "refers"))})
			case 5:
				w.advance(time.Duration(rapid.IntRange(100, 3000).Draw(t, "ms")) * time.Millisecond)
			case 6:
				n := rapid.IntRange(0, 5).Draw(t, "history")
				f := &follower{cursor: s.Join(n), bars: map[int64]Held{}}
				if s.Next() > 0 {
					f.from = s.At(s.Back(n)).Start
				}
				all = append(all, f)
			default:
				if len(all) == 0 {
					continue
				}
				f := all[rapid.IntRange(0, len(all)-1).Draw(t, "follower")]
				most := rapid.IntRange(0, 5).Draw(t, "most")
				switch rapid.IntRange(0, 2).Draw(t, "to") {
				case 0:
					f.frozen = s.Freeze()
				case 1:
					f.read(t, s, &f.frozen, most)
					if c := f.cursor; c.Until == 0 && c.Revision == f.frozen.Revision && c.Revision != 0 && s.newest.Start == f.frozen.Newest.Start {
						if got, ok := f.bars[f.frozen.Newest.Start]; got != f.frozen.Newest && (ok || f.frozen.Newest.Trades != 0) {
							t.Fatalf("at the frozen state but for the newest bar:\nheld %+v\nwant %+v", got, f.frozen.Newest)
						}
					}
				default:
					f.read(t, s, nil, most)
				}
			}
			record()
		}
		for _, f := range all {
			f.read(t, s, nil, 1000)
			if f.cursor.Revision != s.Revision() || f.cursor.Until != 0 {
				t.Fatalf("at the end the cursor is %+v, the series at %d", f.cursor, s.Revision())
			}
			for start, want := range truth {
				got, held := f.bars[start]
				if start < f.from && !held || !held && want.Trades == 0 || f.lostBar(start) {
					continue
				}
				if got.Bar != want {
					t.Fatalf("bar at %d:\nheld %+v\nwant %+v\nlost %v, cursor %+v", start, got.Bar, want, f.lost, f.cursor)
				}
			}
		}
	})
}

func TestBackCountsClosedBarsWithTrades(t *testing.T) {
	w := newWorld(Calendar{}, 100)
	s := &w.set.series[0]
	if s.Back(3) != 0 || s.Join(3).Until != 0 {
		t.Fatal("there is nothing to go back over")
	}
	for range 5 {
		w.event(market.Trade{Price: 1, Size: 1})
		w.advance(900 * time.Millisecond)
		w.advance(100 * time.Millisecond)
	}
	w.event(market.Trade{Kind: market.TradeCancellation, RefersTo: 4})
	for n, want := range map[int]uint64{0: 4, 1: 2, 2: 1, 3: 0, 9: 0} {
		if got := s.Back(n); got != want {
			t.Errorf("back %d with an open bar: from %d, want %d", n, got, want)
		}
	}
	w.advance(5 * time.Second)
	for n, want := range map[int]uint64{0: 4, 1: 4, 2: 2, 9: 0} {
		if got := s.Back(n); got != want {
			t.Errorf("back %d with none open: from %d, want %d", n, got, want)
		}
	}
}

// A pass that began towards one state and went on towards others never takes the newest bar for told.
func TestTheNewestBarIsOwedUntilItWasTold(t *testing.T) {
	w := newWorld(Calendar{}, 100)
	s := &w.set.series[0]
	w.event(market.Trade{Price: 1, Size: 1})
	f := &follower{cursor: s.Join(0), bars: map[int64]Held{}}
	first := w.now
	w.advance(time.Second)
	w.event(market.Trade{Price: 2, Size: 1})
	f.frozen = s.Freeze()
	f.read(t, s, &f.frozen, 1)
	w.event(market.Trade{Price: 3, Size: 1, ExchangeTime: first})
	f.read(t, s, &f.frozen, 1)
	w.event(market.Trade{Price: 4, Size: 1})
	f.read(t, s, nil, 1)
	if len(f.bars) != 1 || !f.cursor.Owed {
		t.Fatalf("%d bars so far, %+v", len(f.bars), f.cursor)
	}
	f.read(t, s, &f.frozen, 9)
	if got := f.bars[f.frozen.Newest.Start]; got != f.frozen.Newest || f.cursor.Owed || f.cursor.Revision != f.frozen.Revision {
		t.Fatalf("holds %+v at %+v, want %+v", got, f.cursor, f.frozen)
	}
	f.read(t, s, nil, 9)
	if got := f.bars[s.newest.Start]; got != s.newest {
		t.Fatalf("holds %+v, want %+v", got, s.newest)
	}
}
