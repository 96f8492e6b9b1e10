package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/publish"
)

const faulty = "faulty:X"

// author publishes trades and a book at random and knows what both must come to.
type author struct {
	t      *testing.T
	nc     *nats.Conn
	epoch  market.Epoch
	random *rand.Rand
	lines  []*publish.Instrument
	pubs   []*publish.Publisher

	bids, asks map[int64]int64
	trades     []market.Trade // of this epoch
}

// newAuthor publishes on one or several lines of one feed, each with a server of its own.
func newAuthor(t *testing.T, epoch market.Epoch, random *rand.Rand, urls ...string) *author {
	t.Helper()
	a := &author{t: t, epoch: epoch, random: random, bids: map[int64]int64{}, asks: map[int64]int64{}}
	for i, url := range urls {
		nc, err := nats.Connect(url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		a.nc = nc
		p, err := publish.New(nc, publish.Options{
			Venue: "faulty", Epoch: epoch, Line: string(rune('A' + i)), HeartbeatInterval: 100 * time.Millisecond, TradeHistory: 32,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		in, err := p.Define(market.Instrument{Symbol: market.Symbol{Venue: "faulty", Name: "X"}, PriceScale: 2})
		if err != nil {
			t.Fatal(err)
		}
		a.lines, a.pubs = append(a.lines, in), append(a.pubs, p)
	}
	return a
}

func (a *author) each(publish func(in *publish.Instrument) error) {
	a.t.Helper()
	for _, in := range a.lines {
		if err := publish(in); err != nil {
			a.t.Fatal(err)
		}
	}
}

// image publishes a new book.
func (a *author) image() {
	a.t.Helper()
	b := publish.Book{Snapshot: true}
	clear(a.bids)
	clear(a.asks)
	for d := range int64(50) {
		a.bids[1000-d], a.asks[1001+d] = 1+a.random.Int64N(100), 1+a.random.Int64N(100)
		b.Bids = append(b.Bids, publish.Level{Price: 1000 - d, Size: a.bids[1000-d]})
		b.Asks = append(b.Asks, publish.Level{Price: 1001 + d, Size: a.asks[1001+d]})
	}
	a.each(func(in *publish.Instrument) error { return in.Book(b) })
}

// change publishes a change of the book.
func (a *author) change() {
	a.t.Helper()
	var b publish.Book
	for range 1 + a.random.IntN(4) {
		l := publish.Level{Price: 1001 + a.random.Int64N(80), Size: max(0, a.random.Int64N(100)-30)}
		side, list := a.asks, &b.Asks
		if a.random.IntN(2) == 0 {
			l.Price = 2001 - l.Price
			side, list = a.bids, &b.Bids
		}
		if side[l.Price] = l.Size; l.Size == 0 {
			delete(side, l.Price)
		}
		*list = append(*list, l)
	}
	a.each(func(in *publish.Instrument) error { return in.Book(b) })
}

func (a *author) trade() {
	a.t.Helper()
	tr := market.Trade{Price: 900 + a.random.Int64N(200), Size: 1 + a.random.Int64N(9), ID: a.random.Uint64() >> 1, Aggressor: market.SideBuy}
	a.trades = append(a.trades, tr)
	a.each(func(in *publish.Instrument) error { return in.Trade(tr) })
}

// seen reports whether a client knows all there is and nothing is held against it.
func (a *author) seen(m *client.Model) bool {
	for _, view := range []market.View{{}, {Depth: 5}, {Depth: 10, Group: 10}} {
		b, ok := m.Book(faulty, view)
		if !ok || fingerprint(b.Bids(), b.Asks()) != fingerprint(sideView(a.bids, false, view), sideView(a.asks, true, view)) {
			return false
		}
	}
	st, _ := m.Status(faulty)
	at, _ := m.TradePosition(faulty)
	return st.Quality == market.QualityOK && at == market.Position{Epoch: a.epoch, Sequence: market.Sequence(len(a.trades))}
}

// followFaulty connects a client that watches all of it.
func followFaulty(t *testing.T, server *process) *watcher {
	t.Helper()
	w := &watcher{name: "client"}
	w.Client = dial(t, server.WebSocket(), client.Options{OnUpdate: w.update})
	subscribeOnceKnown(t, w.Client, faulty)
	for _, s := range []*feedv1.Subscribe{{}, {Depth: 5}, {Depth: 10, PriceGroup: 10}} {
		s.Symbols, s.Channels, s.CadenceMs = []string{faulty}, []string{"book"}, proto.Uint32(0)
		if _, err := w.Subscribe(deadline(t), s); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// syncing returns how often the client was told that the book is being rebuilt.
func (w *watcher) syncing() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.statuses {
		if s.Status.Quality == market.QualitySyncing && strings.HasPrefix(s.Status.Reason, "book: ") {
			n++
		}
	}
	return n
}

// gapped returns how many trades the client was told are missing, by epoch and number.
func (w *watcher) gapped() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == client.Gap {
			n += int(e.To-e.From) + 1
		}
	}
	return n
}

// A fault is what happens to the next dozen of trades and changes of a book, one after the other.
type fault struct {
	name          string
	trades, books string // scripts of the relay
	deaf          int    // requests for a snapshot that get no answer
	garbage       int    // malformed messages among them
	restart       bool   // the publisher begins anew ahead of them
}

var faults = []fault{
	{name: "none"},
	{name: "changes dropped", books: "..dd"},
	{name: "the last change dropped", books: strings.Repeat(".", ticksAFault-1) + "d"},
	{name: "trades dropped", trades: ".ddd"},
	{name: "both dropped", trades: "d", books: "....d"},
	{name: "doubles", trades: "2.22", books: ".2.2"},
	{name: "reordered", trades: "h.h", books: ".h.h"},
	{name: "all at once", trades: "2hd", books: "h2.d"},
	{name: "an image dropped", books: "d", restart: true},
	{name: "answers lost", books: "..d", deaf: 2},
	{name: "malformed", garbage: 3},
	{name: "restart", restart: true},
}

const ticksAFault = 12

// Whatever happens on the way from a publisher, feedd notices, says so, mends it, and counts it.
func TestFaults(t *testing.T) {
	t.Parallel()
	server := serve(t, "--sim", "off")
	url := server.Line("nats")
	relay, origin := newRelay(t, url)
	random := rand.New(rand.NewPCG(11, 7))
	epoch := market.Epoch(1000)
	a := newAuthor(t, epoch, random, origin)
	a.image()
	a.trade()
	w := followFaulty(t, server)
	await(t, "the first book", w.Client, a.seen)

	var doubles, missed, resyncs, garbage, deaf, told int
	rounds := append([]fault(nil), faults...)
	for range 5 {
		rounds = append(rounds, faults[random.IntN(len(faults))])
	}
	for i, f := range rounds {
		name := fmt.Sprintf("round %d: %s", i, f.name)
		before := w.syncing()
		relay.script("trade", f.trades)
		relay.script("book", f.books)
		relay.ignore(f.deaf)
		if f.restart {
			if err := a.pubs[0].Close(); err != nil {
				t.Fatal(err)
			}
			epoch++
			a = newAuthor(t, epoch, random, origin)
			a.image()
		}
		for n := range ticksAFault {
			if n < f.garbage {
				for _, channel := range []string{"trade", "book"} {
					if err := relay.to.Publish("md.faulty.X."+channel, []byte("\xff garbage")); err != nil {
						t.Fatal(err)
					}
				}
			}
			a.trade()
			a.change()
		}
		await(t, name, w.Client, a.seen)
		doubles += strings.Count(f.trades+f.books, "2")
		missed += strings.Count(f.books, "d") // the publisher remembers trades, and of a book only how it is
		garbage += 2 * f.garbage
		deaf += f.deaf
		if strings.Contains(f.books, "d") {
			if !f.restart {
				resyncs++
			}
			told += w.syncing() - before
		}
		server.Eventually("book_resync", resyncs)
		server.Eventually("malformed_protobuf", garbage)
	}
	// A book that is whole again before the next cut has never been seen without the rest, so nobody hears of that one.
	if told == 0 {
		t.Error("nobody was told of any book that was rebuilt")
	}
	server.Eventually("duplicate", doubles)
	server.Eventually("missed_ticks", missed)
	if n := w.gapped(); n != 0 {
		t.Errorf("%d trades are told missing that the publisher had", n)
	}
	if relay.unheard != deaf {
		t.Errorf("%d requests for a snapshot were lost, want %d: nothing was asked again", relay.unheard, deaf)
	}
	for _, reason := range []string{"crossed_book", "stale_epoch", "undefined", "bad_value", "slow_ingest"} {
		if n := server.Dropped(reason); n != 0 {
			t.Errorf("%s counted %d times", reason, n)
		}
	}
}

// Trades that nobody remembers are named to clients, each once.
func TestTradesThatNobodyHas(t *testing.T) {
	t.Parallel()
	server := serve(t, "--sim", "off")
	relay, origin := newRelay(t, server.Line("nats"))
	a := newAuthor(t, 1000, rand.New(rand.NewPCG(3, 4)), origin)
	a.image()
	a.trade()
	w := followFaulty(t, server)
	await(t, "the first book", w.Client, a.seen)
	relay.script("trade", ".ddd......d")
	for range 60 { // more than the publisher remembers
		a.trade()
	}
	await(t, "the last trade", w.Client, a.seen)
	if n := w.gapped(); n != 4 {
		t.Errorf("%d trades are told missing, want 4", n)
	}
	server.Eventually("missed_ticks", 4)
}

// Two lines that lose different ticks make one feed that loses none.
func TestTwoLines(t *testing.T) {
	t.Parallel()
	server := serve(t, "--sim", "off")
	random := rand.New(rand.NewPCG(5, 6))
	lineA, originA := newRelay(t, server.Line("nats"))
	lineB, originB := newRelay(t, server.Line("nats"))
	a := newAuthor(t, 1000, random, originA, originB)
	a.image()
	a.trade()
	w := followFaulty(t, server)
	await(t, "the first book", w.Client, a.seen)
	channels := []string{"trade", "book", "definition"}
	lineA.hasPassed(3, channels...)
	lineB.hasPassed(3, channels...)
	const ticks = 300
	kept := 2 * 2 * ticks // of both lines and channels
	for _, channel := range []string{"trade", "book"} {
		var scripts [2]strings.Builder
		for range ticks {
			lost := random.IntN(5)
			for line := range scripts {
				if lost == line {
					scripts[line].WriteByte('d')
					kept--
				} else {
					scripts[line].WriteByte('.')
				}
			}
		}
		lineA.script(channel, scripts[0].String())
		lineB.script(channel, scripts[1].String())
	}
	for range ticks {
		a.trade()
		a.change()
	}
	await(t, "all of it", w.Client, a.seen)
	// The second definition, trade and book, and what both lines had. What was fetched because it came late is one more.
	server.AtLeast("duplicate", 3+kept-2*ticks)
	for _, reason := range []string{"missed_ticks", "book_resync", "stale_epoch"} {
		if n := server.Dropped(reason); n != 0 {
			t.Errorf("%s counted %d times", reason, n)
		}
	}
	if n := w.gapped(); n != 0 {
		t.Errorf("%d trades are told missing that the other line had", n)
	}
}
