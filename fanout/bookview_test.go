package fanout

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// Whatever happens in whatever order, each state of a book that a reader is given is one that the market had, none goes
// back, and in the end all are the market's.
func TestBookReadersConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const instruments = 2
		w := newBookWorld(instruments, Options{MaxFrame: rapid.SampledFrom([]int{60, 2000, 32 << 10}).Draw(t, "frame")})
		type client struct {
			*bookReader
			s    *Subscriber
			subs map[Handle]throttle.Cadence
		}
		var clients []*client
		anyClient := func() *client { return clients[rapid.IntRange(0, len(clients)-1).Draw(t, "client")] }
		for range rapid.IntRange(1, 4).Draw(t, "clients") {
			r, s := w.attach(Encoding(rapid.IntRange(0, 1).Draw(t, "encoding")))
			clients = append(clients, &client{r, s, map[Handle]throttle.Cadence{}})
		}
		if rapid.Bool().Draw(t, "busy") {
			w.onSend = func() {
				if rapid.IntRange(0, 3).Draw(t, "meanwhile") == 0 {
					w.book(rapid.IntRange(0, instruments-1).Draw(t, "instrument"), bookEvents().Draw(t, "event"))
				}
			}
		}
		for range rapid.IntRange(10, 100).Draw(t, "steps") {
			id := rapid.IntRange(0, instruments-1).Draw(t, "instrument")
			h := w.view(id, rapid.SampledFrom(testForms).Draw(t, "form"))
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0, 1, 2, 3, 4:
				for range rapid.IntRange(1, 6).Draw(t, "n") {
					w.book(id, bookEvents().Draw(t, "event"))
				}
			case 5, 6, 7:
				c := anyClient()
				cadence := throttle.Cadence(rapid.IntRange(0, int(throttle.Cadences)).Draw(t, "cadence"))
				if cadence == throttle.Cadences {
					cadence = throttle.Paused
				}
				if _, held := c.subs[h]; !held { // a new subscription begins anew
					delete(c.books, h)
				}
				c.subs[h] = cadence
				c.s.Subscribe([]Item{{Handle: h}}, cadence)
			case 8:
				c := anyClient()
				delete(c.subs, h)
				w.unsubscribe(c.s, h)
			case 9:
				anyClient().stalled = true
			case 10:
				if c := anyClient(); c.stalled {
					c.resume()
				}
			default:
				w.pass(10 * rapid.IntRange(1, 60).Draw(t, "pass"))
			}
			if rapid.Bool().Draw(t, "turn") {
				w.worker.turn()
			}
		}
		for _, c := range clients {
			for h, cadence := range c.subs {
				if cadence == throttle.Paused {
					c.s.Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
				}
			}
			c.resume()
		}
		w.pass(100)
		w.onSend = nil
		w.pass(10_100)
		for _, c := range clients {
			check(t, c.reader)
			for h := range c.subs {
				c.final(t, h)
			}
			for _, l := range c.s.lanes {
				if l.marks != nil {
					t.Fatalf("a lane at %s still lags", l.phase.cadence)
				}
			}
		}
	})
}

func TestABookComesWholeThenAsChanges(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(50))
		r, s := w.attach(e)
		whole, five := w.view(0, market.View{}), w.view(0, market.View{Depth: 5})
		s.Subscribe([]Item{{Handle: whole}, {Handle: five}}, throttle.Every100ms)
		w.worker.turn()
		if r.frames != 1 || r.fulls != 2 || len(r.held(five).sides[0]) != 5 {
			t.Fatalf("%d frames with %d full rows at once, want both views in one", r.frames, r.fulls)
		}
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -40, Size: 1}}})
		w.pass(200)
		if r.frames != 2 || r.diffs != 1 {
			t.Fatalf("%d frames, %d rows of changes: a level far away concerns the whole book alone", r.frames, r.diffs)
		}
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 0}}, Asks: []market.Level{{Price: 0, Size: 9}}})
		w.book(0, market.BookEvent{Asks: []market.Level{{Price: 0, Size: 8}}})
		w.pass(200)
		if r.frames != 3 || r.diffs != 3 || r.fulls != 2 || r.conflated != 3 {
			t.Fatalf("%d frames, %d changes, %d full, %d conflated", r.frames, r.diffs, r.fulls, r.conflated)
		}
		w.book(0, deepBook(50)) // an image that differs in few levels is told as those
		w.pass(200)
		if r.frames != 4 || r.fulls != 2 {
			t.Fatalf("%d frames, %d full rows", r.frames, r.fulls)
		}
		w.pass(1000)
		w.book(0, deepBook(50)) // and one that differs in none is not told at all
		w.pass(1000)
		if r.frames != 4 {
			t.Fatalf("%d frames while nothing changed", r.frames)
		}
		conflated := r.conflated
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -40, Size: 2}}})
		w.pass(200)
		if r.frames != 5 || r.conflated != conflated+1 {
			t.Fatalf("%d frames, %d conflated: the event that came to nothing is part of the next row", r.frames, r.conflated-conflated)
		}
		r.final(t, whole)
		r.final(t, five)
		check(t, r.reader)
	}
}

