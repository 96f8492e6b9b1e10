package books

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

// Depth is what a made book of so many levels a side costs, in nanoseconds.
type Depth struct {
	Levels int `json:"levels"`
	// Change is one level changed, added or removed near the market, as most are.
	Change float64 `json:"change_ns"`
	// Top is reading the best 20 levels of both sides, as a cut of a view 20 deep does.
	Top float64 `json:"top20_ns"`
	// Cut is finding and encoding the net of 50 changes, as a cut of the whole book does.
	Cut float64 `json:"cut_of_50_changes_ns"`
	// Image is encoding the whole book for the first who joins, Join what each further one costs.
	Image       float64 `json:"image_ns"`
	Join        float64 `json:"join_ns"`
	ImageToJoin float64 `json:"image_to_join"`
}

// Depths measures books of 10 to 10,000 levels a side.
func Depths() []Depth {
	var all []Depth
	for _, n := range []int{10, 100, 1000, market.MaxLevels} {
		all = append(all, measureDepth(n))
	}
	return all
}

// middle is the price around which made books lie.
const middle = 6_000_000

func made(levels int) *market.BookEvent {
	e := &market.BookEvent{Snapshot: true, Position: market.Position{Epoch: 1, Sequence: 1}, IngestTime: 1}
	for n := range int64(levels) {
		e.Bids = append(e.Bids, market.Level{Price: middle - 1 - n, Size: 1000 + n})
		e.Asks = append(e.Asks, market.Level{Price: middle + 1 + n, Size: 1000 + n})
	}
	return e
}

// churn returns changes near the market: distances fall off exponentially, and every fourth removes a level.
func churn(levels, n int) []market.BookEvent {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]market.BookEvent, n)
	for i := range all {
		away := int64(random.ExpFloat64()*10) % int64(levels)
		l := market.Level{Price: middle - 1 - away, Size: random.Int64N(4) * 250}
		all[i] = market.BookEvent{Bids: []market.Level{l}, IngestTime: 2, Position: market.Position{Epoch: 1, Sequence: market.Sequence(i + 2)}}
		if i%2 == 1 {
			l.Price = middle + 1 + away
			all[i].Bids, all[i].Asks = nil, []market.Level{l}
		}
	}
	return all
}

func measureDepth(levels int) Depth {
	d := Depth{Levels: levels}
	events := churn(levels, 4096)
	var b book.Book
	b.Apply(made(levels))
	next := 0
	d.Change = each(func() {
		b.Apply(&events[next%len(events)])
		next++
	})
	var top []market.Level
	d.Top = each(func() { top = b.AppendTop(b.AppendTop(top[:0], book.Bids, 20), book.Asks, 20) })
	var c book.Changes
	var row []byte
	from := b.Ticks()
	for i := range 50 {
		b.Apply(&events[i])
	}
	d.Cut = each(func() {
		b.Changes(&c, from, b.Ticks())
		row = wire.AppendBook(row[:0], &wire.BookRow{Handle: handle}, c.Bids, c.Asks, 3)
	})
	d.Image, d.Join = joins(levels)
	d.ImageToJoin = d.Image / d.Join
	return d
}

// joins times the first and the further readers of a store's whole book.
func joins(levels int) (image, join float64) {
	s := snapshot.NewStore(snapshot.Options{})
	s.Begin()
	id, err := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "S"}})
	if err != nil {
		panic(fmt.Sprint("an empty store takes no instrument: ", err))
	}
	s.Commit()
	e := made(levels)
	// An image is shared while few changes lead from it to now: this many events outdate any.
	outdate := 1 + 100/(2*levels)
	move := func() {
		s.Begin()
		for range outdate {
			for n := range e.Bids {
				e.Bids[n].Size++
				e.Asks[n].Size++
			}
			e.Position.Sequence++
			s.Book(id, e)
		}
		s.Commit()
	}
	read := func() {
		r := s.Acquire()
		r.BookImage(id)
		r.Release()
	}
	moving := each(move)
	image = each(func() { move(); read() }) - moving
	return image, each(read)
}

// each returns the nanoseconds that one call of f takes.
func each(f func()) float64 {
	f()
	n := 0
	begin := time.Now()
	for time.Since(begin) < measureFor/2 {
		for range 16 {
			f()
		}
		n += 16
	}
	return float64(time.Since(begin).Nanoseconds()) / float64(n)
}
