package fanout

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a Conn that counts and takes everything.
type sink struct{ frames, bytes int }

func (s *sink) Ready() bool { return true }

func (s *sink) Send(b []byte) bool {
	s.frames++
	s.bytes += len(b)
	return true
}

// Real workers in a bubble of fake time: cuts come at the beat, and Close ends everything.
func TestWorkersBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewStore(snapshot.Options{})
		e := New(store, Options{Workers: 3})
		store.Begin()
		id, _ := store.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "A"}})
		store.Commit()
		e.Start()
		h := e.Handle(id, market.ChannelQuote, market.View{})
		readers := make([]*sink, 6)
		subs := make([]*Subscriber, 6)
		for i := range readers {
			readers[i] = new(sink)
			subs[i] = e.Attach(readers[i], bare(Proto))
			subs[i].Subscribe([]Item{{Handle: h}}, []throttle.Cadence{throttle.Every100ms, throttle.Immediate}[i/3])
		}
		for i := range 1000 {
			store.Begin()
			store.Quote(id, &market.Quote{Bid: int64(i), Has: market.HasBid, IngestTime: time.Now().UnixMicro()})
			store.Commit()
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, s := range subs {
			s.Detach()
		}
		for i, r := range readers {
			if want := []int{20, 1000}[i/3]; r.frames < want-1 || r.frames > want+2 {
				t.Errorf("reader %d got %d frames, want about %d", i, r.frames, want)
			}
		}
		if late := e.Stats().LatestCut; late > time.Millisecond {
			t.Errorf("a cut came %v after its beat", late)
		}
		e.Close()
		subs[0].Subscribe(nil, throttle.Immediate)
		subs[0].Detach()
	})
}

// Everything at once, for the race detector: ticks, subscribers that come, change and go, and a close in the
// middle of it.
func TestConcurrentUse(t *testing.T) {
	store := snapshot.NewStore(snapshot.Options{LogEvents: 64})
	e := New(store, Options{Workers: 2})
	const instruments = 20
	store.Begin()
	for i := range instruments {
		_, _ = store.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: fmt.Sprint(i)}})
	}
	store.Commit()
	e.Start()
	var clients, ticks sync.WaitGroup
	stop := make(chan struct{})
	ticks.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			id := market.InstrumentID(n % instruments)
			p := market.Position{Epoch: 1, Sequence: market.Sequence(n/instruments + 1)}
			store.Begin()
			store.Quote(id, &market.Quote{Bid: int64(n), Has: market.HasBid, Position: p})
			store.Trade(id, &market.Trade{Price: int64(n), Position: p})
			store.Commit()
		}
	})
	for c := range 8 {
		clients.Go(func() {
			for round := range 20 {
				s := e.Attach(new(sink), bare(Encoding(c%2)))
				for i := range 5 {
					ch := []market.Channel{market.ChannelQuote, market.ChannelTrade, market.ChannelStatus}[(c+i)%3]
					h := e.Handle(market.InstrumentID((c*round+i)%instruments), ch, market.View{})
					s.Subscribe([]Item{{Handle: h, History: 3}}, throttle.Cadence((c+i+round)%4))
					s.Wake()
					if i == 3 {
						s.Unsubscribe([]Handle{h})
					}
				}
				s.Detach()
			}
		})
	}
	clients.Wait()
	close(stop)
	ticks.Wait()
	e.Close()
}

// steady returns a world with one lane at 100 ms over n quotes, warmed up.
func steady(n int, e Encoding) (*world, *sink) {
	w := newWorld(n, 64, Options{})
	out := new(sink)
	s := w.engine.Attach(out, bare(e))
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	w.worker.turn()
	s.Subscribe(w.items(market.ChannelQuote, ids...), throttle.Every100ms)
	for range 5 {
		for i := range n {
			w.quote(i)
		}
		w.pass(100)
	}
	return w, out
}

