package book

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/feedd/feedd/market"
)

var depths = []int{10, 100, 1000, 10_000}

// benchBook returns a book of n levels a side around 0.
func benchBook(n int) *Book {
	var e market.BookEvent
	e.Snapshot = true
	for i := range int64(n) {
		e.Bids = append(e.Bids, market.Level{Price: -1 - 2*i, Size: 1 + i})
		e.Asks = append(e.Asks, market.Level{Price: 1 + 2*i, Size: 1 + i})
	}
	b := new(Book)
	b.Apply(&e)
	return b
}

// benchEvents returns changes of 20 levels a side each. Near ones cluster at the market as those of recorded books do,
// where half of all changes lie within 65 to 225 levels of the best, of 1,200 to 5,000; others fall anywhere. A third
// of the changes take a level away.
func benchEvents(n int, near bool) []market.BookEvent {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	events := make([]market.BookEvent, 256)
	at := func() int64 {
		if near {
			return min(int64(n)*2, int64(random.ExpFloat64()*200))
		}
		return random.Int64N(int64(n) * 2)
	}
	size := func() int64 {
		if random.IntN(3) == 0 {
			return 0
		}
		return 1 + random.Int64N(1000)
	}
	for i := range events {
		for range 20 {
			events[i].Bids = append(events[i].Bids, market.Level{Price: -1 - at(), Size: size()})
			events[i].Asks = append(events[i].Asks, market.Level{Price: 1 + at(), Size: size()})
		}
	}
	return events
}

// BenchmarkApply prints what a change of a level costs as the depth of the book grows.
func BenchmarkApply(b *testing.B) {
	for _, near := range []bool{true, false} {
		for _, n := range depths {
			b.Run(fmt.Sprintf("near=%v/levels=%d", near, n), func(b *testing.B) {
				bk, events := benchBook(n), benchEvents(n, near)
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					bk.Apply(&events[i%len(events)])
					i++
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/40, "ns/change")
			})
		}
	}
}

// BenchmarkApplyImage prints what an image costs that differs from the book in little.
func BenchmarkApplyImage(b *testing.B) {
	for _, n := range depths {
		b.Run(fmt.Sprintf("levels=%d", n), func(b *testing.B) {
			bk := benchBook(n)
			image := market.BookEvent{Snapshot: true, Bids: all(bk, Bids), Asks: all(bk, Asks)}
			b.ReportAllocs()
			for b.Loop() {
				image.Bids[n/2].Size++
				bk.Apply(&image)
			}
		})
	}
}

// BenchmarkRead prints what a cut reads: the best levels, groups of them, and the changes of 10 events.
func BenchmarkRead(b *testing.B) {
	for _, n := range depths {
		bk, dst := benchBook(n), make([]market.Level, 0, 128)
		for _, top := range []int{1, 20, 100} {
			b.Run(fmt.Sprintf("top=%d/levels=%d", top, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					dst = bk.AppendTop(dst[:0], Bids, top)
				}
			})
		}
		b.Run(fmt.Sprintf("groups=20/levels=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = bk.AppendGroups(dst[:0], Bids, 20, 20)
			}
		})
		b.Run(fmt.Sprintf("changes/levels=%d", n), func(b *testing.B) {
			var c Changes
			for _, e := range benchEvents(n, true)[:10] {
				bk.Apply(&e)
			}
			b.ReportAllocs()
			for b.Loop() {
				bk.Changes(&c, max(bk.Ticks()-10, 1), bk.Ticks())
			}
		})
	}
}
