package fanout

import (
	"errors"
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// A storm of subscribers with long histories is served over several turns, and everybody's cuts go on meanwhile.
func TestAStormOfSnapshotsDelaysNoCut(t *testing.T) {
	const instruments, events, storm = 20, 1024, 60
	w := newWorld(instruments, events, Options{MaxFrame: 16 << 10})
	for range events {
		for id := range instruments {
			w.trade(id)
		}
	}
	w.now += 10_000_000
	all := make([]int, instruments)
	for id := range all {
		all[id] = id
	}
	early := newReader(Proto)
	w.attach(early).Subscribe(w.items(market.ChannelQuote, 0), throttle.Every20ms)
	w.pass(100)

	items := w.items(market.ChannelTrade, all...)
	for n := range items {
		items[n].History = events
	}
	readers, subs := make([]*reader, storm), make([]*Subscriber, storm)
	for i := range readers {
		readers[i] = newReader(Proto)
		subs[i] = w.attach(readers[i])
	}
	for _, s := range subs {
		s.Subscribe(items, throttle.Every250ms)
	}
	turns := 0
	for done := false; !done; turns++ {
		before := 0
		for _, r := range readers {
			before += r.bytes
		}
		frames := early.frames
		w.quote(0)
		w.now += 20_000
		if pause := w.worker.turn(); pause > 0 && len(w.worker.out.hungry) > 0 {
			t.Fatalf("the worker rests for %d µs with %d subscribers behind", pause, len(w.worker.out.hungry))
		}
		sent := -before
		for _, r := range readers {
			sent += r.bytes
		}
		if most := catchUpBytes + (16<<10)*2; sent > most {
			t.Fatalf("a turn sent %d bytes to those who catch up, more than %d", sent, most)
		}
		if early.frames == frames {
			t.Fatal("a cut was left out")
		}
		done = len(w.worker.out.hungry) == 0
	}
	if turns < 5 {
		t.Fatalf("%d turns: too small a storm to show anything", turns)
	}
	for _, r := range readers {
		for h, tape := range r.trades {
			if len(tape.events) != events || tape.lost != 0 {
				t.Fatalf("handle %d: %d events, %d lost", h, len(tape.events), tape.lost)
			}
		}
		if len(r.trades) != instruments || len(r.errs) > 0 {
			t.Fatal(len(r.trades), r.errs)
		}
	}
}

// A snapshot is the frame that a new subscriber gets, and says so where it would be too large.
func TestSnapshot(t *testing.T) {
	w := newWorld(3, 64, Options{})
	for id := range 3 {
		for range 5 {
			w.quote(id)
			w.trade(id)
		}
	}
	items := w.items(market.ChannelQuote, 0, 2)
	trades := w.items(market.ChannelTrade, 1)
	trades[0].History = 3
	items = append(items, trades...)
	for _, enc := range []Encoding{Proto, JSON} {
		want := newReader(enc)
		s := w.attach(want)
		s.Subscribe(items, throttle.Every250ms)
		w.worker.turn()
		payload, err := w.engine.Snapshot(items, enc, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got := newReader(enc)
		got.quoteOf, got.tradeOf = want.quoteOf, want.tradeOf
		got.apply(payload)
		if len(got.errs) > 0 || got.rows != want.rows || got.frames != 1 || want.frames != 1 {
			t.Fatalf("%v: %d rows in %d frames, a subscriber got %d in %d", got.errs, got.rows, got.frames, want.rows, want.frames)
		}
		var large *TooLargeError
		if _, err := w.engine.Snapshot(items, enc, 40); !errors.As(err, &large) || large.Items >= len(items) {
			t.Fatal(err)
		}
		w.worker.detach(s)
	}
}

// Several views of one channel are found through one entry of the journal.
func TestFollowHoldsSeveralViewsOfAChannel(t *testing.T) {
	w := newWorld(1, 64, Options{})
	plain := w.handle(0, market.ChannelTrade)
	sums := w.engine.Handle(0, market.ChannelTrade, market.View{Summary: true})
	s := w.engine.Attach(newReader(Proto), bare(Proto))
	slots := func() int {
		n := 0
		f := w.worker.phases[rungOf(throttle.Immediate)][0].follow
		key := w.store.Topic(plain).Key
		if int(key) < len(f.byKey) {
			for at := f.byKey[key]; at != 0; at = f.next[at-1] {
				n++
			}
		}
		return n
	}
	for _, step := range []struct {
		add, remove Handle
		want        int
	}{{add: plain, want: 1}, {add: sums, want: 2}, {remove: plain, want: 1}, {add: plain, want: 2}, {remove: sums, want: 1}} {
		if step.add != 0 {
			w.worker.subscribe(s, []Item{{Handle: step.add}}, throttle.Immediate)
		} else {
			w.worker.unsubscribe(s, []Handle{step.remove})
		}
		if got := slots(); got != step.want {
			t.Fatalf("%+v: %d slots of the key", step, got)
		}
	}
}