// The first event of a book reaches those who wait for it, whole, at the next cut.
func TestABookThatBeginsLater(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		for _, c := range []throttle.Cadence{throttle.Immediate, throttle.Every50ms} {
			w := newBookWorld(1, Options{})
			r, s := w.attach(e)
			s.Subscribe([]Item{{Handle: w.view(0, market.View{})}, {Handle: w.view(0, market.View{Depth: 10})}}, c)
			w.pass(100)
			w.book(0, deepBook(3))
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -9, Size: 4}}})
			w.pass(100)
			if r.fulls != 2 {
				t.Fatalf("%d full rows, want one of each view", r.fulls)
			}
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -9, Size: 5}}})
			w.pass(100)
			if r.fulls != 2 || r.diffs != 2 {
				t.Fatalf("%d full rows and %d changes", r.fulls, r.diffs)
			}
			check(t, r.reader)
		}
	}
}

// A reader that joins between two cuts may be shown what the next cut no longer finds: then it is put right, though
// the others, for whom nothing changed, get nothing.
func TestALevelThatWasThereBetweenTwoCuts(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(10))
		early, s := w.attach(e)
		items := []Item{{Handle: w.view(0, market.View{Depth: 5})}, {Handle: w.view(0, market.View{})}}
		s.Subscribe(items, throttle.Every5s)
		w.pass(100)
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 0}}})
		late, s2 := w.attach(e)
		s2.number = s.number // of the same phase
		s2.Subscribe(items, throttle.Every5s)
		w.worker.turn()
		if _, there := late.held(items[0].Handle).sides[0][-1]; there || late.fulls != 2 {
			t.Fatal("the late reader was not shown the moment that it joined in")
		}
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 5}}})
		w.pass(5000)
		for _, it := range items {
			early.final(t, it.Handle)
			late.final(t, it.Handle)
		}
		if early.fulls != 2 || early.diffs != 0 {
			t.Fatalf("%d full rows and %d of changes for a reader of whose book nothing changed", early.fulls, early.diffs)
		}
		check(t, early.reader, late.reader)
	}
}

// While the frames of a cut go out the market moves on. Who catches up behind them is brought to the cut all the same, so
// that the next one fits.
func TestACutIsOneMomentForAll(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(10))
		early, s := w.attach(e)
		items := []Item{{Handle: w.view(0, market.View{Depth: 5})}, {Handle: w.view(0, market.View{})}}
		s.Subscribe(items, throttle.Every100ms)
		w.pass(100)
		size := int64(100)
		move := func() {
			size++
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1 - size%4, Size: size}}})
		}
		move()
		late, s2 := w.attach(e)
		s2.number = s.number
		s2.Subscribe(items, throttle.Every100ms)
		w.worker.turn()
		move()
		w.onSend = func() {
			w.onSend = nil
			move()
		}
		w.pass(100)
		if !reflect.DeepEqual(early.books[items[1].Handle].sides, late.books[items[1].Handle].sides) {
			t.Fatalf("after the cut one reader holds %v and the other %v", early.books[items[1].Handle].sides, late.books[items[1].Handle].sides)
		}
		w.pass(100)
		for _, it := range items {
			early.final(t, it.Handle)
			late.final(t, it.Handle)
		}
		if lanes := len(s2.lanes); lanes != 1 || s2.lanes[0].marks != nil {
			t.Fatal("the late reader is not in step")
		}
		check(t, early.reader, late.reader)
	}
}

// The position of a full row is that of the newest event, also of those beyond the view.
func TestPositionsGoOnBeyondTheView(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(10))
	keeper, s := w.attach(Proto)
	five := w.view(0, market.View{Depth: 5})
	s.Subscribe([]Item{{Handle: five}}, throttle.Every100ms)
	for _, wait := range []int{0, 200} { // a joiner between the cuts, and one behind a cut that changed nothing
		w.pass(200)
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -9, Size: int64(100 + wait)}}})
		w.pass(wait)
		r, s2 := w.attach(Proto)
		s2.number = s.number
		s2.Subscribe([]Item{{Handle: five}}, throttle.Every100ms)
		w.worker.turn()
		if got, want := r.held(five).atLeast, len(w.past[0])-1; got != want {
			t.Fatalf("a full row at %d, want %d", got, want)
		}
		check(t, r.reader)
	}
	if keeper.frames != 1 {
		t.Fatalf("%d frames for changes beyond the view", keeper.frames)
	}
}

