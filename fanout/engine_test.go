package fanout

import (
	"fmt"
	"testing"

	"github.com/feedd/feedd/internal/client/quoterow"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
)

// world is an engine of one worker whose clock and turns belong to the test.
type world struct {
	store     *snapshot.Store
	engine    *Engine
	worker    *worker
	counters  *drop.Counters
	now       int64
	quotes    []int64 // last Bid by instrument
	trades    []int64 // last price by instrument; also how many there were
	epoch     market.Epoch
	sizeTicks int64
	traded    market.Trade // in one place, as ingest has it
	rests     bool         // the worker is between two turns while ingest commits
}

func newWorld(instruments, logEvents int, o Options) *world {
	w := &world{store: snapshot.NewStore(snapshot.Options{LogEvents: logEvents, LogMax: logEvents}), counters: new(drop.Counters), now: 1_000_000, epoch: 1}
	o.Workers, o.Counters = 1, w.counters
	w.engine = New(w.store, o)
	w.worker = w.engine.workers[0]
	w.worker.turns.Lock() // the test is at the worker, and calls its turns
	clock := func() int64 { return w.now }
	w.worker.wall, w.worker.mono = clock, clock
	w.store.Begin()
	for i := range instruments {
		if _, err := w.store.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: fmt.Sprint("S", i)}, PriceScale: 2}); err != nil {
			panic(err)
		}
	}
	w.store.Commit()
	w.quotes, w.trades = make([]int64, instruments), make([]int64, instruments)
	return w
}

func (w *world) quote(id int) {
	w.quotes[id]++
	b := w.quotes[id]
	w.store.Begin()
	w.store.Quote(market.InstrumentID(id), &market.Quote{
		Bid: b, Ask: b*3 + 1, BidSize: b % 7, AskSize: b % 5, Has: market.HasBid | market.HasAsk, IngestTime: w.now,
		Position: market.Position{Epoch: w.epoch, Sequence: market.Sequence(b)},
	})
	w.commit()
}

func (w *world) trade(id int) {
	w.trades[id]++
	p := w.trades[id]
	w.store.Begin()
	w.traded = market.Trade{
		Price: p, Size: p % 11, ID: uint64(p), ExchangeTime: w.now - 500, IngestTime: w.now,
		Position: market.Position{Epoch: w.epoch, Sequence: market.Sequence(p)},
	}
	w.store.Trade(market.InstrumentID(id), &w.traded)
	w.commit()
}

func (w *world) commit() {
	if w.rests {
		w.worker.turns.Unlock()
		defer w.worker.turns.Lock()
	}
	w.store.Commit()
}

// pass lets time go by in steps of 10 ms.
func (w *world) pass(ms int) {
	for range ms / 10 {
		w.now += 10_000
		w.worker.turn()
	}
}

func (w *world) handle(id int, ch market.Channel) Handle {
	return w.engine.Handle(market.InstrumentID(id), ch, market.View{})
}

func (w *world) attach(r *reader) *Subscriber {
	s := w.engine.Attach(r, bare(r.encoding))
	r.wake = s.Wake
	w.introduce(r)
	w.worker.turn()
	return s
}

// unsubscribe does what Subscriber.Unsubscribe waits for.
func (w *world) unsubscribe(s *Subscriber, handles ...Handle) {
	w.worker.post(func(k *worker) { k.unsubscribe(s, handles) })
	w.worker.turn()
}

// introduce tells a reader of text what the symbols are.
func (w *world) introduce(r *reader) {
	for i := range w.quotes {
		sym := w.store.Instrument(market.InstrumentID(i)).Symbol.String()
		r.quoteOf[sym], r.tradeOf[sym] = w.handle(i, market.ChannelQuote), w.handle(i, market.ChannelTrade)
	}
}

func (w *world) items(ch market.Channel, ids ...int) (items []Item) {
	for _, id := range ids {
		items = append(items, Item{Handle: w.handle(id, ch), History: 1})
	}
	return items
}

