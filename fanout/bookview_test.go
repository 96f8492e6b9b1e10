package fanout

import (
	"cmp"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/book"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// sides is a book as simple as can be: sizes by price, bids and asks.
type sides [2]map[int64]int64

func newSides() sides { return sides{{}, {}} }

func (s sides) set(side int, price, size int64) {
	if size == 0 {
		delete(s[side], price)
	} else {
		s[side][price] = size
	}
}

// levels returns a side best first.
func (s sides) levels(side int) []market.Level {
	list := make([]market.Level, 0, len(s[side]))
	for price, size := range s[side] {
		list = append(list, market.Level{Price: price, Size: size})
	}
	slices.SortFunc(list, func(a, b market.Level) int { return cmp.Compare(a.Price, b.Price) * (2*side - 1) })
	return list
}

// shown returns the levels of a side in a view.
func (s sides) shown(side int, v market.View) []market.Level {
	list := s.levels(side)
	if g := v.Group; g != 0 {
		grouped := newSides()
		for _, l := range list {
			rest := (l.Price%g + g) % g
			price := l.Price - rest
			if side == 1 && rest != 0 {
				price += g
			}
			grouped[side][price] += l.Size
		}
		list = grouped.levels(side)
	}
	if v.Depth != 0 {
		list = list[:min(len(list), int(v.Depth))]
	}
	return list
}

// bookWorld is a world with books, and remembers each book after each event.
type bookWorld struct {
	*world
	onSend func() // what happens while a frame is on its way; nil: nothing

	mu   sync.Mutex // guards past where workers run by themselves
	past [][]sides  // by instrument and sequence
}

func newBookWorld(instruments int, o Options) *bookWorld {
	w := &bookWorld{world: newWorld(instruments, 64, o), past: make([][]sides, instruments)}
	for i := range w.past {
		w.past[i] = []sides{newSides()}
	}
	return w
}

// testTransit makes the transit of an event a function of its arrival, so that a reader can tell whether what it is
// told of both belongs together.
func testTransit(ingest int64) int64 { return ingest/1000%97 - 20 }

func (w *bookWorld) book(id int, e market.BookEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := newSides()
	for side, levels := range w.past[id][len(w.past[id])-1] {
		for price, size := range levels {
			if !e.Snapshot {
				next[side][price] = size
			}
		}
	}
	for side, levels := range [2][]market.Level{e.Bids, e.Asks} {
		for _, l := range levels {
			next.set(side, l.Price, l.Size)
		}
	}
	e.IngestTime, e.ExchangeTime = w.now, w.now-1000*testTransit(w.now)
	e.Position = market.Position{Epoch: w.epoch, Sequence: market.Sequence(len(w.past[id]))}
	w.past[id] = append(w.past[id], next)
	w.store.Begin()
	w.store.Book(market.InstrumentID(id), &e)
	w.store.Commit()
}

func (w *bookWorld) view(id int, v market.View) Handle {
	return w.engine.Handle(market.InstrumentID(id), market.ChannelBook, v)
}

func (w *bookWorld) attach(e Encoding) (*bookReader, *Subscriber) {
	r := &bookReader{reader: newReader(e), world: w, books: map[Handle]*heldBook{}}
	s := w.engine.Attach(r, bare(e))
	r.wake = s.Wake
	w.worker.turn()
	return r, s
}

// bookReader is a client that puts books together by the rules of feed.proto, and compares each state that it is given
// with the past of the market.
type bookReader struct {
	*reader
	world                       *bookWorld
	books                       map[Handle]*heldBook
	fulls, parts, diffs, checks int
}

type heldBook struct {
	sides
	whole, arriving bool
	at              market.Position
	atLeast         int // sequence that the state cannot lie before
	transit         int64
}

func (r *bookReader) Send(b []byte) bool {
	if !r.reader.Send(b) {
		return false
	}
	if r.world.onSend != nil {
		defer r.world.onSend()
	}
	for _, row := range r.last.Books {
		r.row(row, int64(r.last.CutTimeUs))
	}
	for _, row := range r.last.BookTexts {
		r.text(row)
	}
	return true
}

func (r *bookReader) held(h Handle) *heldBook {
	if r.books[h] == nil {
		r.books[h] = &heldBook{sides: newSides()}
	}
	return r.books[h]
}

// begin takes in that a row is full.
func (r *bookReader) begin(k *heldBook, at market.Position, partial bool) {
	if !k.arriving || k.at != at {
		if k.arriving {
			r.fail("a book of %v begins while that of %v is not whole yet", at, k.at)
		}
		k.sides = newSides()
	}
	k.at, k.arriving, k.whole, k.transit = at, partial, !partial, 0
	r.fulls++
	if partial {
		r.parts++
	}
}

func (r *bookReader) row(row *feedv1.Book, cut int64) {
	h := Handle(row.Handle)
	k := r.held(h)
	full := row.Sequence != 0
	at := market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}
	if full {
		r.begin(k, at, row.Partial)
	} else {
		r.diffs++
		if !k.whole {
			r.fail("book %d: changes of a view that is not whole", h)
			return
		}
	}
	for side, list := range [2][]int64{row.Bids, row.Asks} {
		var price int64
		for i := 0; i+1 < len(list); i += 2 {
			if i > 0 && list[i]*int64(2*side-1) <= 0 {
				r.fail("book %d: side %d is not best first", h, side)
			}
			price += list[i]
			if full && list[i+1] == 0 {
				r.fail("book %d: a full row with a level that is gone", h)
			}
			k.set(side, price, list[i+1])
		}
	}
	k.transit += int64(row.TransitMs)
	if ingest := cut - int64(row.AgeMs)*1000; k.transit != testTransit(ingest) {
		r.fail("book %d: transit %d of an event that arrived at %d, want %d", h, k.transit, ingest, testTransit(ingest))
	}
	if row.Checksum != nil {
		r.checks++
		if got := book.Checksum(k.levels(0), k.levels(1)); got != *row.Checksum {
			r.fail("book %d: checksum %08x, the row says %08x", h, got, *row.Checksum)
		}
	}
	if k.whole {
		r.settle(h, k, int(row.Sequence))
	}
}

