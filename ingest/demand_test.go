package ingest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
	"github.com/feedd/feedd/snapshot"
)

// crowd is the instruments of a publisher, and what ticks they had.
type crowd struct {
	t           testing.TB
	instruments []*publish.Instrument
	symbols     []market.Symbol
	ticks       []int64
}

func (n *node) crowd(p *publish.Publisher, count int) *crowd {
	n.t.Helper()
	c := &crowd{t: n.t, ticks: make([]int64, count)}
	for k := range count {
		sym := market.Symbol{Venue: "demo", Name: fmt.Sprintf("I.%d", k)}
		i, err := p.Define(market.Instrument{Symbol: sym, PriceScale: 2, SizeScale: 5})
		if err != nil {
			n.t.Fatal(err)
		}
		c.instruments, c.symbols = append(c.instruments, i), append(c.symbols, sym)
	}
	return c
}

// tick publishes a quote, a trade and a change of the book.
func (c *crowd) tick(k int) {
	c.ticks[k]++
	v, i := c.ticks[k], c.instruments[k]
	for _, err := range []error{
		i.Quote(market.Quote{Bid: v, BidSize: 1, Has: market.HasBid}),
		i.Trade(market.Trade{Price: v, Size: 1}),
		i.Book(publish.Book{Snapshot: v == 1, Bids: []publish.Level{{Price: 100 - v%7, Size: v}}}),
	} {
		if err != nil {
			c.t.Error(err)
		}
	}
}

// onDemand starts a feed that carries on demand and knows the first count of a crowd.
func (n *node) onDemand(c *crowd, linger time.Duration) {
	n.t.Helper()
	n.options.OnDemand, n.options.Linger = true, linger
	n.start()
	n.sink.await(n.t, "the directory", func() bool { return len(n.sink.ids) == len(c.symbols) })
}

func (n *node) id(sym market.Symbol) market.InstrumentID {
	n.sink.mu.Lock()
	defer n.sink.mu.Unlock()
	return n.sink.ids[sym]
}

func (n *node) hold(sym market.Symbol) market.InstrumentID {
	n.t.Helper()
	id := n.id(sym)
	n.feed.Hold(id)
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	if n.feed.Await(ctx, id); ctx.Err() != nil {
		n.t.Fatalf("%s is never there", sym)
	}
	return id
}

func TestDemandCarriesOnlyWhatIsHeld(t *testing.T) {
	n := newNode(t)
	c := n.crowd(n.publisher(publish.Options{}), 3)
	for range 50 {
		c.tick(0)
		c.tick(1)
	}
	n.onDemand(c, 0)
	id := n.hold(c.symbols[0])
	n.sink.mu.Lock()
	if q := n.sink.quotes[id]; q.Bid != 50 || len(n.sink.trades[id]) != 50 {
		t.Errorf("held: quote %v and %d trades, want 50 of each", q, len(n.sink.trades[id]))
	}
	if len(n.sink.quotes) != 1 || n.sink.quality[n.sink.ids[c.symbols[1]]] != market.QualitySyncing {
		t.Errorf("quotes %v: want one; qualities %v", n.sink.quotes, n.sink.quality)
	}
	n.sink.mu.Unlock()
	c.tick(0)
	c.tick(1)
	n.sink.await(t, "what is live", func() bool {
		book := n.sink.books[id]
		return n.sink.quotes[id].Bid == 51 && len(n.sink.trades[id]) == 51 && book != nil && book.at.Sequence == 51 && n.sink.quality[id] == market.QualityOK
	})

	n.feed.Release(id)
	n.sink.await(t, "the end", func() bool { return len(n.sink.quotes) == 0 })
	for range 20 {
		c.tick(0)
	}
	n.hold(c.symbols[0])
	n.sink.await(t, "the return", func() bool {
		book := n.sink.books[id]
		return n.sink.quotes[id].Bid == 71 && book != nil && book.at.Sequence == 71 && len(n.sink.gaps) == 0 && n.sink.quality[id] == market.QualityOK
	})
	if in := n.feed.Interest(); in.Held != 1 || in.Carried != 1 || in.Made != 2 || in.Dropped != 1 || in.Cold.Count != 2 || in.Waiting != 0 {
		t.Errorf("interest %+v", in)
	}
	// An instrument that has never ticked is there too, once its publisher has said so.
	third := n.hold(c.symbols[2])
	n.sink.await(t, "the quiet one", func() bool { return n.sink.quality[third] == market.QualityOK })
	n.feed.Release(third)
	n.feed.Release(id)
}

func TestDemandWithoutAStream(t *testing.T) {
	n := &node{t: t, url: plainServer(t), sink: newShared(t)}
	c := n.crowd(n.publisher(publish.Options{}), 2)
	n.options.OnDemand = true
	n.start()
	n.sink.await(t, "the directory", func() bool {
		return len(n.sink.ids) == 2
	})
	c.tick(0)
	c.tick(0)
	id := n.hold(c.symbols[0])
	n.sink.await(t, "the publisher's answer", func() bool {
		book := n.sink.books[id]
		return n.sink.quotes[id].Bid == 2 && book != nil && book.at.Sequence == 2 && n.sink.quality[id] == market.QualityOK
	})
	n.feed.Release(id)
}