func check(t interface{ Fatalf(string, ...any) }, readers ...*reader) {
	for _, r := range readers {
		if len(r.errs) > 0 {
			t.Fatalf("reader: %v", r.errs[0])
		}
	}
}

func TestFullRowsThenDifferences(t *testing.T) {
	w := newWorld(3, 64, Options{})
	w.quote(0)
	r := newReader(Proto)
	s := w.attach(r)
	s.Subscribe(w.items(market.ChannelQuote, 0, 1), throttle.Every100ms)
	w.worker.turn()
	if r.frames != 1 || r.rows != 1 {
		t.Fatalf("%d frames with %d rows at once, want the one quote that there is", r.frames, r.rows)
	}
	w.quote(0)
	w.quote(0)
	w.quote(1)
	w.quote(2)
	w.pass(200)
	if r.frames != 2 || r.rows != 3 || r.conflated != 1 {
		t.Fatalf("%d frames, %d rows, %d conflated", r.frames, r.rows, r.conflated)
	}
	if q, err := quoterow.Read(r.last.Quotes); err != nil || q[0].Sequence != 0 || q[1].Sequence == 0 {
		t.Fatalf("a known quote as a difference and a first one in full, got %v", q)
	}
	w.pass(1000)
	if r.frames != 2 {
		t.Fatalf("%d frames while nothing changed", r.frames)
	}
	check(t, r)
}

func TestImmediateIsSentInTheTurnAfterTheCommit(t *testing.T) {
	w := newWorld(2, 64, Options{})
	r := newReader(Proto)
	w.attach(r).Subscribe(w.items(market.ChannelQuote, 0), throttle.Immediate)
	w.worker.turn()
	for i := range 5 {
		w.quote(0)
		w.quote(1)
		w.now += 10
		w.worker.turn()
		if r.rows != i+1 {
			t.Fatalf("%d rows after %d ticks", r.rows, i+1)
		}
	}
	check(t, r)
}

func TestAStalledReaderGetsFreshRowsAndItsExactLoss(t *testing.T) {
	const log = 64
	w := newWorld(2, log, Options{})
	r, other := newReader(Proto), newReader(Proto)
	for _, x := range []*reader{r, other} {
		s := w.attach(x)
		s.Subscribe(w.items(market.ChannelTrade, 0), throttle.Every100ms)
		s.Subscribe(w.items(market.ChannelQuote, 0, 1), throttle.Every20ms)
	}
	w.trade(0)
	w.quote(1)
	w.pass(200)
	r.stalled = true
	for range 500 {
		w.trade(0)
		w.quote(0)
		w.pass(10)
	}
	got := len(r.trades[w.handle(0, market.ChannelTrade)].events)
	frames := r.frames
	r.resume()
	w.worker.turn()
	w.pass(200)
	tape := r.trades[w.handle(0, market.ChannelTrade)]
	if want := uint64(501 - got - log); tape.lost != want {
		t.Fatalf("lost %d, want %d", tape.lost, want)
	}
	if n := len(tape.events) - got; n != log || tape.events[len(tape.events)-1].Price != 501 {
		t.Fatalf("%d trades after the stall, want the %d that the log holds", n, log)
	}
	if q := r.quotes[w.handle(0, market.ChannelQuote)]; q.Bid != 500 {
		t.Fatalf("quote at %d, want 500", q.Bid)
	}
	if r.frames-frames > 4 {
		t.Fatalf("%d frames to catch up: a backlog was kept", r.frames-frames)
	}
	if n := w.counters.Count(drop.LostEvents); n != tape.lost {
		t.Fatalf("counter says %d lost, the reader was told %d", n, tape.lost)
	}
	if o := other.trades[w.handle(0, market.ChannelTrade)]; o.lost != 0 || len(o.events) != 501 {
		t.Fatalf("the other reader got %d trades and lost %d", len(o.events), o.lost)
	}
	check(t, r, other)
}