// A market that jumps leaves nothing of a view: the new one is shorter than what leads to it.
func TestAViewThatIsAllNewIsSentWhole(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(30))
		r, s := w.attach(e)
		h := w.view(0, market.View{Depth: 20})
		s.Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
		w.pass(100)
		jump := deepBook(30)
		for i := range jump.Bids {
			jump.Bids[i].Price += 1000
			jump.Asks[i].Price += 1000
		}
		w.book(0, jump)
		w.pass(100)
		if r.fulls != 2 || r.diffs != 0 {
			t.Fatalf("%d full rows and %d of changes", r.fulls, r.diffs)
		}
		r.final(t, h)
		check(t, r.reader)
	}
}

// A large book comes in parts that fit the limit; while they are on their way it may move on, and the reader may stall
// or move to another cadence: the parts are still of one moment, and none is sent twice.
func TestAHalfSentBook(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{MaxFrame: 3000})
		const levels = 1000
		w.book(0, deepBook(levels))
		r, s := w.attach(e)
		whole := w.view(0, market.View{})
		r.stalled = true // takes one frame and no more
		s.Subscribe([]Item{{Handle: whole}}, throttle.Every100ms)
		w.worker.turn()
		if r.parts == 0 || r.held(whole).whole {
			t.Fatal("nothing is on its way")
		}
		sent := r.parts
		for n := range int64(3) {
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1 - n, Size: 77 + n}}})
			s.Subscribe([]Item{{Handle: whole}}, []throttle.Cadence{throttle.Every50ms, throttle.Paused, throttle.Immediate}[n])
			w.pass(200)
		}
		if r.parts != sent {
			t.Fatalf("%d parts while the connection takes nothing", r.parts-sent)
		}
		r.resume()
		w.pass(100)
		if r.parts != 4 || r.fulls != 5 {
			t.Fatalf("%d parts of %d, want each of the 5 once", r.parts, r.fulls)
		}
		r.final(t, whole)
		check(t, r.reader)
	}
}

// A reader that was away for long gets the net changes while the ring holds them, and else the whole book.
func TestAStalledBookReader(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(100))
	r, s := w.attach(Proto)
	whole, top := w.view(0, market.View{}), w.view(0, market.View{Depth: 10})
	s.Subscribe([]Item{{Handle: whole}, {Handle: top}}, throttle.Every20ms)
	w.pass(100)
	for _, c := range []struct{ events, fulls int }{{100, 1}, {1000, 2}} {
		r.stalled = true
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 9999}}}) // fills the outbox
		w.pass(50)
		fulls, bytes := r.fulls, r.bytes
		for n := range c.events {
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1 - int64(n%50), Size: 10_000 + int64(n)}}})
			w.pass(20)
		}
		r.resume()
		w.pass(100)
		if r.fulls-fulls != c.fulls {
			t.Fatalf("%d full rows after %d events, want %d", r.fulls-fulls, c.events, c.fulls)
		}
		if r.bytes-bytes > 3000 {
			t.Fatalf("%d bytes: a backlog was kept", r.bytes-bytes)
		}
		r.final(t, whole)
		r.final(t, top)
	}
	check(t, r.reader)
}

// More changes between two cuts than the ring or a row holds: everybody gets the book anew, and goes on from there.
func TestACutBeyondTheRing(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(40))
		r, s := w.attach(e)
		whole := w.view(0, market.View{})
		s.Subscribe([]Item{{Handle: whole}}, throttle.Every5s)
		w.pass(100)
		for round := range 3 {
			for n := range 400 {
				w.book(0, market.BookEvent{Asks: []market.Level{{Price: int64(n % 60), Size: int64(10_000*round + n + 1)}}})
				w.pass(10)
			}
			w.pass(6000)
			r.final(t, whole)
		}
		if r.fulls < 3 {
			t.Fatalf("%d full rows", r.fulls)
		}
		w.book(0, market.BookEvent{Asks: []market.Level{{Price: 3, Size: 0}}})
		diffs := r.diffs
		w.pass(5000)
		if r.diffs != diffs+1 {
			t.Fatal("no changes after a whole book")
		}
		r.final(t, whole)
		check(t, r.reader)
	}
}

func TestChecksumsComeNowAndThen(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(200))
	r, s := w.attach(Proto)
	for _, v := range testForms {
		s.Subscribe([]Item{{Handle: w.view(0, v)}}, throttle.Every50ms)
	}
	w.pass(100)
	const cuts = 4 * checksumEvery
	for n := range int64(cuts) {
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 1000 + n}}})
		w.pass(100)
	}
	if want := 4 * (len(testForms) - 1); r.checks != want {
		t.Fatalf("%d checksums in %d cuts of %d views, want %d", r.checks, cuts, len(testForms)-1, want)
	}
	check(t, r.reader)
}