func (r *bookReader) text(row *feedv1.BookText) {
	group, _ := market.ParseDecimal(row.PriceGroup, 2)
	id, _ := r.world.store.Lookup(market.Symbol{Venue: "v", Name: row.Symbol[2:]})
	h := r.world.view(int(id), market.View{Depth: uint8(row.Depth), Group: group})
	k := r.held(h)
	if row.Snapshot {
		r.begin(k, market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}, row.Partial)
	} else if r.diffs++; !k.whole {
		r.fail("book %d: changes of a view that is not whole", h)
		return
	}
	for side, list := range [2][]*feedv1.LevelText{row.Bids, row.Asks} {
		for _, l := range list {
			price, err := market.ParseDecimal(l.Price, 2)
			size, err2 := market.ParseDecimal(l.Size, 0)
			if err != nil || err2 != nil {
				r.fail("book %d: level %v", h, l)
			}
			k.set(side, price, size)
		}
	}
	if k.whole {
		r.settle(h, k, int(row.Sequence))
	}
}

// settle finds the moment of the market that a whole view shows: that of the sequence or, where the row names none, one
// that is not before what was shown already.
func (r *bookReader) settle(h Handle, k *heldBook, sequence int) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	t := r.world.store.Topic(h)
	past := r.world.past[t.Key.Instrument()]
	fits := func(n int) bool {
		for side := range k.sides {
			want := past[n].shown(side, t.View)
			if len(want) != len(k.sides[side]) {
				return false
			}
			for _, l := range want {
				if k.sides[side][l.Price] != l.Size {
					return false
				}
			}
		}
		return true
	}
	if sequence != 0 {
		if !fits(sequence) {
			r.fail("book %d (%+v) at %d: %v and %v, want %v and %v", h, t.View, sequence, k.levels(0), k.levels(1),
				past[sequence].shown(0, t.View), past[sequence].shown(1, t.View))
		}
		if sequence < k.atLeast {
			r.fail("book %d goes back from %d to %d", h, k.atLeast, sequence)
		}
		k.atLeast = sequence
		return
	}
	for n := len(past) - 1; n >= k.atLeast; n-- {
		if fits(n) {
			return
		}
	}
	r.fail("book %d (%+v) shows no moment of the market since %d: %v and %v", h, t.View, k.atLeast, k.levels(0), k.levels(1))
}

