package e2e

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
	"github.com/feedd/feedd/replay"
	"github.com/feedd/feedd/throttle"
)

func TestReplayOfAMadeRecording(t *testing.T) {
	t.Parallel()
	path := writeRecording(t, 24_000)
	var all []throttle.Cadence
	for c := range throttle.Cadences {
		all = append(all, c)
	}
	testReplay(t, "10", all, []string{path}, readRecording(t, "binance:BTCUSDT", path))
}

// All recordings at once. The second day of one continues the first, book and all.
func TestReplayOfRealRecordings(t *testing.T) {
	dir := os.Getenv("FEEDD_TICKS")
	if dir == "" {
		t.Skip("FEEDD_TICKS does not name a directory of recorded ticks; the made recording covers the same code")
	}
	var files []string
	var want []told
	for _, c := range []struct {
		symbol string
		files  []string
	}{
		{"binance:BTCUSDT", []string{"binance_spot_btcusdt_20240808.gz", "binance_spot_btcusdt_20240809.gz"}},
		{"binance:ETHUSDT", []string{"binance_spot_ethusdt_20240808.gz"}},
		{"binance-usdm:BTCUSDT", []string{"binance_usdm_btcusdt_20240808.gz"}},
	} {
		var paths []string
		for _, name := range c.files {
			paths = append(paths, filepath.Join(dir, name))
		}
		files = append(files, paths...)
		want = append(want, readRecording(t, c.symbol, paths...))
	}
	testReplay(t, "24", []throttle.Cadence{throttle.Immediate, throttle.Every100ms, throttle.Every1s, throttle.Every5s}, files, want...)
}

// barLengths are the intervals that everybody watches here.
var barLengths = []int64{1, 60, 300}

// testReplay replays files to clients at every cadence, of both subprotocols, and to one that sleeps for ten seconds,
// which is longer than the log of trades goes back. All see the last quotes that the files mean and their trades, each once
// and in order, or named as lost; those at some cadences the books, bars and statistics as well.
func testReplay(t *testing.T, speed string, cadences []throttle.Cadence, files []string, want ...told) {
	server := serve(t, "--sim", "off")
	instruments := announce(t, server.Line("nats"), files)
	var symbols []string
	for i := range want {
		symbols = append(symbols, want[i].symbol)
	}
	probe := dial(t, server.WebSocket(), client.Options{})
	subscribeOnceKnown(t, probe, symbols...)

	watchers := watchAll(t, server.WebSocket(), cadences, symbols)
	sleeper := watchers[len(watchers)-1]
	args := append([]string{"replay", "--nats-url", server.Line("nats"), "--present", "--speed", speed}, files...)
	player := command(t, args...)
	await(t, "the first trades", sleeper.Client, func(m *client.Model) bool {
		latest, _ := m.LastTrade(want[0].symbol)
		return int(latest.Position.Sequence) >= len(want[0].trades)/20
	})
	sleeper.Stall()
	server.pass(10*time.Second, want[0].symbol)
	sleeper.Resume()
	if code := player.Wait(); code != 0 {
		t.Fatalf("replay ends with %d: %s", code, player.Stderr())
	}
	for i := range want {
		lost := checkReplay(t, watchers, &want[i], instruments[want[i].symbol])
		if i == 0 && lost == 0 {
			t.Error("the sleeper lost nothing: it did not sleep for long enough")
		}
	}
	checkNothingDropped(t, server)
}

// pass waits until the server has had so much of trades. Clients would not do as clocks: on a busy machine one may lag, and a
// connection that takes nothing for 20 seconds is ended.
func (p *process) pass(long time.Duration, symbol string) {
	p.t.Helper()
	first := p.lastTrade(symbol)
	for ctx := deadline(p.t); p.lastTrade(symbol).Sub(first) < long; {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			p.t.Fatalf("trades of %s end before %v are over", symbol, long)
		}
	}
}

