package fanout

import (
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// A reader that catches up is told how much its rows stand for, of books and bars as of quotes.
func TestCatchingUpTellsWhatWasMerged(t *testing.T) {
	const changes = 30
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(100))
		r, s := w.attach(e)
		s.Subscribe([]Item{{Handle: w.view(0, market.View{Depth: 10})}}, throttle.Every20ms)
		w.pass(100)
		r.stalled = true
		for n := range changes + 1 { // the first one fills the outbox
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1 - int64(n%10), Size: 10_000 + int64(n)}}})
			w.pass(20)
		}
		told := r.conflated
		r.resume()
		w.pass(100)
		if got := r.conflated - told; got != changes-1 {
			t.Errorf("%v: one view of a book stands for %d events, and says %d beyond one", e, changes, got)
		}
		check(t, r.reader)

		x := newExchange(1, 64, Options{})
		b := newBoard(e)
		x.join(b).Subscribe([]Item{{Handle: x.bars(0, 60)}}, throttle.Every100ms)
		x.trade(0, market.Trade{Price: 5, Size: 1})
		x.pass(100)
		b.stalled = true
		for n := range changes + 1 {
			x.trade(0, market.Trade{Price: int64(10 + n), Size: 1})
			x.pass(100)
		}
		b.resume()
		x.pass(100)
		if got := b.last.Conflated; got != changes-1 {
			t.Errorf("%v: a bar stands for %d trades, and says %d beyond one", e, changes, got)
		}
		x.checkErrors(t, b)
	}
}

// A connection that takes a frame now and then gets the newest rows of all that it subscribed to, at whatever cadence and in however
// many frames.
func TestASlowConnectionIsServedInTurn(t *testing.T) {
	const each = 40
	for _, cadences := range [][2]throttle.Cadence{
		{throttle.Every20ms, throttle.Every100ms}, {throttle.Every100ms, throttle.Every20ms}, {throttle.Immediate, throttle.Every1s},
	} {
		w := newWorld(2*each, 64, Options{MaxFrame: 300})
		r := newReader(Proto)
		s := w.attach(r)
		w.share(s, each, cadences)
		w.tick(200, nil)
		r.stalled = true
		var oldest [2]int64
		var waited, longest int // frames of which the client was told that more of the same cut follows
		frames := r.frames
		w.tick(3000, func() {
			for i := range w.quotes {
				oldest[i/each] = max(oldest[i/each], w.quotes[i]-r.quotes[w.handle(i, market.ChannelQuote)].Bid)
			}
			if r.full {
				if waited++; !r.last.Partial {
					waited = 0
				}
				longest = max(longest, waited)
				r.full = false
				s.Wake()
			}
		})
		// A frame has room for ten rows and more, so a round of all takes eight frames, of 10 ms each; and nobody waits for two.
		for n, c := range cadences {
			if most := 16 + c.Interval().Milliseconds()/10; oldest[n] > most {
				t.Errorf("%v: an instrument of %v was %d ticks behind, want %d at most", cadences, c, oldest[n], most)
			}
		}
		if frames = r.frames - frames; frames < 2900 {
			t.Errorf("%v: %d frames", cadences, frames)
		}
		if longest > len(cadences) {
			t.Errorf("%v: %d frames in a row say that more of the same cut follows", cadences, longest)
		}
		r.resume()
		w.pass(2000)
		for i := range w.quotes {
			if q := r.quotes[w.handle(i, market.ChannelQuote)]; q.Bid != w.quotes[i] {
				t.Errorf("%v: instrument %d ended at %d, want %d", cadences, i, q.Bid, w.quotes[i])
			}
		}
		check(t, r)
	}
}

// Over a connection that trades alone would fill, quotes have their turn among them, and what the log no longer holds is told.
func TestTradesLeaveRoomForQuotesOverASlowConnection(t *testing.T) {
	const instruments, frame, seconds = 20, 1000, 30
	w := newWorld(instruments, 256, Options{MaxFrame: frame})
	r := newReader(Proto)
	s := w.attach(r)
	for i := range instruments {
		w.quote(i)
		s.Subscribe(w.items(market.ChannelQuote, i), throttle.Every100ms)
		s.Subscribe(w.items(market.ChannelTrade, i), throttle.Every100ms)
	}
	w.pass(2000)
	r.stalled = true
	oldest, step := int64(0), 0
	w.tick(seconds*100, func() {
		for i := range w.quotes {
			w.trade(i)
			oldest = max(oldest, w.quotes[i]-r.quotes[w.handle(i, market.ChannelQuote)].Bid)
		}
		if step++; step%10 == 0 { // a frame every 100 ms
			r.full = false
			s.Wake()
		}
	})
	// A turn of all takes 20 quotes of 40 bytes and 20 trades of fairShare and a row of as much at most, and nobody waits for two.
	if most := int64(2*instruments*(40+2*fairShare)*10/frame) + 10; oldest > most {
		t.Errorf("a quote was %d ticks behind, want %d at most", oldest, most)
	}
	r.resume()
	w.pass(10_000)
	if w.lost(r) == 0 {
		t.Error("no trade was lost: the connection had room for all of them")
	}
	check(t, r)
}

// Whoever sets a ceiling again and again has no more of it.
func TestACeilingSetAgainForgivesNoDebt(t *testing.T) {
	const seconds = 10
	w, r, s := crowded(60, 2000, throttle.Every100ms)
	w.pass(2000)
	start := r.bytes
	w.tick(seconds*100, func() { s.Limit(2000) })
	if rate := (r.bytes - start) / seconds; rate > 2200 {
		t.Errorf("%d bytes/s under a ceiling of 2000 that is set 100 times a second", rate)
	}
	check(t, r)
}

// A frame in which logs had several turns may be refused as any other: what it told is told again, and only once.
func TestARefusedFrameOfSeveralTurnsLosesNothing(t *testing.T) {
	const instruments, seconds, each = 2, 10, 8
	w := newWorld(instruments, 4096, Options{MaxFrame: 1000}) // some 7 turns of fairShare for each log
	r := newReader(Proto)
	s := w.attach(r)
	s.Limit(1_000_000)
	s.Subscribe(w.items(market.ChannelTrade, 0, 1), throttle.Every100ms)
	w.pass(200)
	r.stalled = true
	for step := range seconds * 100 {
		for range each {
			w.trade(0)
			w.trade(1)
		}
		w.pass(10)
		if step%10 == 9 { // two frames' worth for both came since
			r.full = false
			s.Wake()
		}
	}
	if r.refused < seconds*5 {
		t.Fatalf("%d frames were refused: nothing to prove", r.refused)
	}
	r.resume()
	w.pass(1000)
	for i := range instruments {
		if tape := r.tape(w.handle(i, market.ChannelTrade)); len(tape.events) != seconds*100*each || tape.lost+tape.gaps != 0 {
			t.Errorf("instrument %d: %d trades were told, %d lost and %d in gaps, of %d", i, len(tape.events), tape.lost, tape.gaps, seconds*100*each)
		}
	}
	check(t, r)
}
