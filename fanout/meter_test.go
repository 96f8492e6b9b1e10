package fanout

import (
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// crowded returns a world of n instruments, and a reader of all their quotes under a ceiling.
func crowded(n, ceiling int, c throttle.Cadence) (*world, *reader, *Subscriber) {
	w := newWorld(n, 64, Options{})
	r := newReader(Proto)
	s := w.attach(r)
	s.Limit(ceiling)
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
		w.quote(i)
	}
	s.Subscribe(w.items(market.ChannelQuote, ids...), c)
	return w, r, s
}

// tick lets every quote change every 10 ms.
func (w *world) tick(steps int, each func()) {
	for range steps {
		for i := range w.quotes {
			w.quote(i)
		}
		w.pass(10)
		if each != nil {
			each()
		}
	}
}

// A ceiling is held within a tenth, and used to within a tenth, while every instrument has its turn with its newest value.
func TestACeilingIsHeldAndEveryInstrumentIsServed(t *testing.T) {
	const instruments, seconds = 60, 30
	for _, c := range []struct {
		cadence throttle.Cadence
		ceiling int
	}{{throttle.Every100ms, 2000}, {throttle.Every100ms, 3000}, {throttle.Immediate, 10_000}, {throttle.Every1s, 400}} {
		w, r, s := crowded(instruments, c.ceiling, c.cadence)
		w.pass(2000)
		start, oldest := r.bytes, int64(0)
		w.tick(seconds*100, func() {
			for i := range w.quotes {
				if q := r.quotes[w.handle(i, market.ChannelQuote)]; q != nil {
					oldest = max(oldest, w.quotes[i]-q.Bid)
				}
			}
		})
		rate := (r.bytes - start) / seconds
		if rate < c.ceiling*9/10 || rate > c.ceiling*11/10 {
			t.Errorf("%v: %d bytes/s under a ceiling of %d", c.cadence, rate, c.ceiling)
		}
		if len(r.quotes) != instruments {
			t.Errorf("%v: %d instruments were served, want %d", c.cadence, len(r.quotes), instruments)
		}
		// A row takes 40 bytes at most, so a round of all takes so many steps of 10 ms, and nobody waits for two.
		if most := int64(2*instruments*40*100/c.ceiling) + 2*c.cadence.Interval().Milliseconds()/10; oldest > most {
			t.Errorf("%v: an instrument was %d ticks behind, want %d at most", c.cadence, oldest, most)
		}
		if l := s.Load(); !l.Short || l.Blocked != 0 {
			t.Errorf("%v: %+v", c.cadence, l)
		}
		s.Limit(0)
		w.pass(10_000)
		for i := range w.quotes {
			if q := r.quotes[w.handle(i, market.ChannelQuote)]; q.Bid != w.quotes[i] {
				t.Errorf("%v: instrument %d ended at %d, want %d", c.cadence, i, q.Bid, w.quotes[i])
			}
		}
		check(t, r)
	}
}

// share gives each of two cadences the quotes of as many instruments.
func (w *world) share(s *Subscriber, each int, cadences [2]throttle.Cadence) {
	for n, c := range cadences {
		ids := make([]int, each)
		for i := range ids {
			ids[i] = n*each + i
			w.quote(ids[i])
		}
		s.Subscribe(w.items(market.ChannelQuote, ids...), c)
	}
}

// Subscriptions at several cadences share a ceiling, whichever came first and however often their cuts come.
func TestACeilingIsSharedByAllCadences(t *testing.T) {
	const each, ceiling, seconds = 40, 900, 30
	for _, cadences := range [][2]throttle.Cadence{
		{throttle.Every1s, throttle.Every50ms}, {throttle.Every50ms, throttle.Every1s},
		{throttle.Every20ms, throttle.Every100ms}, {throttle.Every100ms, throttle.Every20ms},
		{throttle.Immediate, throttle.Every20ms}, {throttle.Every20ms, throttle.Immediate},
	} {
		w := newWorld(2*each, 64, Options{})
		r := newReader(Proto)
		s := w.attach(r)
		s.Limit(ceiling)
		w.share(s, each, cadences)
		w.pass(4000)
		start, oldest := r.bytes, [2]int64{}
		w.tick(seconds*100, func() {
			for i := range w.quotes {
				if q := r.quotes[w.handle(i, market.ChannelQuote)]; q != nil {
					oldest[i/each] = max(oldest[i/each], w.quotes[i]-q.Bid)
				}
			}
		})
		if rate := (r.bytes - start) / seconds; rate < ceiling*9/10 || rate > ceiling*11/10 {
			t.Errorf("%v: %d bytes/s under a ceiling of %d", cadences, rate, ceiling)
		}
		if len(r.quotes) != 2*each {
			t.Errorf("%v: %d instruments were served, want %d", cadences, len(r.quotes), 2*each)
		}
		// A row takes 40 bytes at most, so each half of the ceiling is enough for a round in so many steps of 10 ms, and nobody waits for two.
		for n, c := range cadences {
			if most := int64(2*each*40*100*2/ceiling) + 2*c.Interval().Milliseconds()/10; oldest[n] > most {
				t.Errorf("%v: an instrument of %v was %d ticks behind, want %d at most", cadences, c, oldest[n], most)
			}
		}
		check(t, r)
	}
}