// final checks that a view is what the market is now.
func (r *bookReader) final(t interface{ Fatalf(string, ...any) }, h Handle) {
	topic := r.world.store.Topic(h)
	past := r.world.past[topic.Key.Instrument()]
	k := r.held(h)
	if !k.whole && len(past) > 1 {
		t.Fatalf("book %d (%+v) is not whole at the end", h, topic.View)
	}
	for side := range k.sides {
		want := past[len(past)-1].shown(side, topic.View)
		if got := k.levels(side); !slices.Equal(got, want) {
			t.Fatalf("book %d (%+v), side %d: %v at the end, want %v", h, topic.View, side, got, want)
		}
	}
}

// deepBook returns an image of n levels a side around the price 0.
func deepBook(n int) (e market.BookEvent) {
	e.Snapshot = true
	for i := range int64(n) {
		e.Bids = append(e.Bids, market.Level{Price: -1 - i, Size: 5 + i})
		e.Asks = append(e.Asks, market.Level{Price: i, Size: 5 + i})
	}
	return e
}

var testForms = []market.View{{}, {}, {Depth: 1}, {Depth: 5}, {Depth: 20}, {Depth: 5, Group: 10}, {Depth: 100, Group: 2}}

func bookEvents() *rapid.Generator[market.BookEvent] {
	return rapid.Custom(func(t *rapid.T) market.BookEvent {
		kind := rapid.IntRange(0, 20).Draw(t, "kind")
		if kind == 0 {
			return deepBook(rapid.SampledFrom([]int{0, 3, 30, 700}).Draw(t, "image"))
		}
		most, reach := 6, int64(12)
		if kind < 4 {
			most, reach = 300, 400
		}
		levels := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) market.Level {
			return market.Level{Price: rapid.Int64Range(-reach, reach).Draw(t, "price"), Size: rapid.Int64Range(0, 3).Draw(t, "size")}
		}), 0, most)
		return market.BookEvent{Bids: levels.Draw(t, "bids"), Asks: levels.Draw(t, "asks")}
	})
}