func TestReloadsDoNotThrash(t *testing.T) {
	n := newNode(t)
	c := n.crowd(n.publisher(publish.Options{}), 1)
	c.tick(0)
	n.onDemand(c, time.Hour)
	id := n.hold(c.symbols[0])
	for range 100 {
		n.feed.Release(id)
		n.feed.Hold(id)
	}
	if in := n.feed.Interest(); in.Made != 1 || in.Dropped != 0 || in.Held != 1 {
		t.Errorf("interest %+v, want one subscription", in)
	}
	n.feed.Release(id)
}

// Whatever is held and let go of while the connection comes and goes, a feed on demand ends up with what one that carries
// everything has, and neither repeats nor misses a trade from where it began.
func TestDemandConverges(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testDemandConverges(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func testDemandConverges(t *testing.T, random *rand.Rand) {
	const instruments = 12
	n := newNode(t)
	c := n.crowd(n.publisher(publish.Options{}), instruments)
	all := &node{t: t, url: n.url, sink: newShared(t)}
	all.start()
	n.onDemand(c, 5*time.Millisecond)
	held := make([]int, instruments)
	for range 400 {
		k := random.IntN(instruments)
		switch what := random.IntN(20); {
		case what < 10:
			for range random.IntN(20) {
				c.tick(k)
			}
		case what < 14:
			n.feed.Hold(n.id(c.symbols[k]))
			held[k]++
		case what < 18 && held[k] > 0:
			n.feed.Release(n.id(c.symbols[k]))
			held[k]--
		case what == 18:
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		case what == 19 && random.IntN(10) == 0:
			if err := n.feed.nc.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for k, sym := range c.symbols {
		c.tick(k)
		n.hold(sym)
		held[k]++
	}
	for k, sym := range c.symbols {
		last := c.ticks[k]
		whole := func(x *node) func() bool {
			return func() bool {
				id := x.sink.ids[sym]
				book := x.sink.books[id]
				trades := x.sink.trades[id]
				return x.sink.quotes[id].Bid == last && book != nil && int64(book.at.Sequence) == last && len(trades) > 0 &&
					trades[len(trades)-1].Price == last && x.sink.quality[id] == market.QualityOK
			}
		}
		all.sink.await(t, "all of "+sym.Name, whole(all))
		n.sink.await(t, sym.Name+" on demand", whole(n))
		one, two := n.id(sym), all.id(sym)
		n.sink.mu.Lock()
		all.sink.mu.Lock()
		if !maps.Equal(n.sink.books[one].bids, all.sink.books[two].bids) {
			t.Errorf("%s: books %v and %v", sym, n.sink.books[one].bids, all.sink.books[two].bids)
		}
		if len(n.sink.gaps[one]) > 0 {
			t.Errorf("%s: gaps %v though the stream has it all", sym, n.sink.gaps[one])
		}
		all.sink.mu.Unlock()
		n.sink.mu.Unlock()
	}
	for k, sym := range c.symbols {
		for ; held[k] > 0; held[k]-- {
			n.feed.Release(n.id(sym))
		}
	}
	n.sink.await(t, "the end of all", func() bool { return len(n.sink.quotes)+len(n.sink.books)+len(n.sink.trades) == 0 })
	if in := n.feed.Interest(); in.Held != 0 || in.Carried != 0 {
		t.Errorf("interest %+v, want none", in)
	}
}

// What is let go of gives its memory back, with the store as the sink.
func TestDroppedInstrumentsGiveTheirMemoryBack(t *testing.T) {
	const instruments, ticks = 50, 100
	n := newNode(t)
	c := n.crowd(n.publisher(publish.Options{}), instruments)
	for range ticks {
		for k := range instruments {
			c.tick(k)
		}
	}
	store := snapshot.NewStore(snapshot.Options{})
	n.options.OnDemand = true
	feed, err := Start(n.connect(), store, n.options, &n.counters, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := feed.Stop(); err != nil {
			t.Error(err)
		}
	}()
	wait := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within %v, interest %+v", what, patience, feed.Interest())
			}
		}
	}
	wait("the directory", func() bool { return store.Counts().Instruments == instruments })
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var held []int64
	var free []int64
	for range 3 {
		for id := range market.InstrumentID(instruments) {
			feed.Hold(id)
		}
		wait("all of it", func() bool {
			in := feed.Interest()
			if in.Carried != instruments || in.Waiting != 0 {
				return false
			}
			r := store.Acquire()
			defer r.Release()
			for id := range market.InstrumentID(instruments) {
				if r.TradesEnd(id) < ticks {
					return false
				}
			}
			return true
		})
		held = append(held, heap())
		for id := range market.InstrumentID(instruments) {
			feed.Release(id)
		}
		wait("nothing", func() bool { return feed.Interest().Carried == 0 })
		free = append(free, heap())
	}
	// The first round leaves behind what is made once, such as handles.
	kept, cost := free[2]-free[0], held[2]-free[2]
	t.Logf("%d bytes an instrument while held; %d more after two more rounds of all", cost/instruments, kept)
	// A feed that kept everything would hold twice the cost more. The NATS server in this process has a heap that moves by
	// a tenth of it or two.
	if cost < instruments*20_000 || kept > cost/2 {
		t.Errorf("heap while held %v, after that %v: want what was held to be given back", held, free)
	}
}
