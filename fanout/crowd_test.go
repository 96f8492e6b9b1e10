package fanout

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
)

// visitor is a reader that workers send to while its own goroutine changes what it is sent.
type visitor struct {
	mu sync.Mutex
	*reader
	s          *Subscriber
	subs       map[Handle]bool
	lostBefore uint64 // of subscriptions that have ended
}

func (v *visitor) Ready() bool { return true }

func (v *visitor) Send(b []byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reader.Send(b)
}

// stall has the visitor take one more frame, and no further one.
func (v *visitor) stall() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stalled = true
}

func (v *visitor) resume() {
	v.mu.Lock()
	v.stalled, v.full = false, false
	v.mu.Unlock()
	v.s.Wake()
}

func (v *visitor) subscribe(items []Item, c throttle.Cadence) {
	v.mu.Lock()
	for _, it := range items {
		v.subs[it.Handle], v.gone[it.Handle] = true, false
	}
	v.mu.Unlock()
	v.s.Subscribe(items, c)
}

func (v *visitor) unsubscribe(items []Item) {
	var handles []Handle
	for _, it := range items {
		handles = append(handles, it.Handle)
	}
	v.s.Unsubscribe(handles)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, h := range handles { // none may follow, and another subscription begins anew
		v.lostBefore += v.tape(h).lost
		delete(v.quotes, h)
		delete(v.trades, h)
		delete(v.subs, h)
		v.gone[h] = true
	}
}

// act does one thing of what clients do.
func (v *visitor) act(chance *rand.Rand, watchlists [][]Item, cadences []throttle.Cadence) {
	items := watchlists[chance.IntN(len(watchlists))]
	switch chance.IntN(8) {
	case 0:
		v.unsubscribe(items[:chance.IntN(len(items))])
	case 1:
		v.stall()
	case 2, 3:
		v.resume()
	case 4:
		v.s.Limit([]int{0, 3000, 50_000}[chance.IntN(3)])
	default:
		v.subscribe(items, cadences[chance.IntN(len(cadences))])
	}
}

// A crowd looks at a few watchlists, so that its lanes share cohorts, whose frames are assembled once, in buffers that the next
// frame is assembled in; several workers send to it while ticks come, and everybody comes, goes, stalls, and moves between
// cadences. Whatever happens, each reader converges, is told of each tick and each trade that it did not see, and is sent nothing
// that it does not want.
func TestACrowdAmongWorkersConverges(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) { crowd(t, seed) })
	}
}

func crowd(t *testing.T, seed uint64) {
	const instruments, visitors = 12, 24
	counters := new(drop.Counters)
	store := snapshot.NewStore(snapshot.Options{LogEvents: 32, LogMax: 32})
	e := New(store, Options{Workers: 3, Counters: counters, MaxFrame: []int{300, 32 << 10}[seed%2]})
	w := &world{store: store, engine: e, epoch: 1, quotes: make([]int64, instruments), trades: make([]int64, instruments)}
	store.Begin()
	for i := range instruments {
		if _, err := store.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: fmt.Sprint("S", i)}, PriceScale: 2}); err != nil {
			t.Fatal(err)
		}
	}
	store.Commit()
	watchlists := [][]Item{
		w.items(market.ChannelQuote, 0, 1, 2, 3), w.items(market.ChannelQuote, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
		slices.Concat(w.items(market.ChannelTrade, 1, 2), w.items(market.ChannelQuote, 0, 1, 2, 3)), w.items(market.ChannelTrade, 2, 3, 4),
	}
	cadences := []throttle.Cadence{throttle.Immediate, throttle.Every20ms, throttle.Every100ms, throttle.Every1s, throttle.Paused}
	e.Start()

	var busy sync.WaitGroup
	all := make([]*visitor, visitors)
	for n := range all {
		v := &visitor{reader: newReader(Encoding(n % 4 / 3)), subs: map[Handle]bool{}}
		v.counting = true
		w.introduce(v.reader)
		v.s = e.Attach(v, bare(v.encoding))
		all[n] = v
		busy.Go(func() {
			chance := rand.New(rand.NewPCG(seed, uint64(n)))
			for range 40 {
				v.act(chance, watchlists, cadences)
				time.Sleep(time.Duration(chance.IntN(60)) * time.Millisecond)
			}
		})
	}
	busy.Go(func() {
		chance := rand.New(rand.NewPCG(seed, visitors))
		for range 1000 {
			for range chance.IntN(6) {
				w.now = time.Now().UnixMicro()
				w.quote(chance.IntN(instruments))
				w.trade(chance.IntN(instruments))
			}
			time.Sleep(time.Duration(chance.IntN(3)) * time.Millisecond)
		}
	})
	busy.Wait()

	var merged, missed uint64
	for _, v := range all {
		v.s.Limit(0)
		v.resume()
		v.subscribe(watchlists[2], throttle.Every100ms)
		for h := range v.subs { // paused ones too
			v.subscribe([]Item{{Handle: h}}, throttle.Every100ms)
		}
	}
	time.Sleep(2 * time.Second)
	for n, v := range all {
		tally := v.s.Detach()
		check(t, v.reader)
		w.converged(t, v.reader, v.subs)
		lost := v.lostBefore
		for _, tape := range v.trades {
			lost += tape.lost
		}
		// The frames of its other lanes, which are not even tried while one was refused, are missed too.
		if tally.Conflated != v.conflated || tally.Lost != lost || tally.Missed < v.refused {
			t.Errorf("seed %d, reader %d: counted %+v; it was told of %d merged and %d lost, and refused %d", seed, n, tally, v.conflated, lost, v.refused)
		}
		merged, missed = merged+v.conflated, missed+tally.Missed
	}
	e.Close()
	if st, n := e.Stats(), counters.Count(drop.MissedCuts)+counters.Count(drop.ContendedCuts); st.Conflated != merged || n != missed {
		t.Errorf("seed %d: the engine counts %d merged and %d missed, its subscribers %d and %d", seed, st.Conflated, n, merged, missed)
	}
}

// converged checks that a reader has what the market has of what it is subscribed to.
func (w *world) converged(t interface{ Fatalf(string, ...any) }, r *reader, subs map[Handle]bool) {
	for h := range subs {
		k := w.store.Topic(h).Key
		id := int(k.Instrument())
		if k.Channel() == market.ChannelQuote {
			if q := r.quotes[h]; w.quotes[id] > 0 && (q == nil || q.Bid != w.quotes[id]) {
				t.Fatalf("quote of %d: have %+v, market is at %d", id, q, w.quotes[id])
			}
			continue
		}
		if tape := r.trades[h]; w.trades[id] > 0 && (tape == nil || int64(tape.lastPos.Sequence) != w.trades[id]) {
			t.Fatalf("trades of %d at %+v, market is at %d", id, tape, w.trades[id])
		}
	}
}