// Whatever happens in whatever order, each state of a book that a reader is given is one that the market had, none goes
// back, and in the end all are the market's.
func TestBookReadersConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const instruments = 2
		w := newBookWorld(instruments, Options{MaxFrame: rapid.SampledFrom([]int{60, 2000, 32 << 10}).Draw(t, "frame")})
		type client struct {
			*bookReader
			s    *Subscriber
			subs map[Handle]throttle.Cadence
		}
		var clients []*client
		anyClient := func() *client { return clients[rapid.IntRange(0, len(clients)-1).Draw(t, "client")] }
		for range rapid.IntRange(1, 4).Draw(t, "clients") {
			r, s := w.attach(Encoding(rapid.IntRange(0, 1).Draw(t, "encoding")))
			clients = append(clients, &client{r, s, map[Handle]throttle.Cadence{}})
		}
		if rapid.Bool().Draw(t, "busy") {
			w.onSend = func() {
				if rapid.IntRange(0, 3).Draw(t, "meanwhile") == 0 {
					w.book(rapid.IntRange(0, instruments-1).Draw(t, "instrument"), bookEvents().Draw(t, "event"))
				}
			}
		}
		for range rapid.IntRange(10, 100).Draw(t, "steps") {
			id := rapid.IntRange(0, instruments-1).Draw(t, "instrument")
			h := w.view(id, rapid.SampledFrom(testForms).Draw(t, "form"))
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0, 1, 2, 3, 4:
				for range rapid.IntRange(1, 6).Draw(t, "n") {
					w.book(id, bookEvents().Draw(t, "event"))
				}
			case 5, 6, 7:
				c := anyClient()
				cadence := throttle.Cadence(rapid.IntRange(0, int(throttle.Cadences)).Draw(t, "cadence"))
				if cadence == throttle.Cadences {
					cadence = throttle.Paused
				}
				if _, held := c.subs[h]; !held { // a new subscription begins anew
					delete(c.books, h)
				}
				c.subs[h] = cadence
				c.s.Subscribe([]Item{{Handle: h}}, cadence)
			case 8:
				c := anyClient()
				delete(c.subs, h)
				w.unsubscribe(c.s, h)
			case 9:
				anyClient().stalled = true
			case 10:
				if c := anyClient(); c.stalled {
					c.resume()
				}
			default:
				w.pass(10 * rapid.IntRange(1, 60).Draw(t, "pass"))
			}
			if rapid.Bool().Draw(t, "turn") {
				w.worker.turn()
			}
		}
		for _, c := range clients {
			for h, cadence := range c.subs {
				if cadence == throttle.Paused {
					c.s.Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
				}
			}
			c.resume()
		}
		w.pass(100)
		w.onSend = nil
		w.pass(10_100)
		for _, c := range clients {
			check(t, c.reader)
			for h := range c.subs {
				c.final(t, h)
			}
			for _, l := range c.s.lanes {
				if l.marks != nil {
					t.Fatalf("a lane at %s still lags", l.phase.cadence)
				}
			}
		}
	})
}

func TestABookComesWholeThenAsChanges(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(50))
		r, s := w.attach(e)
		whole, five := w.view(0, market.View{}), w.view(0, market.View{Depth: 5})
		s.Subscribe([]Item{{Handle: whole}, {Handle: five}}, throttle.Every100ms)
		w.worker.turn()
		if r.frames != 1 || r.fulls != 2 || len(r.held(five).sides[0]) != 5 {
			t.Fatalf("%d frames with %d full rows at once, want both views in one", r.frames, r.fulls)
		}
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -40, Size: 1}}})
		w.pass(200)
		if r.frames != 2 || r.diffs != 1 {
			t.Fatalf("%d frames, %d rows of changes: a level far away concerns the whole book alone", r.frames, r.diffs)
		}
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 0}}, Asks: []market.Level{{Price: 0, Size: 9}}})
		w.book(0, market.BookEvent{Asks: []market.Level{{Price: 0, Size: 8}}})
		w.pass(200)
		if r.frames != 3 || r.diffs != 3 || r.fulls != 2 || r.conflated != 3 {
			t.Fatalf("%d frames, %d changes, %d full, %d conflated", r.frames, r.diffs, r.fulls, r.conflated)
		}
		w.book(0, deepBook(50)) // an image that differs in few levels is told as those
		w.pass(200)
		if r.frames != 4 || r.fulls != 2 {
			t.Fatalf("%d frames, %d full rows", r.frames, r.fulls)
		}
		w.pass(1000)
		w.book(0, deepBook(50)) // and one that differs in none is not told at all
		w.pass(1000)
		if r.frames != 4 {
			t.Fatalf("%d frames while nothing changed", r.frames)
		}
		conflated := r.conflated
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -40, Size: 2}}})
		w.pass(200)
		if r.frames != 5 || r.conflated != conflated+1 {
			t.Fatalf("%d frames, %d conflated: the event that came to nothing is part of the next row", r.frames, r.conflated-conflated)
		}
		r.final(t, whole)
		r.final(t, five)
		check(t, r.reader)
	}
}