func TestAFrameAllocatesNothing(t *testing.T) {
	quotes := func(w *world) {
		for i := range 20 {
			w.quote(i)
		}
	}
	trades := func(w *world) {
		for i := range 20 {
			w.trade(i)
		}
	}
	for name, c := range map[string]struct {
		encoding Encoding
		channel  market.Channel
		view     market.View
		cadence  throttle.Cadence
		readers  int
		tick     func(*world)
	}{
		"quotes":              {Proto, market.ChannelQuote, market.View{}, throttle.Every100ms, 1, quotes},
		"quotes at once":      {Proto, market.ChannelQuote, market.View{}, throttle.Immediate, 1, quotes},
		"quotes as text":      {JSON, market.ChannelQuote, market.View{}, throttle.Every100ms, 1, quotes},
		"prices before sizes": {Proto, market.ChannelQuote, market.View{Sizes: 1000}, throttle.Every100ms, 1, quotes},
		"a cohort of quotes":  {Proto, market.ChannelQuote, market.View{}, throttle.Every100ms, 5, quotes},
		"trades":              {Proto, market.ChannelTrade, market.View{}, throttle.Every100ms, 1, trades},
		"trades at once":      {Proto, market.ChannelTrade, market.View{}, throttle.Immediate, 1, trades},
		"trades summed up":    {Proto, market.ChannelTrade, market.View{Summary: true}, throttle.Every100ms, 1, trades},
	} {
		t.Run(name, func(t *testing.T) {
			w, out := newWorld(20, 64, Options{}), new(sink)
			var items []Item
			for i := range 20 {
				items = append(items, Item{Handle: w.engine.Handle(market.InstrumentID(i), c.channel, c.view), History: 1})
			}
			for range c.readers {
				s := w.engine.Attach(out, bare(c.encoding))
				w.worker.turn()
				s.Subscribe(items, c.cadence)
			}
			next := func() {
				c.tick(w)
				w.pass(100)
			}
			for range 5 {
				next()
			}
			frames := out.frames
			if n := testing.AllocsPerRun(100, next); n != 0 {
				t.Errorf("%v allocations for each cut", n)
			}
			if got := out.frames - frames; got < 100*c.readers {
				t.Errorf("only %d frames were sent to %d readers in 100 cuts", got, c.readers)
			}
		})
	}
}

// BenchmarkFlush prints what a frame of 20 quotes costs without the socket, and how little of it depends on
// the ticks behind it.
func BenchmarkFlush(b *testing.B) {
	for _, ticks := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("ticks=%d", ticks), func(b *testing.B) {
			w, out := steady(20, Proto)
			p := w.worker.active[0]
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for i := range 20 * ticks {
					w.quote(i % 20)
				}
				b.StartTimer()
				w.now += 100_000
				p.run(w.now)
			}
			b.ReportMetric(float64(out.bytes)/float64(out.frames), "B/frame")
		})
	}
}

// Many jobs at once hold up no cut: what a turn has no time for is done in the next, in order.
func TestJobsLeaveTimeForCuts(t *testing.T) {
	w := newWorld(1, 64, Options{})
	turns, last := map[int64]int{}, -1
	for i := range 100 {
		w.worker.post(func(k *worker) {
			w.now += 1000 // each takes a millisecond
			turns[k.out.now]++
			if i != last+1 {
				t.Errorf("job %d came behind job %d", i, last)
			}
			last = i
		})
	}
	for range 100 {
		if w.worker.turn() > 0 {
			break
		}
	}
	if last != 99 {
		t.Fatalf("the last job was %d", last)
	}
	for at, n := range turns {
		if n > turnShare/1000+aFew {
			t.Errorf("%d jobs in the turn at %d", n, at)
		}
	}
}

// Where a cut is due all the time, jobs have the lesser share of each turn, and are done all the same.
func TestJobsLeaveMoreTimeWhereCutsAreDue(t *testing.T) {
	w := newWorld(1, 64, Options{})
	r := newReader(Proto)
	w.attach(r).Subscribe(w.items(market.ChannelQuote, 0), throttle.Every20ms)
	w.pass(20)
	turns, done := map[int64]int{}, 0
	for range 200 {
		w.worker.post(func(k *worker) {
			w.now += leastShare / 10
			turns[k.out.now]++
			done++
		})
	}
	for done < 200 {
		w.now += 20_000
		w.quote(0)
		frames := r.frames
		if w.worker.turn(); r.frames != frames+1 {
			t.Fatalf("%d frames in a turn that has one due", r.frames-frames)
		}
	}
	for at, n := range turns {
		if n > 10+aFew {
			t.Errorf("%d jobs of a tenth of the share each in the turn at %d", n, at)
		}
	}
}

// Who could not be served in a turn goes ahead of those who came later.
func TestWhoWaitsIsServedInTheOrderOfComing(t *testing.T) {
	w := newWorld(1, 64, Options{})
	w.quote(0)
	var order []int
	var subs []*Subscriber
	for n := range 20 {
		s := w.engine.Attach(sendFunc(func([]byte) bool {
			w.now += leastShare // so a turn serves a few
			order = append(order, n)
			w.worker.out.budget = 0 // and gets to nobody who comes meanwhile
			return true
		}), bare(Proto))
		subs = append(subs, s)
		w.worker.turn()
	}
	for n, s := range subs {
		s.Subscribe(w.items(market.ChannelQuote, 0), throttle.Every250ms)
		if n == 9 { // the others come when these wait already
			w.worker.turn()
		}
	}
	for range 50 {
		w.worker.turn()
	}
	if len(order) != 20 || !slices.IsSorted(order) {
		t.Errorf("served in the order %v", order)
	}
}
