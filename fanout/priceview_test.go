package fanout

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// sizes changes only the sizes of a quote, many times.
func (w *world) sizes(id, times int) {
	for range times {
		w.sizeTicks++
		q := *w.last(id)
		q.BidSize, q.AskSize, q.IngestTime = q.Bid%7+7*w.sizeTicks, q.Bid%5+5*w.sizeTicks, w.now
		q.Position.Sequence++
		w.store.Begin()
		w.store.Quote(market.InstrumentID(id), &q)
		w.store.Commit()
		w.quotes[id] = int64(q.Position.Sequence) // the next price is later than these
	}
}

func (w *world) last(id int) *market.Quote {
	r := w.store.Acquire()
	defer r.Release()
	return r.Quote(market.InstrumentID(id))
}

func (w *world) pricesFirst(id int, ms uint32) Handle {
	return w.engine.Handle(market.InstrumentID(id), market.ChannelQuote, market.View{Sizes: ms})
}

func TestPricesComeAtOnceAndSizesLater(t *testing.T) {
	for _, cadence := range []throttle.Cadence{throttle.Immediate, throttle.Every20ms} {
		t.Run(cadence.String(), func(t *testing.T) {
			w := newWorld(2, 64, Options{})
			plain, first := newReader(Proto), newReader(Proto)
			h := w.pricesFirst(0, 500)
			w.quote(0)
			w.attach(plain).Subscribe(w.items(market.ChannelQuote, 0), cadence)
			w.attach(first).Subscribe([]Item{{Handle: h}}, cadence)
			w.pass(1000)
			check(t, plain, first)

			rows := first.rows
			for range 40 { // 400 ms of nothing but sizes
				w.sizes(0, 3)
				w.pass(10)
			}
			if got := first.rows - rows; got > 1 {
				t.Errorf("%d rows of sizes alone within 400 ms, want 1 at most", got)
			}
			w.quote(0)
			w.pass(20)
			if first.quotes[h].Bid != w.quotes[0] {
				t.Errorf("a price of %d came not at once; the reader has %d", w.quotes[0], first.quotes[h].Bid)
			}
			rows = first.rows
			w.sizes(0, 5)
			w.pass(400)
			if first.rows != rows {
				t.Error("sizes came ahead of their time")
			}
			w.pass(200) // without another tick
			if got := first.quotes[h].BidSize / 7; got != w.sizeTicks {
				t.Errorf("the last size is %d, want %d: nobody waits for the next tick", got, w.sizeTicks)
			}
			if plain.rows < 5*first.rows {
				t.Errorf("%d rows against %d: not much is saved", plain.rows, first.rows)
			}
			check(t, plain, first)
		})
	}
}

// A reader that joins while sizes are held back has the newest ones, and is in step soon.
func TestAReaderThatJoinsHasTheNewestSizes(t *testing.T) {
	for _, cadence := range []throttle.Cadence{throttle.Immediate, throttle.Every100ms} {
		w := newWorld(1, 64, Options{})
		h := w.pricesFirst(0, 1000)
		early, late := newReader(Proto), newReader(Proto)
		w.quote(0)
		w.attach(early).Subscribe([]Item{{Handle: h}}, cadence)
		w.pass(1500)
		w.sizes(0, 1)
		w.pass(200)
		w.sizes(0, 1)
		w.attach(late).Subscribe([]Item{{Handle: h}}, cadence)
		w.worker.turn()
		if got := late.quotes[h].BidSize / 7; got != w.sizeTicks {
			t.Errorf("%v: joined with a size of %d, want %d", cadence, got, w.sizeTicks)
		}
		if cadence == throttle.Immediate { // which cuts when something changes
			w.sizes(0, 1)
		}
		w.pass(200) // sizes would have been held back for 600 ms more
		var c Census
		w.worker.census(&c)
		if c.Rungs[cadence].Lagging != 0 {
			t.Errorf("%v: %d lanes lag until sizes are due, and no cut has come level for them", cadence, c.Rungs[cadence].Lagging)
		}
		w.pass(1000)
		check(t, early, late)
	}
}

// Whatever happens in whatever order, readers of prices first converge, and prices are never held back.
func TestPricesFirstConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const instruments = 3
		w := newWorld(instruments, 64, Options{})
		var readers []*reader
		var subs []*Subscriber
		handles := map[Handle]int{}
		for range rapid.IntRange(1, 3).Draw(t, "readers") {
			r := newReader(Encoding(rapid.IntRange(0, 1).Draw(t, "encoding")))
			readers, subs = append(readers, r), append(subs, w.attach(r))
		}
		for range rapid.IntRange(5, 80).Draw(t, "steps") {
			id := rapid.IntRange(0, instruments-1).Draw(t, "instrument")
			n := rapid.IntRange(0, len(readers)-1).Draw(t, "reader")
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				w.quote(id)
			case 2, 3:
				if w.quotes[id] > 0 {
					w.sizes(id, rapid.IntRange(1, 5).Draw(t, "sizes"))
				}
			case 4:
				h := w.pricesFirst(id, 500)
				handles[h] = id
				for i, r := range readers { // readers of text tell handles by symbol, and have one of each
					r.quoteOf[w.store.Instrument(market.InstrumentID(id)).Symbol.String()] = h
					if i == n {
						subs[n].Subscribe([]Item{{Handle: h}}, throttle.Cadence(rapid.IntRange(0, int(throttle.Every500ms)).Draw(t, "cadence")))
					}
				}
			case 5:
				readers[n].stalled = true
			case 6:
				if readers[n].stalled {
					readers[n].resume()
				}
			}
			w.pass(10 * rapid.IntRange(0, 30).Draw(t, "pass"))
		}
		for _, r := range readers {
			r.resume()
		}
		w.pass(1500)
		check(t, readers...)
		for n, r := range readers {
			for h, q := range r.quotes {
				want := w.last(handles[h])
				if w.quotes[handles[h]] > 0 && (q.Bid != want.Bid || r.encoding == Proto && q.BidSize != want.BidSize) {
					t.Fatalf("reader %d has %+v of handle %d, want %+v", n, q, h, want)
				}
			}
		}
	})
}
