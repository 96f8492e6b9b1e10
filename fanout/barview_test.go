package fanout

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// exchange is a world in which trades come at random times and are mended, with a record of every bar there ever was.
type exchange struct {
	*world
	truth map[int]map[uint32]map[int64]market.Bar // by instrument, interval and start
	sum   map[int]market.Trade                    // Size and ID: volume and number of ordinary trades
}

func newExchange(instruments, logEvents int, o Options) *exchange {
	x := &exchange{
		world: newWorld(instruments, logEvents, o), truth: map[int]map[uint32]map[int64]market.Bar{}, sum: map[int]market.Trade{},
	}
	x.now = 1_900_000_000_000_000
	for id := range instruments {
		x.truth[id] = map[uint32]map[int64]market.Bar{}
		for _, seconds := range market.Intervals {
			x.truth[id][seconds] = map[int64]market.Bar{}
		}
	}
	return x
}

// trade has an event of an instrument come now.
func (x *exchange) trade(id int, t market.Trade) {
	x.trades[id]++
	t.IngestTime = x.now
	t.Position = market.Position{Epoch: x.epoch, Sequence: market.Sequence(x.trades[id])}
	x.store.Begin()
	x.store.Trade(market.InstrumentID(id), &t)
	x.store.Commit()
	if t.Kind == market.TradeOrdinary {
		s := x.sum[id]
		s.Size += t.Size
		s.ID++
		x.sum[id] = s
	}
	x.record(id)
}

// record takes down the bars that there are.
func (x *exchange) record(id int) {
	r := x.store.Acquire()
	defer r.Release()
	for _, seconds := range market.Intervals {
		if s := r.Bars(market.InstrumentID(id), seconds); s != nil {
			for i := s.First(); i < s.Next(); i++ {
				b := s.At(i).Bar
				x.truth[id][seconds][b.Start] = b
			}
		}
	}
}

// pass lets time go by, as ingest's clock and as the engine's.
func (x *exchange) pass(ms int) {
	for range ms / 100 {
		x.now += 100_000
		x.store.Begin()
		x.store.Advance(x.now)
		x.store.Commit()
		x.worker.turn()
	}
	for id := range x.trades {
		x.record(id)
	}
}

func (x *exchange) bars(id int, seconds uint32) Handle {
	return x.engine.Handle(market.InstrumentID(id), market.ChannelBar, market.View{Interval: seconds})
}

func (x *exchange) summary(id int) Handle {
	return x.engine.Handle(market.InstrumentID(id), market.ChannelTrade, market.View{Summary: true})
}

func (x *exchange) join(r *board) *Subscriber {
	s := x.engine.Attach(r, bare(r.encoding))
	r.wake = s.Wake
	for id := range x.trades {
		sym := x.store.Instrument(market.InstrumentID(id)).Symbol.String()
		r.sumOf[sym] = x.summary(id)
		for _, seconds := range market.Intervals {
			r.barOf[fmt.Sprint(sym, seconds)] = x.bars(id, seconds)
		}
	}
	x.worker.turn()
	return s
}

type fataler interface{ Fatalf(string, ...any) }

// checkBars compares what a client holds of a handle with what was. Every bar from a start on must be there as it ended, or
// be named as lost.
func (x *exchange) checkBars(t fataler, r *board, id int, seconds uint32, first int64) {
	h := x.bars(id, seconds)
	for start, b := range r.bars[h] {
		want := x.truth[id][seconds][start]
		if shown(want) != b && !wasLost(r, h, start/int64(seconds)) {
			t.Fatalf("bar of %d s at %d:\nheld %+v\nwant %+v", seconds, start, b, shown(want))
		}
		if vwap := want.Turnover.Over(want.Volume); r.vwap[h][start] != vwap && shown(want) == b {
			t.Fatalf("bar of %d s at %d: vwap %d, want %d", seconds, start, r.vwap[h][start], vwap)
		}
	}
	newest := int64(0)
	for start, b := range x.truth[id][seconds] {
		newest = max(newest, start)
		if _, held := r.bars[h][start]; start >= first && b.Trades != 0 && !held && !wasLost(r, h, start/int64(seconds)) {
			t.Fatalf("bar of %d s at %d never came: %+v", seconds, start, b)
		}
	}
	if b := x.truth[id][seconds][newest]; b.Trades != 0 && len(r.bars[h]) == 0 {
		t.Fatalf("no bar of %d s came", seconds)
	}
}

