package ingest

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// world is a publisher, two lines that lose, double and delay, and a stream that keeps most of it.
type world struct {
	t        *rapid.T
	core     *core
	sink     *recorder
	counters drop.Counters
	now      int64

	epoch     market.Epoch
	published map[market.Channel]market.Sequence // in this epoch
	prices    map[market.Position]int64          // of all trades ever published
	recorded  []message                          // the stream
	flying    []message                          // on the lines, due at their time
	answers   []answer                           // to requests of the core
	missing   map[market.Position]bool           // trades that the stream lost
	restarts  int

	delivered  func([]byte)                   // told of what reaches the core from the lines and the stream; nil: nobody cares
	state      func() *marketdatav1.TickBatch // more for the answer to a snapshot request; nil: nothing
	answers1in int                            // the publisher answers each, every second, …; 0: never
	asked      int
}

type message struct {
	subject string
	payload []byte
	at      int64
}

type answer struct {
	request request
	at      int64
}

var btc = market.Symbol{Venue: "demo", Name: "BTC"}

const historyOfPublisher = 5

func (w *world) draw(label string, n int) int { return rapid.IntRange(0, n-1).Draw(w.t, label) }

func (w *world) chance(label string, percent int) bool { return w.draw(label, 100) < percent }

// send puts a message into the stream and on both lines, with what can happen to it there.
func (w *world) send(subj string, m proto.Message, faults bool) {
	payload, err := proto.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	if faults && w.chance("stream loses", 5) {
		if b, ok := m.(*marketdatav1.TickBatch); ok {
			for i := range b.Trades {
				w.missing[market.Position{Epoch: market.Epoch(b.Epoch), Sequence: market.Sequence(b.Sequence) + market.Sequence(i)}] = true
			}
		}
	} else if _, beat := m.(*marketdatav1.Heartbeat); !beat {
		w.recorded = append(w.recorded, message{subj, payload, w.now})
	}
	for range 2 {
		copies := 1
		if faults && w.chance("line loses", 30) {
			copies = 0
		} else if faults && w.chance("line doubles", 10) {
			copies = 2
		}
		for range copies {
			delay := int64(0)
			if faults && w.chance("line delays", 20) {
				delay = int64(w.draw("delay", 60_000))
			}
			w.flying = append(w.flying, message{subj, payload, w.now + delay})
		}
	}
}

func (w *world) definition() *marketdatav1.TickBatch {
	return &marketdatav1.TickBatch{Epoch: uint64(w.epoch), Sequence: 1, Definitions: []*marketdatav1.Definition{{PriceScale: 2}}}
}

func (w *world) restart() {
	w.epoch++
	w.restarts++
	w.published = map[market.Channel]market.Sequence{}
	w.send(subject.For(btc, market.ChannelDefinition), w.definition(), false)
}

// price is a different one for each tick, so that a wrong tick is seen.
func price(e market.Epoch, s market.Sequence) int64 { return int64(e)*1_000_000 + int64(s) }

func (w *world) quotes(first market.Sequence, n int) *marketdatav1.TickBatch {
	b := &marketdatav1.TickBatch{Epoch: uint64(w.epoch), Sequence: uint64(first)}
	for i := range n {
		b.Quotes = append(b.Quotes, &marketdatav1.Quote{Bid: proto.Int64(price(w.epoch, first+market.Sequence(i)))})
	}
	return b
}

func (w *world) trades(first market.Sequence, n int) *marketdatav1.TickBatch {
	b := &marketdatav1.TickBatch{Epoch: uint64(w.epoch), Sequence: uint64(first)}
	for i := range n {
		seq := first + market.Sequence(i)
		w.prices[market.Position{Epoch: w.epoch, Sequence: seq}] = price(w.epoch, seq)
		b.Trades = append(b.Trades, &marketdatav1.Trade{Price: price(w.epoch, seq), Size: 1})
	}
	return b
}

func (w *world) publish(faults bool) {
	n := 1 + w.draw("ticks", 4)
	if w.chance("a quote", 50) {
		first := w.published[market.ChannelQuote] + 1
		w.published[market.ChannelQuote] += market.Sequence(n)
		w.send(subject.For(btc, market.ChannelQuote), w.quotes(first, n), faults)
		return
	}
	first := w.published[market.ChannelTrade] + 1
	w.published[market.ChannelTrade] += market.Sequence(n)
	w.send(subject.For(btc, market.ChannelTrade), w.trades(first, n), faults)
}

func (w *world) heartbeat(faults bool) {
	h := &marketdatav1.Heartbeat{Epoch: uint64(w.epoch), IntervalMs: 1000}
	for ch, n := range w.published {
		h.Positions = append(h.Positions, &marketdatav1.Position{Symbol: btc.Name, Channel: ch.String(), Sequence: uint64(n)})
	}
	slices.SortFunc(h.Positions, func(a, b *marketdatav1.Position) int { return len(a.Channel) - len(b.Channel) })
	w.send(subject.Heartbeat(btc.Venue), h, faults)
}