// The first event of a book reaches those who wait for it, whole, at the next cut.
func TestABookThatBeginsLater(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		for _, c := range []throttle.Cadence{throttle.Immediate, throttle.Every50ms} {
			w := newBookWorld(1, Options{})
			r, s := w.attach(e)
			s.Subscribe([]Item{{Handle: w.view(0, market.View{})}, {Handle: w.view(0, market.View{Depth: 10})}}, c)
			w.pass(100)
			w.book(0, deepBook(3))
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -9, Size: 4}}})
			w.pass(100)
			if r.fulls != 2 {
				t.Fatalf("%d full rows, want one of each view", r.fulls)
			}
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -9, Size: 5}}})
			w.pass(100)
			if r.fulls != 2 || r.diffs != 2 {
				t.Fatalf("%d full rows and %d changes", r.fulls, r.diffs)
			}
			check(t, r.reader)
		}
	}
}

// A reader that joins between two cuts may be shown what the next cut no longer finds: then it is put right, though
// the others, for whom nothing changed, get nothing.
func TestALevelThatWasThereBetweenTwoCuts(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(10))
		early, s := w.attach(e)
		items := []Item{{Handle: w.view(0, market.View{Depth: 5})}, {Handle: w.view(0, market.View{})}}
		s.Subscribe(items, throttle.Every5s)
		w.pass(100)
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 0}}})
		late, s2 := w.attach(e)
		s2.number = s.number // of the same phase
		s2.Subscribe(items, throttle.Every5s)
		w.worker.turn()
		if _, there := late.held(items[0].Handle).sides[0][-1]; there || late.fulls != 2 {
			t.Fatal("the late reader was not shown the moment that it joined in")
		}
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 5}}})
		w.pass(5000)
		for _, it := range items {
			early.final(t, it.Handle)
			late.final(t, it.Handle)
		}
		if early.fulls != 2 || early.diffs != 0 {
			t.Fatalf("%d full rows and %d of changes for a reader of whose book nothing changed", early.fulls, early.diffs)
		}
		check(t, early.reader, late.reader)
	}
}

// While the frames of a cut go out the market moves on. Who catches up behind them is brought to the cut all the same, so
// that the next one fits.
func TestACutIsOneMomentForAll(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(10))
		early, s := w.attach(e)
		items := []Item{{Handle: w.view(0, market.View{Depth: 5})}, {Handle: w.view(0, market.View{})}}
		s.Subscribe(items, throttle.Every100ms)
		w.pass(100)
		size := int64(100)
		move := func() {
			size++
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1 - size%4, Size: size}}})
		}
		move()
		late, s2 := w.attach(e)
		s2.number = s.number
		s2.Subscribe(items, throttle.Every100ms)
		w.worker.turn()
		move()
		w.onSend = func() {
			w.onSend = nil
			move()
		}
		w.pass(100)
		if !reflect.DeepEqual(early.books[items[1].Handle].sides, late.books[items[1].Handle].sides) {
			t.Fatalf("after the cut one reader holds %v and the other %v", early.books[items[1].Handle].sides, late.books[items[1].Handle].sides)
		}
		w.pass(100)
		for _, it := range items {
			early.final(t, it.Handle)
			late.final(t, it.Handle)
		}
		if lanes := len(s2.lanes); lanes != 1 || s2.lanes[0].marks != nil {
			t.Fatal("the late reader is not in step")
		}
		check(t, early.reader, late.reader)
	}
}

// The position of a full row is that of the newest event, also of those beyond the view.
func TestPositionsGoOnBeyondTheView(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(10))
	keeper, s := w.attach(Proto)
	five := w.view(0, market.View{Depth: 5})
	s.Subscribe([]Item{{Handle: five}}, throttle.Every100ms)
	for _, wait := range []int{0, 200} { // a joiner between the cuts, and one behind a cut that changed nothing
		w.pass(200)
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -9, Size: int64(100 + wait)}}})
		w.pass(wait)
		r, s2 := w.attach(Proto)
		s2.number = s.number
		s2.Subscribe([]Item{{Handle: five}}, throttle.Every100ms)
		w.worker.turn()
		if got, want := r.held(five).atLeast, len(w.past[0])-1; got != want {
			t.Fatalf("a full row at %d, want %d", got, want)
		}
		check(t, r.reader)
	}
	if keeper.frames != 1 {
		t.Fatalf("%d frames for changes beyond the view", keeper.frames)
	}
}