func wasLost(r *board, h Handle, number int64) bool {
	for _, l := range r.lost[h] {
		if l.From <= uint64(number) && uint64(number) <= l.To {
			return true
		}
	}
	return false
}

func (x *exchange) checkErrors(t fataler, readers ...*board) {
	for _, r := range readers {
		if len(r.errs) > 0 {
			t.Fatalf("reader: %v", r.errs[0])
		}
	}
}

func TestBarsBeginWithHistoryAndGoOnAsDifferences(t *testing.T) {
	x := newExchange(1, 64, Options{})
	for i := range 5 {
		x.trade(0, market.Trade{Price: int64(100 + i), Size: 1})
		x.pass(60_000)
	}
	x.trade(0, market.Trade{Price: 200, Size: 1})
	r := newBoard(Proto)
	x.join(r).Subscribe([]Item{{Handle: x.bars(0, 60), History: 3}}, throttle.Every100ms)
	x.worker.turn()
	if n := len(r.last.Bars); r.frames != 1 || n != 4 || r.last.Bars[3].Closed || !r.last.Bars[0].Closed {
		t.Fatalf("%d frames, the first with %d bars: %v", r.frames, n, r.last.Bars)
	}
	x.trade(0, market.Trade{Price: 205, Size: 2})
	x.trade(0, market.Trade{Price: 203, Size: 2})
	x.pass(100)
	if rows := r.last.Bars; len(rows) != 1 || rows[0].StartS != 0 || rows[0].High != 5 || rows[0].Volume != 4 || r.last.Conflated != 1 {
		t.Fatalf("want one difference for two trades, got %v", r.last)
	}
	x.pass(60_000)
	if rows := r.last.Bars; len(rows) != 1 || rows[0].StartS != 0 || !rows[0].Closed {
		t.Fatalf("the clock closes the bar without a trade, got %v", rows)
	}
	frames := r.frames
	x.pass(60_000)
	if r.frames != frames {
		t.Fatalf("rows of a quiet minute: %v", r.last)
	}
	x.trade(0, market.Trade{Price: 300, Size: 2})
	x.trade(0, market.Trade{Price: 210, Size: 2, ExchangeTime: x.now - 60_000_000})
	x.pass(200)
	if rows := r.last.Bars; len(rows) != 2 || rows[0].StartS == 0 || !rows[0].Closed || rows[1].StartS <= rows[0].StartS {
		t.Fatalf("a late trade and a new bar are two full rows, got %v", rows)
	}
	x.checkBars(t, r, 0, 60, x.now/1_000_000-181)
	x.checkErrors(t, r)
}

func TestAReaderThatTheRingOvertakesIsToldWhichBarsItLost(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		x := newExchange(1, 64, Options{})
		r, other := newBoard(e), newBoard(e)
		for _, c := range []*board{r, other} {
			x.join(c).Subscribe([]Item{{Handle: x.bars(0, 1)}}, throttle.Every500ms)
		}
		x.trade(0, market.Trade{Price: 7, Size: 1})
		x.pass(1000)
		r.stalled = true
		for i := range 1000 {
			x.trade(0, market.Trade{Price: int64(i), Size: 1})
			x.pass(1000)
		}
		held := len(r.bars[x.bars(0, 1)])
		r.resume()
		x.worker.turn()
		x.pass(5000)
		lost := r.lost[x.bars(0, 1)]
		if len(lost) != 1 || lost[0].Epoch != 0 || int(lost[0].To-lost[0].From)+1 != 1001-600-held+1 {
			t.Fatalf("lost %v, having held %d bars before", lost, held)
		}
		if len(other.lost) != 0 || len(other.bars[x.bars(0, 1)]) != 1001 {
			t.Fatalf("the other reader holds %d bars and lost %v", len(other.bars[x.bars(0, 1)]), other.lost)
		}
		for _, c := range []*board{r, other} {
			x.checkBars(t, c, 0, 1, 0)
			x.checkErrors(t, c)
		}
	}
}

