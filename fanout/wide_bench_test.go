package fanout

import (
	"math/rand/v2"
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// BenchmarkAWideFrame prints what a frame of about 92 of 100 quotes costs, each session with its own 100 of 200: in nanoseconds, and of
// what it takes to copy pieces of that length one behind another, which is the least that putting a frame together can be.
func BenchmarkAWideFrame(b *testing.B) {
	const sessions, instruments, each = 64, 200, 100
	w := newWorld(instruments, 64, Options{})
	random := rand.New(rand.NewPCG(1, 2))
	for range sessions {
		s := w.engine.Attach(new(sink), bare(Proto))
		w.worker.turn()
		var items []Item
		for _, id := range random.Perm(instruments)[:each] {
			items = append(items, Item{Handle: w.engine.Handle(market.InstrumentID(id), market.ChannelQuote, market.View{})})
		}
		s.Subscribe(items, throttle.Every100ms)
	}
	w.pass(100)
	w.pass(100)
	p := w.worker.active[0]
	cut := func() {
		for i := range instruments {
			if i%13 != 0 {
				w.quote(i)
			}
		}
		w.now += 100_000
		p.open(w.now)
		p.freezeAll()
	}
	perFrame := func(b *testing.B) float64 {
		return float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(len(p.order))
	}
	var copied float64
	b.Run("copied", func(b *testing.B) {
		cut()
		piece, frame := make([]byte, 10), make([]byte, 0, 2048)
		for b.Loop() {
			for _, c := range p.order {
				frame = frame[:0]
				for range c.slots[:len(c.slots)*12/13] {
					frame = append(frame, piece...)
				}
			}
		}
		copied = perFrame(b)
		b.ReportMetric(copied, "ns/frame")
	})
	b.Run("cut", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			cut()
			b.StartTimer()
			for _, c := range p.order {
				p.flush(c)
			}
		}
		b.ReportMetric(perFrame(b), "ns/frame")
		if copied > 0 {
			b.ReportMetric(perFrame(b)/copied, "of-copied")
		}
	})
}