func TestMovingBetweenCadencesRepeatsAndLosesNothing(t *testing.T) {
	w := newWorld(2, 256, Options{})
	r := newReader(Proto)
	s := w.attach(r)
	w.trade(0)
	cadences := []throttle.Cadence{throttle.Every5s, throttle.Immediate, throttle.Every50ms, throttle.Every1s, throttle.Immediate}
	for _, c := range cadences {
		s.Subscribe(append(w.items(market.ChannelTrade, 0), w.items(market.ChannelQuote, 0, 1)...), c)
		w.worker.turn()
		for range 10 {
			w.trade(0)
			w.quote(0)
			w.pass(30)
		}
	}
	w.pass(100)
	tape := r.trades[w.handle(0, market.ChannelTrade)]
	if len(tape.events) != 51 || tape.lost != 0 {
		t.Fatalf("%d trades, %d lost; want 51 and none", len(tape.events), tape.lost)
	}
	check(t, r)
}

func TestAPauseSendsNothingAndLosesOnlyWhatTheLogDid(t *testing.T) {
	w := newWorld(1, 64, Options{})
	r := newReader(Proto)
	s := w.attach(r)
	both := append(w.items(market.ChannelQuote, 0), w.items(market.ChannelTrade, 0)...)
	w.trade(0)
	s.Subscribe(both, throttle.Every50ms)
	w.quote(0)
	w.pass(100)
	for _, c := range []struct{ trades, lost int }{{30, 0}, {0, 0}, {100, 36}} {
		s.Subscribe(both, throttle.Paused)
		w.pass(50)
		rows := r.rows
		w.quote(0)
		for range c.trades {
			w.trade(0)
		}
		w.pass(300)
		if r.rows != rows {
			t.Fatalf("%d rows while paused", r.rows-rows)
		}
		lost := r.tape(both[1].Handle).lost
		s.Subscribe(both, throttle.Every50ms)
		w.pass(100)
		if q := r.quotes[both[0].Handle]; q.Bid != w.quotes[0] {
			t.Fatalf("quote at %d, want %d", q.Bid, w.quotes[0])
		}
		tape := r.tape(both[1].Handle)
		if got := r.rows - rows; got != 1+c.trades-c.lost || tape.lost-lost != uint64(c.lost) {
			t.Fatalf("%d rows and %d lost after the pause, want %d and %d", got, tape.lost-lost, 1+c.trades-c.lost, c.lost)
		}
	}
	check(t, r)
}

func TestStatusesComeAtOnceAndWhole(t *testing.T) {
	w := newWorld(2, 64, Options{})
	for _, e := range []Encoding{Proto, JSON} {
		r := newReader(e)
		s := w.attach(r)
		h, src := w.handle(0, market.ChannelStatus), w.engine.SourceHandle("v")
		s.Subscribe([]Item{{Handle: h}, {Handle: src}}, throttle.Immediate)
		w.worker.turn()
		if r.statuses[h].GetQuality() != 1 || r.sources["v"].GetStream() != 1 {
			t.Fatalf("at first: %v, %v", r.statuses, r.sources)
		}
		w.store.Begin()
		w.store.Quality(0, market.QualitySyncing, "gap")
		w.store.Source("v", market.StreamOpen, market.QualitySuspect, "silent")
		w.store.Commit()
		w.now += 5000
		w.worker.turn()
		if r.statuses[h].GetReason() != "gap" || r.sources["v"].GetQuality() != 2 {
			t.Fatalf("after: %v, %v", r.statuses, r.sources)
		}
		check(t, r)
		w.store.Begin()
		w.store.Quality(0, market.QualityOK, "")
		w.store.Source("v", market.StreamOpen, market.QualityOK, "")
		w.store.Commit()
		w.worker.turn()
	}
}

func TestHeartbeatsFillSilence(t *testing.T) {
	w := newWorld(1, 64, Options{})
	quiet, busy := newReader(Proto), newReader(JSON)
	w.attach(quiet)
	w.attach(busy).Subscribe(w.items(market.ChannelQuote, 0), throttle.Every500ms)
	for range 300 {
		w.quote(0)
		w.pass(100)
	}
	if quiet.heartbeats < 5 || quiet.heartbeats > 9 {
		t.Fatalf("%d heartbeats in 30 s of silence, want about 6", quiet.heartbeats)
	}
	if busy.heartbeats != 0 {
		t.Fatalf("%d heartbeats between rows", busy.heartbeats)
	}
	check(t, quiet, busy)
}

