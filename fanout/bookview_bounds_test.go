package fanout

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// Whatever the numbers in a book, no row of it is larger than a frame should be.
func TestRowsOfABookFitAFrame(t *testing.T) {
	const limit, levels = 32 << 10, 4000
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{MaxFrame: limit})
		random := rand.New(rand.NewPCG(5, 6))
		image := deepBook(levels)
		for i := range image.Bids {
			image.Bids[i] = market.Level{Price: -random.Int64(), Size: math.MaxInt64 - random.Int64N(1000)}
			image.Asks[i] = market.Level{Price: random.Int64(), Size: math.MaxInt64 - random.Int64N(1000)}
		}
		w.book(0, image)
		r, largest := newReader(e), 0
		s := w.engine.Attach(sendFunc(func(b []byte) bool {
			largest = max(largest, len(b))
			return r.Send(b)
		}), bare(e))
		s.Subscribe([]Item{{Handle: w.view(0, market.View{})}, {Handle: w.view(0, market.View{Depth: 100})}}, throttle.Every100ms)
		w.worker.turn()
		for _, changed := range []int{400, 700, 1600, 3000} {
			event := market.BookEvent{Bids: slices.Clone(image.Bids[:changed])}
			for i := range event.Bids {
				event.Bids[i].Size -= random.Int64N(1000)
			}
			w.book(0, event)
			w.pass(200)
		}
		if largest < limit/2 || largest > 2*limit {
			t.Errorf("frames of up to %d bytes with a limit of %d", largest, limit)
		}
		check(t, r)
	}
}

// A storm of joiners gets the whole book from one image.
func TestJoinersOfABookShareItsImage(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(1000))
	whole := w.view(0, market.View{})
	r := w.store.Acquire()
	image := r.BookImage(0)
	r.Release()
	for n := range int64(20) {
		c, s := w.attach(Proto)
		s.Subscribe([]Item{{Handle: whole}}, throttle.Every250ms)
		w.book(0, market.BookEvent{Asks: []market.Level{{Price: n, Size: 50_000}}})
		w.pass(300)
		c.final(t, whole)
		check(t, c.reader)
	}
	r = w.store.Acquire()
	defer r.Release()
	if r.BookImage(0) != image {
		t.Fatal("the book was encoded again for joiners whom changes would have served")
	}
}

// The same with workers that run by themselves, for the race detector: several build and share images at once.
func TestBooksAmongWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBookWorld(2, Options{})
		w.engine = New(w.store, Options{Workers: 3, MaxFrame: 4000})
		w.engine.Start()
		w.now = time.Now().UnixMicro()
		random := rand.New(rand.NewPCG(7, 8))
		for id := range 2 {
			w.book(id, deepBook(300))
		}
		var readers []*bookReader
		var subs []*Subscriber
		for n := range 100 {
			if n%10 == 0 {
				r, s := w.attach(Encoding(n / 10 % 2))
				for i, v := range testForms {
					s.Subscribe([]Item{{Handle: w.view(n/20%2, v)}}, throttle.Cadence((n/10+i)%5))
				}
				readers, subs = append(readers, r), append(subs, s)
			}
			w.now = time.Now().UnixMicro()
			for range random.IntN(8) {
				var e market.BookEvent
				for range random.IntN(60) {
					l := market.Level{Price: random.Int64N(500) - 250, Size: random.Int64N(3)}
					if l.Price < 0 {
						e.Bids = append(e.Bids, l)
					} else {
						e.Asks = append(e.Asks, l)
					}
				}
				w.book(random.IntN(2), e)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, s := range subs {
			s.Detach()
		}
		w.engine.Close()
		for n, r := range readers {
			for _, v := range testForms {
				r.final(t, w.view(n/2%2, v))
			}
			check(t, r.reader)
		}
	})
}

// What a subscription to a book keeps here is bounded: a mark, and no copy of levels for any reader.
func TestABookReaderKeepsLittle(t *testing.T) {
	if n := unsafe.Sizeof(mark{}); n > 56 {
		t.Errorf("a mark of %d bytes", n)
	}
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(2000))
	r, s := w.attach(Proto)
	whole := w.view(0, market.View{})
	s.Subscribe([]Item{{Handle: whole}}, throttle.Every20ms)
	w.pass(100)
	r.stalled = true
	for n := range int64(200) {
		var e market.BookEvent
		for i := range int64(50) {
			e.Bids = append(e.Bids, market.Level{Price: -1 - (50*n+i)%2000, Size: n + i + 1})
		}
		w.book(0, e)
		w.pass(10)
	}
	v := s.lanes[0].phase.slots[0].view.(*wholeView)
	if n := cap(v.bids) + cap(v.asks); n > 64<<10 {
		t.Errorf("a view holds %d bytes", n)
	}
	for _, c := range scratch.free {
		if n := cap(c.Bids) + cap(c.Asks); n > 16<<10 {
			t.Errorf("room for %d levels is kept", n)
		}
	}
	r.resume()
	w.pass(100)
	r.final(t, whole)
	check(t, r.reader)
}

func TestABookFrameAllocatesNothing(t *testing.T) {
	w := newWorld(1, 64, Options{})
	out := new(sink)
	s := w.engine.Attach(out, bare(Proto))
	w.worker.turn()
	image := deepBook(500)
	event := market.BookEvent{Bids: make([]market.Level, 20), Asks: make([]market.Level, 20)}
	n := int64(0)
	tick := func() {
		for range 4 {
			for i := range event.Bids {
				n++
				event.Bids[i] = market.Level{Price: -1 - n*7%150, Size: n % 4}
				event.Asks[i] = market.Level{Price: n * 11 % 150, Size: n % 3}
			}
			event.Position.Sequence++
			w.store.Begin()
			w.store.Book(0, &event)
			w.store.Commit()
		}
		w.pass(100)
	}
	w.store.Begin()
	w.store.Book(0, &image)
	w.store.Commit()
	for _, v := range testForms {
		s.Subscribe([]Item{{Handle: w.engine.Handle(0, market.ChannelBook, v)}}, throttle.Every100ms)
	}
	for range 50 {
		tick()
	}
	frames := out.frames
	if n := testing.AllocsPerRun(100, tick); n != 0 {
		t.Fatalf("%v allocations per cut with six views of a book", n)
	}
	if out.frames-frames < 100 {
		t.Fatalf("only %d frames were sent", out.frames-frames)
	}
}
