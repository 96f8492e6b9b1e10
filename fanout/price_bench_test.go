package fanout

import (
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// sized is a market of 20 instruments in which nine of ten ticks change a size alone, and a reader of all its quotes in a
// view. It returns what lets 20 ms go by.
func sized(view market.View) (w *world, out *sink, next func()) {
	w, out = newWorld(20, 64, Options{}), new(sink)
	s := w.engine.Attach(out, bare(Proto))
	w.worker.turn()
	s.Subscribe(viewed(w, view), throttle.Every20ms)
	n := 0
	next = func() {
		for range 5 {
			n++
			w.sizes(n%20, 1)
		}
		if n%10 == 0 {
			w.quote(n / 10 % 20)
		}
		w.pass(20)
	}
	for range 100 {
		next()
	}
	return w, out, next
}

func viewed(w *world, view market.View) (items []Item) {
	for i := range market.InstrumentID(20) {
		items = append(items, Item{Handle: w.engine.Handle(i, market.ChannelQuote, view)})
	}
	return items
}

// BenchmarkPricesBeforeSizes prints what a reader who has sizes told once a second is spared, at 20 ms.
func BenchmarkPricesBeforeSizes(b *testing.B) {
	perSecond := make(map[string]float64)
	for _, c := range []struct {
		name string
		view market.View
	}{{"plain", market.View{}}, {"sizes=1s", market.View{Sizes: 1000}}} {
		b.Run(c.name, func(b *testing.B) {
			_, out, next := sized(c.view)
			before := out.bytes
			for b.Loop() {
				next()
			}
			perSecond[c.name] = float64(out.bytes-before) / float64(b.N) * 50
			b.ReportMetric(perSecond[c.name], "B/s")
			if plain := perSecond["plain"]; plain > 0 {
				b.ReportMetric(perSecond[c.name]/plain, "of-plain")
			}
		})
	}
}

// BenchmarkAPlainFrameBeside prints what a frame of 20 plain quotes costs a reader without a ceiling, among nobody else, and beside
// readers that have one, or have sizes told later: they are other cohorts, and that it has no ceiling is one look at a pointer.
func BenchmarkAPlainFrameBeside(b *testing.B) {
	var alone float64
	for _, c := range []struct {
		name  string
		view  market.View
		limit int
	}{{"nobody", market.View{}, 0}, {"capped", market.View{}, 1 << 30}, {"prices-first", market.View{Sizes: 1000}, 0}} {
		b.Run(c.name, func(b *testing.B) {
			w, out := newWorld(20, 64, Options{}), new(sink)
			plain := w.engine.Attach(out, bare(Proto))
			w.worker.turn()
			plain.Subscribe(viewed(w, market.View{}), throttle.Every100ms)
			if c.name != "nobody" {
				other := w.engine.Attach(new(sink), bare(JSON)) // another framing, so another cohort
				w.worker.turn()
				other.Limit(c.limit)
				other.Subscribe(viewed(w, c.view), throttle.Every100ms)
			}
			w.pass(100)
			p := w.worker.active[0]
			cohort := plain.lanes[0].cohort
			for b.Loop() {
				b.StopTimer()
				for i := range 20 {
					w.quote(i)
				}
				w.now += 100_000
				p.open(w.now)
				p.freezeAll()
				b.StartTimer()
				for range 64 { // a frame is shorter than a look at the clock; fragments are made by the first
					p.flush(cohort)
				}
			}
			took := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / 64
			b.ReportMetric(took, "ns/frame")
			if c.name == "nobody" {
				alone = took
			}
			if alone > 0 {
				b.ReportMetric(took/alone, "of-alone")
			}
		})
	}
}