func TestMoreBarsThanAreHeldBetweenTwoCutsAreToldAsLostToAll(t *testing.T) {
	for _, e := range []Encoding{Proto, JSON} {
		x := newExchange(1, 64, Options{})
		h := x.bars(0, 1)
		r := newBoard(e)
		x.trade(0, market.Trade{Price: 7, Size: 1})
		x.join(r).Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
		x.pass(100)
		for range 1000 { // as when the past is read
			x.now += 1_000_000
			x.trade(0, market.Trade{Price: 8, Size: 1})
		}
		x.pass(100)
		x.world.pass(200)
		if lost := r.lost[h]; len(lost) != 1 || lost[0].To-lost[0].From+1 != 401 || len(r.bars[h]) != 601 {
			t.Fatalf("%d bars, lost %v", len(r.bars[h]), lost)
		}
		if n := x.counters.Count(drop.LostEvents); n < 401 {
			t.Fatalf("%v: %d counted as lost", e, n)
		}
		x.checkBars(t, r, 0, 1, 0)
		x.checkErrors(t, r)
	}
}

func TestVoidBarsAreTakenBack(t *testing.T) {
	x := newExchange(1, 64, Options{})
	r := newBoard(Proto)
	x.trade(0, market.Trade{Price: 7, Size: 1})
	x.join(r).Subscribe([]Item{{Handle: x.bars(0, 60)}}, throttle.Every100ms)
	x.pass(100)
	x.trade(0, market.Trade{Kind: market.TradeCancellation, RefersTo: 1})
	x.pass(100)
	if n := len(r.bars[x.bars(0, 60)]); n != 0 {
		t.Fatalf("%d bars are left", n)
	}
	x.trade(0, market.Trade{Price: 8, Size: 1})
	x.pass(100)
	x.checkBars(t, r, 0, 60, x.now/1_000_000-181)
	x.checkErrors(t, r)
}

