package fanout

import (
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// The wall clock may be set back; the times of cuts do not follow it there.
func TestCutTimesNeverGoBack(t *testing.T) {
	for _, cadence := range []throttle.Cadence{throttle.Immediate, throttle.Every20ms} {
		w := newWorld(1, 64, Options{})
		ahead := int64(0)
		w.worker.wall = func() int64 { return w.now + ahead }
		r := newReader(Proto)
		w.attach(r).Subscribe(w.items(market.ChannelQuote, 0), cadence)
		last := uint64(0)
		for _, ahead = range []int64{0, 5_000_000, -5_000_000, 0, 6_000_000} {
			w.quote(0)
			w.pass(20)
			if r.last.CutTimeUs < last {
				t.Errorf("%v: a cut at %d after one at %d", cadence, r.last.CutTimeUs, last)
			}
			last = r.last.CutTimeUs
		}
		check(t, r)
	}
}

// A worker that was held up makes up for no beats: one late cut holds what they would have held.
func TestBeatsThatWentByAreLeftOut(t *testing.T) {
	w := newWorld(1, 64, Options{})
	r := newReader(Proto)
	s := w.attach(r)
	s.Subscribe(w.items(market.ChannelQuote, 0), throttle.Every20ms)
	w.pass(100)
	p := s.lanes[0].phase
	cuts := p.cut
	w.now += 10_000_000
	for range 5 {
		w.quote(0)
		w.worker.turn()
	}
	if p.cut != cuts+1 || p.due <= w.now || p.due > w.now+20_000 {
		t.Errorf("%d cuts after 10 s that the worker did not have; the next is due in %d µs", p.cut-cuts, p.due-w.now)
	}
	check(t, r)
}

// The age of a cut is that of its oldest quote.
func TestTheAgeOfACutIsThatOfItsOldestQuote(t *testing.T) {
	w := newWorld(2, 64, Options{})
	r := newReader(Proto)
	w.attach(r).Subscribe(w.items(market.ChannelQuote, 0, 1), throttle.Every500ms)
	w.pass(1000)
	w.quote(0)
	w.pass(300)
	w.quote(1)
	w.pass(700)
	age := w.engine.Stats().Cadences[throttle.Every500ms].Age
	if age.Count != 1 || age.Sum < 0.25 {
		t.Errorf("%d cuts with quotes, %v s old in all; want one of 0.3 to 0.5", age.Count, age.Sum)
	}
}

// Sizes that are held back come when their own time has come, whoever else waits for another, and whoever has left meanwhile.
func TestHeldSizesKeepTheirOwnTimes(t *testing.T) {
	w := newWorld(3, 64, Options{})
	r := newReader(Proto)
	s := w.attach(r)
	soon, late, gone := w.pricesFirst(0, 200), w.pricesFirst(1, 900), w.pricesFirst(2, 500)
	for id := range 3 {
		w.quote(id)
	}
	s.Subscribe([]Item{{Handle: soon}, {Handle: late}, {Handle: gone}}, throttle.Immediate)
	w.pass(20)
	for id := range 3 {
		w.quote(id)
	}
	w.pass(20)
	for id := range 3 {
		w.sizes(id, 1)
	}
	w.pass(20)
	w.unsubscribe(s, gone)
	size := func(h Handle) int64 { return r.quotes[h].BidSize / 7 }
	w.pass(300)
	if size(soon) != 1 || size(late) != 0 {
		t.Errorf("after 320 ms the sizes are %d and %d, want that of 200 ms alone", size(soon), size(late))
	}
	w.pass(700)
	if size(late) != 2 {
		t.Errorf("after a second the size that waits for 900 ms is %d", size(late))
	}
	check(t, r)
}