// pass lets time pass: what is due arrives, requests are answered, the core looks around.
func (w *world) pass(micros int64) {
	for end := w.now + micros; w.now < end; {
		w.now += 10_000
		slices.SortStableFunc(w.flying, func(a, b message) int { return int(a.at - b.at) })
		for len(w.flying) > 0 && w.flying[0].at <= w.now {
			w.core.live(w.flying[0].subject, w.flying[0].payload, w.now)
			w.note(w.flying[0].payload, w.flying[0].subject)
			w.flying = w.flying[1:]
		}
		w.core.tick(w.now)
		for _, r := range w.core.takeRequests() {
			w.answers = append(w.answers, answer{r, w.now + int64(w.draw("answer takes", 50_000))})
		}
		var later []answer
		for _, a := range w.answers {
			if a.at > w.now {
				later = append(later, a)
				continue
			}
			w.answer(a.request)
		}
		w.answers = later
	}
}

func (w *world) note(payload []byte, subj string) {
	if w.delivered != nil && subj == subject.For(btc, market.ChannelBook) {
		w.delivered(payload)
	}
}

// answer does what the edge would: the stream first, then the publisher's own memory.
func (w *world) answer(r request) {
	w.asked++
	publisher := w.answers1in != 0 && w.asked%w.answers1in == 0
	if r.series == nil {
		if publisher {
			w.core.snapshot(r.inst, w.snapshot(), w.now)
		}
		w.core.snapshotDone(r.inst, publisher, w.now)
		return
	}
	for _, m := range w.recorded {
		if m.subject == r.subject {
			w.core.stored(m.subject, m.payload, m.at, w.now, false)
			w.note(m.payload, m.subject)
		}
	}
	if publisher {
		w.core.snapshot(r.inst, w.snapshot(), w.now)
	}
	w.core.fetched(r, outcome{hopeless: true}, w.now)
}

func (w *world) snapshot() [][]byte {
	batches := []*marketdatav1.TickBatch{w.definition()}
	if n := w.published[market.ChannelQuote]; n > 0 {
		batches = append(batches, w.quotes(n, 1))
	}
	if n := w.published[market.ChannelTrade]; n > 0 {
		k := min(n, historyOfPublisher)
		batches = append(batches, w.trades(n-k+1, int(k)))
	}
	if w.state != nil {
		if b := w.state(); b != nil {
			batches = append(batches, b)
		}
	}
	var out [][]byte
	for _, b := range batches {
		p, err := proto.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// Whatever the lines do, the last quote is the publisher's, trades come once each and in order, and every trade that
// is not there is reported; where the publisher did not restart, only those that the stream lost.
func TestLossIsNeverSilent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, now: storyStart, answers1in: 1, prices: map[market.Position]int64{}, missing: map[market.Position]bool{}}
		w.sink = newRecorder(t.Fatalf)
		w.core = newCore(w.sink, defaultLimits(), &w.counters, discard())
		w.restart()
		w.publish(false)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch {
			case w.chance("restart", 2):
				w.heartbeat(false) // its last word
				w.pass(1_000_000)
				w.restart()
			case w.chance("heartbeat", 10):
				w.heartbeat(true)
			default:
				w.publish(true)
			}
			w.pass(int64(w.draw("pause", 30_000)))
		}
		w.heartbeat(false)
		w.pass(5_000_000)
		w.check()
	})
}

func (w *world) check() {
	id, known := w.sink.ids[btc]
	if !known {
		w.t.Fatal("the instrument was never defined")
	}
	if n := w.published[market.ChannelQuote]; n > 0 {
		want := market.Position{Epoch: w.epoch, Sequence: n}
		if q := w.sink.quotes[id]; q.Position != want || q.Bid != price(w.epoch, n) {
			w.t.Fatalf("last quote %v, want that at %v", q, want)
		}
	}
	for _, tr := range w.sink.trades[id] {
		if want := w.prices[tr.Position]; tr.Price != want {
			w.t.Fatalf("trade %v has price %d, want %d", tr.Position, tr.Price, want)
		}
	}
	if n := w.published[market.ChannelTrade]; n > 0 {
		if next := w.sink.next[id]; next != (market.Position{Epoch: w.epoch, Sequence: n + 1}) {
			w.t.Fatalf("trades are accounted for up to %v, want %d:%d", next, w.epoch, n)
		}
	}
	if q := w.sink.quality[id]; q != market.QualityOK {
		w.t.Fatalf("quality %v in the end", q)
	}
	if w.restarts == 1 {
		for _, gap := range w.sink.gaps[id] {
			var e market.Epoch
			var from, to market.Sequence
			if _, err := fmt.Sscanf(gap, "%d:%d-%d", &e, &from, &to); err != nil {
				w.t.Fatal(err)
			}
			for seq := from; seq <= to; seq++ {
				if !w.missing[market.Position{Epoch: e, Sequence: seq}] {
					w.t.Fatalf("trade %d:%d was given up, but the stream has it", e, seq)
				}
			}
		}
	}
}