// Whatever is traded, mended and stalled, and wherever subscriptions move, every reader's bars and statistics end as the
// store's, each closed bar has come in its last form, and summaries add up.
func TestBoardsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const instruments = 2
		x := newExchange(instruments, 1<<16, Options{MaxFrame: rapid.SampledFrom([]int{60, 500, 32 << 10}).Draw(t, "frame")})
		type client struct {
			*board
			s    *Subscriber
			subs map[Handle]throttle.Cadence
			from map[Handle]origin
		}
		var clients []*client
		anyClient := func() *client { return clients[rapid.IntRange(0, len(clients)-1).Draw(t, "client")] }
		for range rapid.IntRange(1, 3).Draw(t, "clients") {
			c := &client{board: newBoard(Encoding(rapid.IntRange(0, 1).Draw(t, "encoding"))), subs: map[Handle]throttle.Cadence{}, from: map[Handle]origin{}}
			c.s = x.join(c.board)
			clients = append(clients, c)
		}
		anyHandle := func(id int) Handle {
			switch rapid.IntRange(0, 4).Draw(t, "channel") {
			case 0:
				return x.handle(id, market.ChannelStats)
			case 1:
				return x.summary(id)
			default:
				return x.bars(id, rapid.SampledFrom([]uint32{1, 60, 86400}).Draw(t, "interval"))
			}
		}
		for range rapid.IntRange(10, 100).Draw(t, "steps") {
			id := rapid.IntRange(0, instruments-1).Draw(t, "instrument")
			switch rapid.IntRange(0, 11).Draw(t, "step") {
			case 0, 1, 2, 3:
				for range rapid.IntRange(1, 5).Draw(t, "n") {
					tr := market.Trade{Price: rapid.Int64Range(-5, 50).Draw(t, "price"), Size: rapid.Int64Range(0, 9).Draw(t, "size")}
					if rapid.IntRange(0, 4).Draw(t, "late") == 0 {
						tr.ExchangeTime = x.now - rapid.Int64Range(-2_000_000, 90_000_000).Draw(t, "lag")
					}
					x.trade(id, tr)
				}
			case 4:
				x.trade(id, market.Trade{
					Kind:     market.TradeKind(rapid.IntRange(1, 2).Draw(t, "kind")),
					RefersTo: market.Sequence(rapid.IntRange(max(1, int(x.trades[id])-9), int(x.trades[id])+1).Draw(t, "refers")),
					Price:    rapid.Int64Range(-5, 50).Draw(t, "price"), Size: rapid.Int64Range(0, 9).Draw(t, "size"),
				})
			case 5, 6:
				c, h := anyClient(), anyHandle(id)
				cadence := throttle.Cadence(rapid.IntRange(0, int(throttle.Cadences)).Draw(t, "cadence"))
				if cadence == throttle.Cadences {
					cadence = throttle.Paused
				}
				it := Item{Handle: h}
				if h != x.summary(id) {
					it.History = rapid.IntRange(0, 5).Draw(t, "history")
				}
				if _, held := c.subs[h]; !held { // a new subscription begins anew
					c.forget(h)
					c.from[h] = x.origin(h, it.History)
				}
				c.subs[h] = cadence
				c.s.Subscribe([]Item{it}, cadence)
				x.worker.turn()
			case 7:
				c, h := anyClient(), anyHandle(id)
				delete(c.subs, h)
				x.unsubscribe(c.s, h)
			case 8:
				anyClient().stalled = true
			case 9:
				if c := anyClient(); c.stalled {
					c.resume()
				}
			case 10:
				x.pass(100 * rapid.IntRange(1, 50).Draw(t, "pass"))
			case 11:
				mark := rapid.Int64Range(0, 9).Draw(t, "mark")
				x.store.Begin()
				x.store.Statistics(market.InstrumentID(id), &market.Statistics{Mark: mark, Has: market.HasMark, IngestTime: x.now})
				x.store.Commit()
			}
			if rapid.Bool().Draw(t, "turn") {
				x.worker.turn()
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
		x.world.pass(10_100) // the market stands still
		for _, c := range clients {
			x.checkErrors(t, c.board)
			for h := range c.subs {
				x.checkBoard(t, c.board, h, c.from[h])
			}
			for _, l := range c.s.lanes {
				if l.marks != nil {
					t.Fatalf("a lane at %s still lags", l.phase.cadence)
				}
			}
		}
	})
}

// origin is where a subscription begins.
type origin struct {
	start int64        // of its first bar
	sum   market.Trade // what had been traded before
}

func (x *exchange) origin(h Handle, history int) (o origin) {
	topic := x.store.Topic(h)
	id := topic.Key.Instrument()
	r := x.store.Acquire()
	defer r.Release()
	if s := r.Bars(id, topic.View.Interval); s != nil && s.Next() > 0 {
		o.start = s.At(s.Back(history)).Start
	}
	o.sum = x.sum[int(id)]
	return o
}

// checkBoard compares what a client holds of any handle with the store.
func (x *exchange) checkBoard(t fataler, c *board, h Handle, from origin) {
	topic := x.store.Topic(h)
	id := topic.Key.Instrument()
	switch topic.Key.Channel() {
	case market.ChannelBar:
		x.checkBars(t, c, int(id), topic.View.Interval, from.start)
	case market.ChannelStats:
		r := x.store.Acquire()
		ticks, st := r.StatisticsTicks(id), r.Statistics(id)
		r.Release()
		if ticks == 0 {
			return
		}
		checkStats(t, c, h, x.store.Instrument(id).Symbol.String(), statsRow(&st))
	case market.ChannelTrade:
		all, got := x.sum[int(id)], c.sums[h]
		if all.ID == from.sum.ID {
			return
		}
		if got == nil || got.Trades != all.ID-from.sum.ID || got.Volume != all.Size-from.sum.Size {
			t.Fatalf("summaries add up to %v, want %d trades of %d", got, all.ID-from.sum.ID, all.Size-from.sum.Size)
		}
	}
}