// A market that jumps leaves nothing of a view: the new one is shorter than what leads to it.
func TestAViewThatIsAllNewIsSentWhole(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(30))
		r, s := w.attach(e)
		h := w.view(0, market.View{Depth: 20})
		s.Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
		w.pass(100)
		jump := deepBook(30)
		for i := range jump.Bids {
			jump.Bids[i].Price += 1000
			jump.Asks[i].Price += 1000
		}
		w.book(0, jump)
		w.pass(100)
		if r.fulls != 2 || r.diffs != 0 {
			t.Fatalf("%d full rows and %d of changes", r.fulls, r.diffs)
		}
		r.final(t, h)
		check(t, r.reader)
	}
}

// Whatever the numbers in a book, no row of it is larger than a frame should be.
func TestRowsOfABookFitAFrame(t *testing.T) {
	const limit, levels = 32 << 10, 4000
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{MaxFrame: limit})
		random := rand.New(rand.NewPCG(5, 6))
		image := deepBook(levels)
		for i := range image.Bids {
			image.Bids[i] = market.Level{Price: -random.Int64(), Size: math.MaxInt64 - random.Int64N(1000)}
			image.Asks[i] = market.Level{Price: random.Int64(), Size: math.MaxInt64 - random.Int64N(1000)}
		}
		w.book(0, image)
		r, largest := newReader(e), 0
		s := w.engine.Attach(sendFunc(func(b []byte) bool {
			largest = max(largest, len(b))
			return r.Send(b)
		}), bare(e))
		s.Subscribe([]Item{{Handle: w.view(0, market.View{})}, {Handle: w.view(0, market.View{Depth: 100})}}, throttle.Every100ms)
		w.worker.turn()
		for _, changed := range []int{400, 700, 1600, 3000} {
			event := market.BookEvent{Bids: slices.Clone(image.Bids[:changed])}
			for i := range event.Bids {
				event.Bids[i].Size -= random.Int64N(1000)
			}
			w.book(0, event)
			w.pass(200)
		}
		if largest < limit/2 || largest > 2*limit {
			t.Errorf("frames of up to %d bytes with a limit of %d", largest, limit)
		}
		check(t, r)
	}
}

// A large book comes in parts that fit the limit; while they are on their way it may move on, and the reader may stall
// or move to another cadence: the parts are still of one moment, and none is sent twice.
func TestAHalfSentBook(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{MaxFrame: 3000})
		const levels = 1000
		w.book(0, deepBook(levels))
		r, s := w.attach(e)
		whole := w.view(0, market.View{})
		r.stalled = true // takes one frame and no more
		s.Subscribe([]Item{{Handle: whole}}, throttle.Every100ms)
		w.worker.turn()
		if r.parts == 0 || r.held(whole).whole {
			t.Fatal("nothing is on its way")
		}
		sent := r.parts
		for n := range int64(3) {
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1 - n, Size: 77 + n}}})
			s.Subscribe([]Item{{Handle: whole}}, []throttle.Cadence{throttle.Every50ms, throttle.Paused, throttle.Immediate}[n])
			w.pass(200)
		}
		if r.parts != sent {
			t.Fatalf("%d parts while the connection takes nothing", r.parts-sent)
		}
		r.resume()
		w.pass(100)
		if r.parts != 4 || r.fulls != 5 {
			t.Fatalf("%d parts of %d, want each of the 5 once", r.parts, r.fulls)
		}
		r.final(t, whole)
		check(t, r.reader)
	}
}

