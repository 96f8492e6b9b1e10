package fanout

import (
	"slices"
	"testing"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// kind is one more framing of the same encoding, as that of clients that agreed on compression is.
type kind struct {
	bare
	number int
}

// Cohorts share a hash where the slots are the same and the framings differ, and might where slots differ. Each holds who
// belongs to it, whichever is let go of first.
func TestCohortsOfOneHash(t *testing.T) {
	for gone := range 4 {
		w := newWorld(3, 64, Options{})
		s := w.attach(newReader(Proto))
		s.Subscribe(w.items(market.ChannelQuote, 0, 1, 2), throttle.Every100ms)
		w.worker.turn()
		p := s.lanes[0].phase
		var all []*cohort
		for n := range 4 {
			c := p.cohortOf(kind{bare(Proto), n}, []uint32{0, 1})
			c.members++
			all = append(all, c)
		}
		p.leave(all[gone])
		for n, c := range all {
			if found := p.cohortOf(kind{bare(Proto), n}, []uint32{0, 1}); (found == c) != (n != gone) {
				t.Errorf("without cohort %d, cohort %d: got %p, was %p", gone, n, found, c)
			}
		}
		other := p.cohortOf(kind{bare(Proto), 0}, []uint32{1, 2})
		p.cohorts[other.hash] = nil
		other.hash, other.next = all[0].hash, p.cohorts[all[0].hash]
		p.cohorts[other.hash] = other
		if found := p.cohortOf(kind{bare(Proto), 0}, []uint32{0, 1}); !slices.Equal(found.slots, []uint32{0, 1}) {
			t.Errorf("found a cohort of %v by its hash alone", found.slots)
		}
	}
}

// However many cohorts a phase has, each cut reaches all of them.
func TestACutReachesEveryCohort(t *testing.T) {
	const instruments = 40
	w := newWorld(instruments, 64, Options{})
	var readers []*reader
	for n := range instruments {
		r := newReader(Encoding(n % 2))
		w.attach(r).Subscribe(w.items(market.ChannelQuote, n), throttle.Every100ms)
		readers = append(readers, r)
	}
	w.pass(100)
	for range 3 {
		for id := range instruments {
			w.quote(id)
		}
		w.pass(100)
		for id, r := range readers {
			if q := r.quotes[w.handle(id, market.ChannelQuote)]; q == nil || q.Bid != w.quotes[id] {
				t.Fatalf("the cut did not reach reader %d of %d", id, instruments)
			}
		}
	}
	check(t, readers...)
}

// What cuts are encoded into is used again from cut to cut.
func TestCutsKeepNoBytes(t *testing.T) {
	w := newWorld(20, 64, Options{})
	s := w.attach(newReader(Proto))
	ids := make([]int, 20)
	for i := range ids {
		ids[i] = i
	}
	s.Subscribe(slices.Concat(w.items(market.ChannelQuote, ids...), w.items(market.ChannelTrade, ids...)), throttle.Every20ms)
	for range 200 {
		for i := range ids {
			w.quote(i)
			w.trade(i)
		}
		w.pass(20)
	}
	for _, l := range s.lanes {
		if n := cap(l.phase.arena); n == 0 || n > 4<<10 {
			t.Errorf("%d bytes are kept of cuts of 40 rows", n)
		}
	}
	if o := &w.worker.out; cap(o.frame) > 4<<10 || cap(o.builder.payload) > 4<<10 {
		t.Errorf("%d and %d bytes are kept of frames of 40 rows", cap(o.frame), cap(o.builder.payload))
	}
}

// Quotes that stand side by side share their tag. Where the list of the frame before ended must mean nothing to the next one,
// at whatever place its first quote stands.
func TestQuotesBehindRowsOfAnyLength(t *testing.T) {
	w := newWorld(2, 256, Options{})
	r := newReader(Proto)
	w.quote(0)
	w.trade(1)
	// The trade has the first slot.
	w.attach(r).Subscribe(slices.Concat(w.items(market.ChannelTrade, 1), w.items(market.ChannelQuote, 0)), throttle.Every20ms)
	w.pass(40)
	for trades := range 4 {
		for wait := range 12 { // an age, or a time of an exchange, of so many bits makes rows longer and shorter
			w.now += int64(1) << (2 * wait)
			w.quote(0)
			w.pass(20)
			w.now += 1000
			for range trades {
				w.trade(1)
			}
			w.quote(0)
			w.pass(20)
			check(t, r)
		}
	}
	if q := r.quotes[w.handle(0, market.ChannelQuote)]; q.Bid != w.quotes[0] {
		t.Errorf("the quote ended at %d, want %d", q.Bid, w.quotes[0])
	}
}

// Each frame that a connection did not take is counted: once, by the engine and by its subscriber.
func TestMissedFramesAreCounted(t *testing.T) {
	w := newWorld(2, 64, Options{})
	var subs []*Subscriber
	var readers []*reader
	for range 3 {
		r := newReader(Proto)
		s := w.attach(r)
		s.Subscribe(w.items(market.ChannelQuote, 0, 1), throttle.Every20ms)
		subs, readers = append(subs, s), append(readers, r)
	}
	w.pass(20)
	readers[1].stalled = true
	for range 10 {
		w.quote(0)
		w.pass(20)
	}
	if n := w.counters.Count(drop.MissedCuts); n != 1 || subs[1].missed != 1 || subs[0].missed+subs[2].missed != 0 {
		t.Errorf("one frame was refused, and counted %d; by subscriber %d, %d and %d", n, subs[0].missed, subs[1].missed, subs[2].missed)
	}
	readers[1].resume()
	w.pass(20)
	check(t, readers...)
}

// A frame that found its connection in other hands is counted apart from those that found it full: it says nothing of the client.
func TestContendedCutsAreCountedApart(t *testing.T) {
	w := newWorld(1, 64, Options{})
	r := newReader(Proto)
	s := w.attach(r)
	s.Subscribe(w.items(market.ChannelQuote, 0), throttle.Every20ms)
	w.quote(0)
	w.pass(40)
	for n, c := range []struct {
		full              bool
		contended, missed uint64 // in all from then on
	}{{false, 1, 0}, {true, 1, 1}, {false, 2, 1}} {
		if r.contended = !c.full; c.full {
			r.stalled = true
			w.quote(0)
			w.pass(20) // the frame that fills it
		}
		w.quote(0)
		w.pass(20)
		if contended, missed := w.counters.Count(drop.ContendedCuts), w.counters.Count(drop.MissedCuts); contended != c.contended || missed != c.missed || s.missed != c.contended+c.missed {
			t.Errorf("%d: %d frames are counted as contended and %d as missed, %d in all; want %d and %d", n, contended, missed, s.missed, c.contended, c.missed)
		}
		r.resume()
		w.pass(40)
		check(t, r)
		if r.quotes[w.handle(0, market.ChannelQuote)].Bid != w.quotes[0] {
			t.Errorf("%d: the reader did not catch up", n)
		}
	}
}

// A reader that was in step with an instrument ahead of its first value holds no row of it. Where it misses that value it begins with a
// full row, which stands for no others: nothing of what came before was its own.
func TestAFirstValueThatWasMissedMergesNothing(t *testing.T) {
	w := newWorld(2, 64, Options{})
	r := newReader(Proto)
	s := w.attach(r)
	s.Subscribe(w.items(market.ChannelQuote, 0, 1), throttle.Every20ms)
	w.quote(1)
	w.pass(60)
	r.stalled = true
	w.quote(1)
	w.pass(20) // the frame that fills it
	for range 3 {
		w.quote(0)
	}
	w.pass(20)
	if r.refused != 1 {
		t.Fatalf("%d frames were refused, want the one with the first value", r.refused)
	}
	r.resume()
	w.pass(40)
	check(t, r)
	if got := r.quotes[w.handle(0, market.ChannelQuote)]; got == nil || got.Bid != w.quotes[0] {
		t.Errorf("the reader has %+v, want a bid of %d", got, w.quotes[0])
	}
	if r.conflated != 0 || s.conflated != 0 {
		t.Errorf("the reader is told of %d merged ticks, and %d are counted, of an instrument that it held no row of", r.conflated, s.conflated)
	}
}