// Lanes with the same slots are one cohort; when everybody has left, nothing stays behind.
func TestCohortsAreSharedAndEverythingIsReleased(t *testing.T) {
	w := newWorld(50, 64, Options{})
	var subs []*Subscriber
	var readers []*reader
	for i := range 160 {
		r := newReader(Proto)
		s := w.attach(r)
		s.Subscribe(w.items(market.ChannelQuote, 1, 2, 3), throttle.Every250ms)
		for range 2 { // once more makes no difference
			s.Subscribe(w.items(market.ChannelStatus, i%2), throttle.Immediate)
		}
		subs, readers = append(subs, s), append(readers, r)
	}
	w.worker.turn()
	cohorts := 0
	for _, p := range w.worker.active {
		cohorts += len(p.order)
	}
	if want := 1 + len(subs)/abreast + 2; cohorts != want {
		t.Fatalf("%d cohorts, want %d", cohorts, want)
	}
	for _, s := range subs {
		w.unsubscribe(s, w.handle(1, market.ChannelQuote))
	}
	w.worker.turn()
	for i, s := range subs {
		w.quote(2)
		if i%2 == 0 {
			w.unsubscribe(s, w.handle(2, market.ChannelQuote), w.handle(3, market.ChannelQuote), w.handle(0, market.ChannelStatus))
		}
		w.worker.post(func(k *worker) { k.detach(s) })
		w.pass(10)
	}
	w.pass(10)
	if len(w.worker.active) != 0 || len(w.worker.subscribers) != 0 {
		t.Fatalf("%d phases and %d subscribers are left", len(w.worker.active), len(w.worker.subscribers))
	}
	w.worker.dirty.Store(false)
	w.store.Begin()
	w.store.Quality(0, market.QualitySyncing, "gap")
	w.store.Commit()
	if w.worker.dirty.Load() {
		t.Fatal("what nobody follows any more wakes the worker")
	}
	check(t, readers...)
}

func TestLargeSnapshotsComeInPartsWithinTheLimit(t *testing.T) {
	w := newWorld(400, 1024, Options{MaxFrame: 1000})
	for i := range 400 {
		w.quote(i)
	}
	for range 300 {
		w.trade(7)
	}
	for _, e := range []Encoding{Proto, JSON} {
		r := newReader(e)
		largest := 0
		s := w.engine.Attach(sendFunc(func(b []byte) bool {
			largest = max(largest, len(b))
			return r.Send(b)
		}), bare(e))
		w.introduce(r)
		all := make([]int, 400)
		for i := range all {
			all[i] = i
		}
		items := w.items(market.ChannelQuote, all...)
		items = append(items, Item{Handle: w.handle(7, market.ChannelTrade), History: 250})
		s.Subscribe(items, throttle.Every100ms)
		w.worker.turn()
		if r.rows != 650 || r.last.Partial {
			t.Fatalf("%d rows, last partial %v; want 650", r.rows, r.last.Partial)
		}
		if largest > 1000+300 {
			t.Fatalf("a frame of %d bytes", largest)
		}
		// A cut that is too large for one frame comes in parts too.
		for i := range 400 {
			w.quote(i)
		}
		for range 200 {
			w.trade(7)
		}
		w.pass(100)
		if r.rows != 650+600 || largest > 1000+300 {
			t.Fatalf("%d rows, frames of up to %d bytes", r.rows, largest)
		}
		check(t, r)
		w.worker.post(func(k *worker) { k.detach(s) })
		w.worker.turn()
	}
}

type sendFunc func([]byte) bool

func (f sendFunc) Ready() bool { return true }

func (f sendFunc) Send(b []byte) bool { return f(b) }