// A reader that was away for long gets the net changes while the ring holds them, and else the whole book.
func TestAStalledBookReader(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(100))
	r, s := w.attach(Proto)
	whole, top := w.view(0, market.View{}), w.view(0, market.View{Depth: 10})
	s.Subscribe([]Item{{Handle: whole}, {Handle: top}}, throttle.Every20ms)
	w.pass(100)
	for _, c := range []struct{ events, fulls int }{{100, 1}, {1000, 2}} {
		r.stalled = true
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 9999}}}) // fills the outbox
		w.pass(50)
		fulls, bytes := r.fulls, r.bytes
		for n := range c.events {
			w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1 - int64(n%50), Size: 10_000 + int64(n)}}})
			w.pass(20)
		}
		r.resume()
		w.pass(100)
		if r.fulls-fulls != c.fulls {
			t.Fatalf("%d full rows after %d events, want %d", r.fulls-fulls, c.events, c.fulls)
		}
		if r.bytes-bytes > 3000 {
			t.Fatalf("%d bytes: a backlog was kept", r.bytes-bytes)
		}
		r.final(t, whole)
		r.final(t, top)
	}
	check(t, r.reader)
}

// More changes between two cuts than the ring or a row holds: everybody gets the book anew, and goes on from there.
func TestACutBeyondTheRing(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		w := newBookWorld(1, Options{})
		w.book(0, deepBook(40))
		r, s := w.attach(e)
		whole := w.view(0, market.View{})
		s.Subscribe([]Item{{Handle: whole}}, throttle.Every5s)
		w.pass(100)
		for round := range 3 {
			for n := range 400 {
				w.book(0, market.BookEvent{Asks: []market.Level{{Price: int64(n % 60), Size: int64(10_000*round + n + 1)}}})
				w.pass(10)
			}
			w.pass(6000)
			r.final(t, whole)
		}
		if r.fulls < 3 {
			t.Fatalf("%d full rows", r.fulls)
		}
		w.book(0, market.BookEvent{Asks: []market.Level{{Price: 3, Size: 0}}})
		diffs := r.diffs
		w.pass(5000)
		if r.diffs != diffs+1 {
			t.Fatal("no changes after a whole book")
		}
		r.final(t, whole)
		check(t, r.reader)
	}
}

func TestChecksumsComeNowAndThen(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(200))
	r, s := w.attach(Proto)
	for _, v := range testForms {
		s.Subscribe([]Item{{Handle: w.view(0, v)}}, throttle.Every50ms)
	}
	w.pass(100)
	const cuts = 4 * checksumEvery
	for n := range int64(cuts) {
		w.book(0, market.BookEvent{Bids: []market.Level{{Price: -1, Size: 1000 + n}}})
		w.pass(100)
	}
	if want := 4 * (len(testForms) - 1); r.checks != want {
		t.Fatalf("%d checksums in %d cuts of %d views, want %d", r.checks, cuts, len(testForms)-1, want)
	}
	check(t, r.reader)
}

// A storm of joiners gets the whole book from one image.
func TestJoinersOfABookShareItsImage(t *testing.T) {
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(1000))
	whole := w.view(0, market.View{})
	r := w.store.Acquire()
	image := r.BookImage(0)
	r.Release()
	for n := range int64(20) {
		c, s := w.attach(Proto)
		s.Subscribe([]Item{{Handle: whole}}, throttle.Every250ms)
		w.book(0, market.BookEvent{Asks: []market.Level{{Price: n, Size: 50_000}}})
		w.pass(300)
		c.final(t, whole)
		check(t, c.reader)
	}
	r = w.store.Acquire()
	defer r.Release()
	if r.BookImage(0) != image {
		t.Fatal("the book was encoded again for joiners whom changes would have served")
	}
}