// lastTrade returns when the last trade reached the server.
func (p *process) lastTrade(symbol string) time.Time {
	p.t.Helper()
	var frame struct {
		TradeTexts []struct{ IngestTime time.Time }
	}
	p.GetJSON("/v1/snapshot?channels=trade&history=1&symbols="+url.QueryEscape(symbol), &frame)
	if len(frame.TradeTexts) != 1 {
		p.t.Fatalf("%d trades of %s in a snapshot, want one", len(frame.TradeTexts), symbol)
	}
	return frame.TradeTexts[0].IngestTime
}

// announce publishes the definitions of all instruments in files, and nothing else, so that clients can subscribe to
// them ahead of the first tick.
func announce(t *testing.T, url string, files []string) map[string]market.Instrument {
	t.Helper()
	r, err := replay.Open(replay.Config{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	known := map[string]market.Instrument{}
	venues := map[string]*publish.Publisher{}
	for _, in := range r.Instruments() {
		p := venues[in.Symbol.Venue]
		if p == nil {
			if p, err = publish.New(nc, publish.Options{Venue: in.Symbol.Venue, Epoch: 1}); err != nil {
				t.Fatal(err)
			}
			venues[in.Symbol.Venue] = p
		}
		if _, err := p.Define(in); err != nil {
			t.Fatal(err)
		}
		known[in.Symbol.String()] = in
	}
	for _, p := range venues {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return known
}

// checkReplay holds what watchers were told of one instrument against the files, and returns how many trades the sleeper,
// who is the last, lost.
func checkReplay(t *testing.T, watchers []*watcher, want *told, in market.Instrument) (lost uint64) {
	t.Helper()
	for _, w := range watchers {
		await(t, w.name+" to end", w.Client, func(m *client.Model) bool {
			p, _ := m.TradePosition(want.symbol)
			return int(p.Sequence) >= len(want.trades)
		})
		if lost = checkTrades(t, w, want, in); lost != 0 && w.name != sleeping {
			t.Errorf("%s lost %d trades of %s", w.name, lost, want.symbol)
		}
	}
	shift := shiftOf(t, watchers[0], want)
	final := checkBookPoints(t, watchers, want, in)
	end := &ending{want: want, in: in, shift: shift, bars: map[int64][]plainBar{}, day: want.window(t, in, shift, 0)}
	for _, seconds := range barLengths {
		end.bars[seconds] = want.bars(t, in, seconds, shift, 0)
	}
	for _, w := range watchers {
		complaint, sum := "", final.print(w.view)
		err := w.Await(deadline(t), func(m *client.Model) bool {
			complaint = w.differs(t, m, end, sum)
			return complaint == ""
		})
		if err != nil {
			t.Errorf("%s: %s: %s (%v)", want.symbol, w.name, complaint, err)
		}
		w.mu.Lock()
		for _, s := range w.statuses {
			if s.Status.Quality > market.QualityOK {
				t.Errorf("%s: %s is %v for no reason: %q", w.name, s.Symbol, s.Status.Quality, s.Status.Reason)
			}
		}
		w.mu.Unlock()
	}
	return lost
}

// shiftOf returns by how many milliseconds the replay moved the exchange's times.
func shiftOf(t *testing.T, w *watcher, want *told) int64 {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Symbol == want.symbol && e.Kind == client.Traded {
			return e.Trade.ExchangeTime/1000 - want.trades[e.Trade.Position.Sequence-1].exchangeTimeMillis
		}
	}
	t.Fatalf("%s: no trades of %s", w.name, want.symbol)
	return 0
}

// ending is what everybody must know of an instrument in the end.
type ending struct {
	want  *told
	in    market.Instrument
	shift int64
	bars  map[int64][]plainBar
	day   client.Window
}

// differs compares all that has an end with what it must be, and returns the first difference.
func (w *watcher) differs(t *testing.T, m *client.Model, end *ending, sum uint64) string {
	symbol := end.want.symbol
	if q, _ := m.Quote(symbol); quoteText(q, end.in) != trimmed(end.want.quote) {
		return fmt.Sprintf("quote %s, want %s", quoteText(q, end.in), trimmed(end.want.quote))
	}
	if w.light {
		return ""
	}
	b, _ := m.Book(symbol, w.view)
	if fingerprint(b.Bids(), b.Asks()) != sum {
		return fmt.Sprintf("the book %+v of %d bids and %d asks is not that of the file", w.view, len(b.Bids()), len(b.Asks()))
	}
	for seconds, list := range end.bars {
		if text := w.barsDiffer(m.Bars(symbol, uint32(seconds)), list, symbol, seconds); text != "" {
			return text
		}
	}
	return cmp.Or(w.statsDiffer(t, m, end), w.sumsDiffer(m, end))
}

func (w *watcher) barsDiffer(got []client.Bar, want []plainBar, symbol string, seconds int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := func(start int64) bool {
		return w.name == sleeping && slices.ContainsFunc(w.lostBars, func(l client.LostBars) bool {
			return l.Symbol == symbol && int64(l.Seconds) == seconds && uint64(start/seconds) >= l.From && uint64(start/seconds) <= l.To
		})
	}
	have := map[int64]client.Bar{}
	for _, b := range got {
		have[b.Start] = b
	}
	for _, b := range want {
		g := have[b.start]
		exp := client.Bar{
			Start: b.start, Open: b.open, High: b.high, Low: b.low, Close: b.last, VWAP: b.turnover.Over(b.volume), Volume: b.volume, Trades: b.trades,
			Closed: g.Closed, IngestTime: g.IngestTime, ExchangeTime: g.ExchangeTime,
		}
		if g != exp && !lost(b.start) {
			return fmt.Sprintf("bar of %d s\n got %+v\nwant %+v", seconds, g, exp)
		}
		delete(have, b.start)
	}
	if len(have) != 0 {
		return fmt.Sprintf("bars of %d s that never were: %+v", seconds, have)
	}
	return ""
}

func (w *watcher) statsDiffer(t *testing.T, m *client.Model, end *ending) string {
	const day = 24 * 60 * 60
	got, _ := m.Stats(end.want.symbol)
	switch last := scaled(t, end.want.trades[len(end.want.trades)-1].price, end.in.PriceScale); {
	case got.Last != last:
		return fmt.Sprintf("last %d, want %d", got.Last, last)
	case got.Day != end.day:
		return fmt.Sprintf("statistics of 24 hours\n got %+v\nwant %+v", got.Day, end.day)
	case got.SessionStart%day != 0 || got.SessionStart > time.Now().Unix():
		return fmt.Sprintf("a session that begins at %v", time.Unix(got.SessionStart, 0).UTC())
	}
	// Midnight may lie in the recording.
	if want := end.want.window(t, end.in, end.shift, got.SessionStart); got.Session != want {
		return fmt.Sprintf("statistics of the session\n got %+v\nwant %+v", got.Session, want)
	}
	return ""
}

// window sums the trades from since on up.
func (all *told) window(t *testing.T, in market.Instrument, shift, since int64) client.Window {
	t.Helper()
	sum := plainBar{}
	if list := all.bars(t, in, 1<<40, shift, since); len(list) > 0 {
		sum = list[0]
	}
	return client.Window{
		Open: sum.open, High: sum.high, Low: sum.low, VWAP: sum.turnover.Over(sum.volume), Volume: sum.volume, Trades: sum.trades,
		Turnover: trim(string(sum.turnover.AppendText(nil, in.PriceScale+in.SizeScale))),
	}
}

// sumsDiffer holds the sum of all summaries against that of all trades.
func (w *watcher) sumsDiffer(m *client.Model, end *ending) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	missing := int64(0)
	for _, e := range w.gaps {
		if e.Symbol == end.want.symbol {
			missing += int64(e.To-e.From) + 1
		}
	}
	got, _ := m.Summed(end.want.symbol)
	switch {
	case missing != 0 && w.name != sleeping:
		return fmt.Sprintf("summaries without %d trades", missing)
	case int64(got.Trades)+missing != end.day.Trades || missing == 0 && got.Volume != end.day.Volume:
		return fmt.Sprintf("summaries of %d trades and a volume of %d, without %d, want %d and %d", got.Trades, got.Volume, missing, end.day.Trades, end.day.Volume)
	}
	return ""
}

// checkBookPoints holds every view of a book that a watcher saw at a known number against the file, and returns the book
// behind it.
func checkBookPoints(t *testing.T, watchers []*watcher, want *told, in market.Instrument) *plainBook {
	t.Helper()
	seen := map[market.Sequence]map[market.View]uint64{}
	points := 0
	for _, w := range watchers {
		w.mu.Lock()
		for p, sum := range w.prints {
			if p.symbol != want.symbol {
				continue
			}
			if seen[p.sequence] == nil {
				seen[p.sequence] = map[market.View]uint64{}
			}
			if other, twice := seen[p.sequence][p.view]; twice && other != sum {
				t.Errorf("%s: two clients see %+v differently at %d", want.symbol, p.view, p.sequence)
			}
			seen[p.sequence][p.view] = sum
			points++
		}
		w.mu.Unlock()
	}
	book := &plainBook{}
	for i := range want.steps {
		book.step(t, &want.steps[i], in)
		for view, sum := range seen[market.Sequence(i+1)] {
			if book.print(view) != sum {
				t.Errorf("%s: %+v at %d is not that of the file", want.symbol, view, i+1)
			}
		}
		delete(seen, market.Sequence(i+1))
	}
	if len(seen) != 0 || points < len(watchers) {
		t.Errorf("%s: %d points of books were seen, %d of them at numbers that never were", want.symbol, points, len(seen))
	}
	return book
}

// checkTrades holds what w was told of trades against the file, and returns how many it was told it lost.
func checkTrades(t *testing.T, w *watcher, want *told, in market.Instrument) (lost uint64) {
	t.Helper()
	next, shift := market.Sequence(1), shiftOf(t, w, want)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		switch {
		case e.Symbol != want.symbol:
		case e.Kind == client.Gap || e.Kind == client.Recovered:
			t.Fatalf("%s: a gap %d to %d that never was", w.name, e.From, e.To)
		case e.Kind == client.Lost:
			if e.From != next {
				t.Fatalf("%s: lost from %d, want %d", w.name, e.From, next)
			}
			lost += uint64(e.To-e.From) + 1
			next = e.To + 1
		default:
			tr := e.Trade
			if tr.Position.Sequence != next {
				t.Fatalf("%s: trade %d, want %d", w.name, tr.Position.Sequence, next)
			}
			got := toldTrade{
				id: tr.ID, price: plain(tr.Price, in.PriceScale), size: plain(tr.Size, in.SizeScale),
				buyerMade: tr.Aggressor == market.SideSell, exchangeTimeMillis: tr.ExchangeTime/1000 - shift,
			}
			exp := want.trades[next-1]
			exp.price, exp.size = trim(exp.price), trim(exp.size)
			if got != exp {
				t.Fatalf("%s: trade %d is %+v, want %+v", w.name, next, got, exp)
			}
			next++
		}
	}
	if next != market.Sequence(len(want.trades))+1 {
		t.Fatalf("%s: %d trades of %d", w.name, next-1, len(want.trades))
	}
	return lost
}

// checkNothingDropped holds that ingest found nothing wrong with a recording.
func checkNothingDropped(t *testing.T, server *process) {
	t.Helper()
	for _, reason := range []string{
		"missed_ticks", "book_resync", "crossed_book", "trimmed_levels", "late_trade", "duplicate", "stale_epoch", "undefined", "scale_loss",
		"bad_value", "malformed_protobuf", "slow_ingest",
	} {
		if n := server.Dropped(reason); n != 0 {
			t.Errorf("%s counted %d times", reason, n)
		}
	}
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
