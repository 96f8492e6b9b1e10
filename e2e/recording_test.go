package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// told is what a recording says, read in the plainest way: text stays text.
type told struct {
	quote  [4]string // bid, bid size, ask, ask size
	trades []toldTrade
}

type toldTrade struct {
	id                 uint64
	price, size        string
	buyerMade          bool
	exchangeTimeMillis int64
}

func readRecording(t *testing.T, path string) told {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	var all told
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		_, text, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		var row struct {
			Stream string
			Data   json.RawMessage
		}
		if err := json.Unmarshal(text, &row); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(row.Stream, "@bookTicker"):
			// encoding/json ignores case in names, so "b" and "B" must be read as a map.
			var q map[string]any
			if err := json.Unmarshal(row.Data, &q); err != nil {
				t.Fatal(err)
			}
			for i, k := range []string{"b", "B", "a", "A"} {
				all.quote[i] = q[k].(string)
			}
		case strings.HasSuffix(row.Stream, "@trade"):
			var tr map[string]json.RawMessage
			if err := json.Unmarshal(row.Data, &tr); err != nil {
				t.Fatal(err)
			}
			var one toldTrade
			for k, into := range map[string]any{"t": &one.id, "p": &one.price, "q": &one.size, "m": &one.buyerMade, "T": &one.exchangeTimeMillis} {
				if err := json.Unmarshal(tr[k], into); err != nil {
					t.Fatal(err)
				}
			}
			all.trades = append(all.trades, one)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// writeRecording makes a recording of the same form: a little market with bursts, seeded.
func writeRecording(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made_spot_btcusdt.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	random := rand.New(rand.NewPCG(1, 2))
	now, price, id := int64(1700000000123456789), int64(6183763), 3_700_000_000
	dec := func(v int64, scale uint8) string { return string(market.AppendDecimal(nil, v, scale)) }
	for i := range rows {
		if random.IntN(2) == 0 {
			now += random.Int64N(20_000_000)
		}
		price += random.Int64N(7) - 3
		if i%4 == 3 {
			id++
			fmt.Fprintf(z, `%d {"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"%s000000","q":"%s000","T":%d,"m":%v}}`+"\n",
				now, now/1e6, id, dec(price, 2), dec(1+random.Int64N(1e6), 5), now/1e6, random.IntN(2) == 0)
			continue
		}
		fmt.Fprintf(z, `%d {"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"%s000000","B":"%s000","a":"%s000000","A":"%s000"}}`+"\n",
			now, i, dec(price, 2), dec(1+random.Int64N(1e6), 5), dec(price+1, 2), dec(1+random.Int64N(1e6), 5))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReplayOfAMadeRecording(t *testing.T) {
	testReplay(t, writeRecording(t, 24_000), "binance:BTCUSDT", "8")
}

func TestReplayOfARealRecording(t *testing.T) {
	dir := os.Getenv("FEEDD_TICKS")
	if dir == "" {
		t.Skip("FEEDD_TICKS does not name a directory of recorded ticks; the made recording covers the same code")
	}
	for _, c := range []struct{ file, symbol string }{
		{"binance_spot_btcusdt_20240808.gz", "binance:BTCUSDT"},
		{"binance_usdm_btcusdt_20240808.gz", "binance-usdm:BTCUSDT"},
	} {
		t.Run(c.file, func(t *testing.T) { testReplay(t, filepath.Join(dir, c.file), c.symbol, "20") })
	}
}

// watcher is a client at one cadence and what it was told of trades.
type watcher struct {
	*client.Client
	name string

	mu     sync.Mutex
	events []client.TradeEvent
}

func (w *watcher) update(u client.Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, u.Trades...)
}

// testReplay replays a file to clients at every cadence, of both subprotocols, and to one that sleeps through
// most of it, for longer than the log of trades goes back: all end with the file's last quote and with its trades, each once and in order, or named
// as lost.
func testReplay(t *testing.T, path, symbol, speed string) {
	want := readRecording(t, path)
	server := serve(t, "--sim", "off")
	nats := server.line("nats")

	// A first replay, cut short, makes the instrument known. The second is a new epoch.
	first := command(t, "replay", "--nats-url", nats, "--speed", "1", path)
	probe := dial(t, server.websocket(), client.Options{})
	subscribeOnceKnown(t, probe, symbol)
	first.interrupt()

	var watchers []*watcher
	add := func(name string, cadence throttle.Cadence, o client.Options) *watcher {
		w := &watcher{name: name}
		o.OnUpdate = w.update
		w.Client = dial(t, server.websocket(), o)
		if _, err := w.Subscribe(deadline(t), &feedv1.Subscribe{
			Symbols: []string{symbol}, Channels: []string{"quote", "trade"}, History: proto.Uint32(0),
			CadenceMs: proto.Uint32(uint32(cadence.Interval().Milliseconds())),
		}); err != nil {
			t.Fatal(err)
		}
		watchers = append(watchers, w)
		return w
	}
	for c := range throttle.Cadences {
		add(c.String(), c, client.Options{Deflate: c%2 == 0})
	}
	add("text", throttle.Every100ms, client.Options{JSON: true, Deflate: true})
	sleeper := add("sleeper", throttle.Every50ms, client.Options{ReceiveBuffer: 4096})

	replay := command(t, "replay", "--nats-url", nats, "--speed", speed, path)
	total := market.Sequence(len(want.trades))
	epoch := func(m *client.Model) market.Epoch {
		p, _ := m.TradePosition(symbol)
		return p.Epoch
	}
	old := market.Epoch(0)
	sleeper.View(func(m *client.Model) { old = epoch(m) })
	at := func(seq market.Sequence) func(*client.Model) bool {
		return func(m *client.Model) bool {
			p, _ := m.TradePosition(symbol)
			return p.Epoch > old && p.Sequence >= seq
		}
	}
	await(t, "the first trades", sleeper.Client, at(total/10))
	sleeper.Stall()
	await(t, "most trades", watchers[0].Client, at(total*8/10))
	sleeper.Resume()
	if code := replay.wait(); code != 0 {
		t.Fatalf("replay ends with %d: %s", code, replay.stderr.String())
	}
	for _, w := range watchers {
		await(t, w.name+" to end", w.Client, at(total))
		await(t, w.name+"'s last quote", w.Client, func(m *client.Model) bool {
			q, _ := m.Quote(symbol)
			in, _ := m.Instrument(symbol)
			return quoteText(q, in) == trimmed(want.quote)
		})
		lost := checkTrades(t, w, symbol, want.trades, old)
		if (lost != 0) != (w == sleeper) {
			t.Errorf("%s lost %d trades", w.name, lost)
		}
	}
	if n := server.metric(`feedd_dropped_total{reason="missed_ticks"}`); n != "0" {
		t.Errorf("%s ticks were missed on the way in", n)
	}
}

// checkTrades holds what w was told of the epoch behind old against the file, and returns how many trades it
// was told it lost.
func checkTrades(t *testing.T, w *watcher, symbol string, want []toldTrade, old market.Epoch) (lost uint64) {
	t.Helper()
	var in market.Instrument
	w.View(func(m *client.Model) { in, _ = m.Instrument(symbol) })
	next := market.Sequence(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		switch {
		case e.Kind == client.Gap:
			t.Fatalf("%s: a gap %d to %d that never was", w.name, e.From, e.To)
		case e.Kind == client.Lost && e.Epoch > old:
			if e.From != next {
				t.Fatalf("%s: lost from %d, want %d", w.name, e.From, next)
			}
			lost += uint64(e.To-e.From) + 1
			next = e.To + 1
		case e.Kind == client.Traded && e.Trade.Position.Epoch > old:
			tr := e.Trade
			if tr.Position.Sequence != next {
				t.Fatalf("%s: trade %d, want %d", w.name, tr.Position.Sequence, next)
			}
			got := toldTrade{
				id: tr.ID, price: plain(tr.Price, in.PriceScale), size: plain(tr.Size, in.SizeScale),
				buyerMade: tr.Aggressor == market.SideSell, exchangeTimeMillis: tr.ExchangeTime / 1000,
			}
			exp := want[next-1]
			exp.price, exp.size = trim(exp.price), trim(exp.size)
			if got != exp {
				t.Fatalf("%s: trade %d is %+v, want %+v", w.name, next, got, exp)
			}
			next++
		}
	}
	if next != market.Sequence(len(want))+1 {
		t.Fatalf("%s: %d trades of %d", w.name, next-1, len(want))
	}
	return lost
}

func trim(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func trimmed(texts [4]string) string {
	for i := range texts {
		texts[i] = trim(texts[i])
	}
	return strings.Join(texts[:], " ")
}

func plain(v int64, scale uint8) string { return trim(string(market.AppendDecimal(nil, v, scale))) }

func quoteText(q market.Quote, in market.Instrument) string {
	return trimmed([4]string{
		string(market.AppendDecimal(nil, q.Bid, in.PriceScale)), string(market.AppendDecimal(nil, q.BidSize, in.SizeScale)),
		string(market.AppendDecimal(nil, q.Ask, in.PriceScale)), string(market.AppendDecimal(nil, q.AskSize, in.SizeScale)),
	})
}