// lost is how many trades r was told that it lost.
func (w *world) lost(r *reader) (n uint64) {
	for i := range w.quotes {
		n += r.tape(w.handle(i, market.ChannelTrade)).lost
	}
	return n
}

// Under a ceiling that trades alone would fill, quotes have their turn among them, and what the log no longer holds is told.
func TestTradesLeaveRoomForQuotes(t *testing.T) {
	const instruments, ceiling, seconds = 20, 10_000, 30
	w, r, s := crowded(instruments, ceiling, throttle.Every100ms)
	for i := range instruments {
		s.Subscribe(w.items(market.ChannelTrade, i), throttle.Every100ms)
	}
	w.pass(2000)
	oldest := int64(0)
	w.tick(seconds*100, func() {
		for i := range w.quotes {
			w.trade(i)
			oldest = max(oldest, w.quotes[i]-r.quotes[w.handle(i, market.ChannelQuote)].Bid)
		}
	})
	// A turn of all takes 20 quotes of 40 bytes and 20 trades of fairShare and a row of as much at most, and nobody waits for two.
	if most := int64(2*instruments*(40+2*fairShare)*100/ceiling) + 10; oldest > most {
		t.Errorf("a quote was %d ticks behind, want %d at most", oldest, most)
	}
	s.Limit(0)
	w.pass(10_000)
	if w.lost(r) == 0 {
		t.Error("no trade was lost: the ceiling left room for all of them")
	}
	check(t, r)
}

// A session below its ceiling is served as if there were none.
func TestACeilingThatIsNotReachedChangesNothing(t *testing.T) {
	w := newWorld(3, 64, Options{})
	free, capped := newReader(Proto), newReader(Proto)
	a, b := w.attach(free), w.attach(capped)
	b.Limit(100_000)
	a.Subscribe(w.items(market.ChannelQuote, 0, 1, 2), throttle.Every100ms)
	b.Subscribe(w.items(market.ChannelQuote, 0, 1, 2), throttle.Every100ms)
	w.tick(200, nil)
	w.pass(200)
	check(t, free, capped)
	if free.rows != capped.rows {
		t.Errorf("%d rows below a ceiling, %d without one", capped.rows, free.rows)
	}
	if l := b.Load(); l.Short || l.Slow || l.Bytes == 0 {
		t.Errorf("%+v", l)
	}
}

// A status waits for nothing.
func TestStatusesGoAheadOfACeiling(t *testing.T) {
	w, r, s := crowded(40, 1000, throttle.Every100ms)
	s.Subscribe(w.items(market.ChannelStatus, 7), throttle.Immediate)
	w.tick(300, nil)
	if !s.Load().Short {
		t.Fatal("the ceiling is not reached")
	}
	w.store.Begin()
	w.store.Trading(7, market.TradingHalted, "news")
	w.store.Commit()
	w.worker.turn()
	if st := r.statuses[w.handle(7, market.ChannelStatus)]; st == nil || st.Reason != "news" {
		t.Errorf("the status is %v", st)
	}
	check(t, r)
}

// Where a round of all takes longer than a slower cadence does, that is told.
func TestLoadSaysWhenASlowerCadenceBringsAsMuch(t *testing.T) {
	for _, c := range []struct {
		cadence throttle.Cadence
		ceiling int
		slow    bool
	}{{throttle.Every100ms, 1000, true}, {throttle.Every1s, 6000, false}, {throttle.Every5s, 1000, false}} {
		w, _, s := crowded(60, c.ceiling, c.cadence)
		w.tick(1000, nil)
		if l := s.Load(); l.Slow != c.slow {
			t.Errorf("%v under %d bytes/s: %+v", c.cadence, c.ceiling, l)
		}
	}
}

func TestLoadCountsTheTimeThatAConnectionTookNothing(t *testing.T) {
	w, r, s := crowded(1, 0, throttle.Every20ms)
	w.tick(20, nil)
	r.stalled = true
	w.tick(104, nil) // one more frame is taken, then a second of nothing
	during := s.Load().Blocked
	r.resume()
	w.tick(20, nil)
	if after := s.Load().Blocked; during < 900e6 || during > 1100e6 || after < during || after > during+50e6 {
		t.Errorf("blocked for %v while it lasted, %v afterwards", during, after)
	}
}