// The same with workers that run by themselves, for the race detector: several build and share images at once.
func TestBooksAmongWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBookWorld(2, Options{})
		w.engine = New(w.store, Options{Workers: 3, MaxFrame: 4000})
		w.engine.Start()
		w.now = time.Now().UnixMicro()
		random := rand.New(rand.NewPCG(7, 8))
		for id := range 2 {
			w.book(id, deepBook(300))
		}
		var readers []*bookReader
		var subs []*Subscriber
		for n := range 100 {
			if n%10 == 0 {
				r, s := w.attach(Encoding(n / 10 % 2))
				for i, v := range testForms {
					s.Subscribe([]Item{{Handle: w.view(n/20%2, v)}}, throttle.Cadence((n/10+i)%5))
				}
				readers, subs = append(readers, r), append(subs, s)
			}
			w.now = time.Now().UnixMicro()
			for range random.IntN(8) {
				var e market.BookEvent
				for range random.IntN(60) {
					l := market.Level{Price: random.Int64N(500) - 250, Size: random.Int64N(3)}
					if l.Price < 0 {
						e.Bids = append(e.Bids, l)
					} else {
						e.Asks = append(e.Asks, l)
					}
				}
				w.book(random.IntN(2), e)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, s := range subs {
			s.Detach()
		}
		w.engine.Close()
		for n, r := range readers {
			for _, v := range testForms {
				r.final(t, w.view(n/2%2, v))
			}
			check(t, r.reader)
		}
	})
}

// What a subscription to a book keeps here is bounded: a mark, and no copy of levels for any reader.
func TestABookReaderKeepsLittle(t *testing.T) {
	if n := unsafe.Sizeof(mark{}); n > 56 {
		t.Errorf("a mark of %d bytes", n)
	}
	w := newBookWorld(1, Options{})
	w.book(0, deepBook(2000))
	r, s := w.attach(Proto)
	whole := w.view(0, market.View{})
	s.Subscribe([]Item{{Handle: whole}}, throttle.Every20ms)
	w.pass(100)
	r.stalled = true
	for n := range int64(200) {
		var e market.BookEvent
		for i := range int64(50) {
			e.Bids = append(e.Bids, market.Level{Price: -1 - (50*n+i)%2000, Size: n + i + 1})
		}
		w.book(0, e)
		w.pass(10)
	}
	v := s.lanes[0].phase.slots[0].view.(*wholeView)
	if n := cap(v.bids) + cap(v.asks); n > 64<<10 {
		t.Errorf("a view holds %d bytes", n)
	}
	for _, c := range scratch.free {
		if n := cap(c.Bids) + cap(c.Asks); n > 16<<10 {
			t.Errorf("room for %d levels is kept", n)
		}
	}
	r.resume()
	w.pass(100)
	r.final(t, whole)
	check(t, r.reader)
}

func TestABookFrameAllocatesNothing(t *testing.T) {
	w := newWorld(1, 64, Options{})
	out := new(sink)
	s := w.engine.Attach(out, bare(Proto))
	w.worker.turn()
	image := deepBook(500)
	event := market.BookEvent{Bids: make([]market.Level, 20), Asks: make([]market.Level, 20)}
	n := int64(0)
	tick := func() {
		for range 4 {
			for i := range event.Bids {
				n++
				event.Bids[i] = market.Level{Price: -1 - n*7%150, Size: n % 4}
				event.Asks[i] = market.Level{Price: n * 11 % 150, Size: n % 3}
			}
			event.Position.Sequence++
			w.store.Begin()
			w.store.Book(0, &event)
			w.store.Commit()
		}
		w.pass(100)
	}
	w.store.Begin()
	w.store.Book(0, &image)
	w.store.Commit()
	for _, v := range testForms {
		s.Subscribe([]Item{{Handle: w.engine.Handle(0, market.ChannelBook, v)}}, throttle.Every100ms)
	}
	for range 50 {
		tick()
	}
	frames := out.frames
	if n := testing.AllocsPerRun(100, tick); n != 0 {
		t.Fatalf("%v allocations per cut with six views of a book", n)
	}
	if out.frames-frames < 100 {
		t.Fatalf("only %d frames were sent", out.frames-frames)
	}
}
