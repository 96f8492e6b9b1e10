package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/internal/recording/recordingtest"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

var (
	spot    = recording.Instrument{Symbol: market.Symbol{Venue: "binance", Name: "BTCUSDT"}, Price: recording.Grid{Scale: 2}, Size: recording.Grid{Scale: 5}}
	futures = recording.Instrument{Symbol: market.Symbol{Venue: "binance-usdm", Name: "BTCUSDT"}, Price: recording.Grid{Scale: 1}, Size: recording.Grid{Scale: 3}}
)

// base is when recordings of these tests begin, in nanoseconds.
const base = 1_700_000_000_000_000_000

func quote(in recording.Instrument, at time.Duration, bid int64) recording.Event {
	q := market.Quote{Bid: bid, BidSize: 101, Ask: bid + 1, AskSize: 203, Has: market.HasBid | market.HasAsk}
	if in.Symbol.Venue == recording.VenueFutures {
		q.ExchangeTime = (base + int64(at)) / 1_000_000 * 1000
		q.Has |= market.HasExchangeTime
	}
	return recording.Event{Kind: recording.Quote, ReceiveTime: base + int64(at), Symbol: in.Symbol, Quote: q}
}

func trade(in recording.Instrument, at time.Duration, id uint64) recording.Event {
	return recording.Event{Kind: recording.Trade, ReceiveTime: base + int64(at), Symbol: in.Symbol, Trade: market.Trade{
		Price: 6183763, Size: 17, ID: id, ExchangeTime: 1_700_000_000_123_000, Aggressor: market.SideSell,
	}}
}

func depth(in recording.Instrument, at time.Duration, first, last, previous int64) recording.Event {
	return recording.Event{Kind: recording.Depth, ReceiveTime: base + int64(at), Symbol: in.Symbol, Book: recording.Book{
		First: first, Last: last, Previous: previous, HasPrevious: previous != 0, ExchangeTime: 1_700_000_000_000_000,
		Bids: []market.Level{{Price: last, Size: 1}},
	}}
}

func snapshot(in recording.Instrument, at time.Duration, last int64) recording.Event {
	return recording.Event{Kind: recording.Snapshot, ReceiveTime: base + int64(at), Symbol: in.Symbol, Book: recording.Book{
		Last: last, Asks: []market.Level{{Price: last, Size: 1}},
	}}
}

// file writes a recording; instruments are told by the events' venue.
func file(t testing.TB, events ...recording.Event) string {
	t.Helper()
	var text []byte
	for i := range events {
		in := spot
		if events[i].Symbol.Venue == recording.VenueFutures {
			in = futures
		}
		in.Symbol = events[i].Symbol
		text = recordingtest.Append(text, in, &events[i])
	}
	path := filepath.Join(t.TempDir(), "recording")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// notebook is an outlet that writes down what it gets and when, since its first page.
type notebook struct {
	start   time.Time
	lines   []string
	pending map[string][]string // by venue, until flush
	settled int
	fail    error // of quotes
}

func newNotebook() *notebook {
	return &notebook{start: time.Now(), pending: make(map[string][]string)}
}

func (n *notebook) note(format string, args ...any) {
	n.lines = append(n.lines, fmt.Sprintf("%v ", time.Since(n.start))+fmt.Sprintf(format, args...))
}

func (n *notebook) settle(ctx context.Context) error {
	n.settled++
	return ctx.Err()
}

func (n *notebook) open(venue string, epoch market.Epoch) (feed, error) {
	n.note("open %s", venue)
	if epoch == 0 {
		return nil, errors.New("epoch 0")
	}
	return &page{n, venue, epoch}, nil
}

type page struct {
	n     *notebook
	venue string
	epoch market.Epoch
}

func (p *page) define(in market.Instrument) (instrument, error) {
	p.n.note("define %s %d/%d", in.Symbol, in.PriceScale, in.SizeScale)
	return &column{p, in}, nil
}

func (p *page) Flush() error {
	for _, line := range p.n.pending[p.venue] {
		p.n.note("%s", line)
	}
	delete(p.n.pending, p.venue)
	return nil
}

func (p *page) Close() error {
	if len(p.n.pending[p.venue]) != 0 {
		return errors.New("closed with ticks unflushed")
	}
	p.n.note("close %s", p.venue)
	return nil
}

type column struct {
	p  *page
	in market.Instrument
}

func (c *column) tick(format string, args ...any) {
	c.p.n.pending[c.p.venue] = append(c.p.n.pending[c.p.venue], c.in.Symbol.String()+" "+fmt.Sprintf(format, args...))
}

func (c *column) Quote(q market.Quote) error {
	c.tick("quote %d %d", q.Bid, q.Ask)
	return c.p.n.fail
}

func (c *column) Trade(t market.Trade) error {
	c.tick("trade %d", t.ID)
	return nil
}

func (c *column) Book(b publish.Book) error {
	kind := "change"
	if b.Snapshot {
		kind = "image"
	}
	c.tick("%s of %d+%d", kind, len(b.Bids), len(b.Asks))
	return nil
}

func replay(ctx context.Context, t *testing.T, cfg Config) (*notebook, []Tally, error) {
	t.Helper()
	r, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := newNotebook()
	tallies, err := r.run(ctx, n)
	return n, tallies, err
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestOriginalPaceAcrossFiles(t *testing.T) {
	a := file(t, quote(spot, 0, 6183763), trade(spot, 2*time.Second, 5), quote(spot, 3*time.Second, 6183765))
	b := file(t, quote(futures, 500*time.Millisecond, 618001), quote(futures, 2*time.Second, 618003))
	for _, speed := range []float64{1, 10, 0.5} {
		synctest.Test(t, func(t *testing.T) {
			n, tallies, err := replay(t.Context(), t, Config{Files: []string{a, b}, Speed: speed})
			if err != nil {
				t.Fatal(err)
			}
			at := func(d time.Duration) time.Duration { return time.Duration(float64(d) / speed) }
			wantLines(t, n.lines,
				"0s open binance", "0s define binance:BTCUSDT 2/5", "0s open binance-usdm", "0s define binance-usdm:BTCUSDT 1/3",
				"0s binance:BTCUSDT quote 6183763 6183764",
				fmt.Sprint(at(500*time.Millisecond), " binance-usdm:BTCUSDT quote 618001 618002"),
				// Two of one moment, in the order of the files; they share a flush.
				fmt.Sprint(at(2*time.Second), " binance:BTCUSDT trade 5"),
				fmt.Sprint(at(2*time.Second), " binance-usdm:BTCUSDT quote 618003 618004"),
				fmt.Sprint(at(3*time.Second), " binance:BTCUSDT quote 6183765 6183766"),
				fmt.Sprint(at(3*time.Second), " close binance"),
				fmt.Sprint(at(3*time.Second), " close binance-usdm"),
			)
			want := []Tally{{Symbol: spot.Symbol, Quotes: 2, Trades: 1}, {Symbol: futures.Symbol, Quotes: 2}}
			if !slices.Equal(tallies, want) {
				t.Errorf("tallies %+v", tallies)
			}
		})
	}
}

func TestAsFastAsPossibleSettlesNowAndThen(t *testing.T) {
	var events []recording.Event
	for i := range 3 * settleEvery {
		events = append(events, quote(spot, time.Duration(i)*time.Minute, 6183763+int64(i)))
	}
	path := file(t, events...)
	synctest.Test(t, func(t *testing.T) {
		n, _, err := replay(t.Context(), t, Config{Files: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(n.start); took != 0 {
			t.Errorf("waited for %v", took)
		}
		if len(n.lines) != len(events)+3 {
			t.Errorf("%d lines for %d events", len(n.lines), len(events))
		}
		if n.settled != 5 { // behind the definitions, three times on the way, at the end
			t.Errorf("settled %d times", n.settled)
		}
	})
}

func TestEveryRoundOfALoopIsANewEpoch(t *testing.T) {
	path := file(t, snapshot(spot, 0, 5), quote(spot, 0, 6183763), depth(spot, time.Second, 6, 7, 0))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		n, tallies, err := replay(ctx, t, Config{Files: []string{path}, Speed: 1, Loop: true})
		if err != nil {
			t.Fatal(err)
		}
		wantLines(t, n.lines,
			"0s open binance", "0s define binance:BTCUSDT 2/5", "0s binance:BTCUSDT image of 0+1", "0s binance:BTCUSDT quote 6183763 6183764",
			"1s binance:BTCUSDT change of 1+0", "1s close binance",
			"1s open binance", "1s define binance:BTCUSDT 2/5", "1s binance:BTCUSDT image of 0+1", "1s binance:BTCUSDT quote 6183763 6183764",
			"2s binance:BTCUSDT change of 1+0", "2s close binance",
			"2s open binance", "2s define binance:BTCUSDT 2/5", "2s binance:BTCUSDT image of 0+1", "2s binance:BTCUSDT quote 6183763 6183764",
			"2.5s close binance",
		)
		if want := (Tally{Symbol: spot.Symbol, Quotes: 3, Books: 5}); tallies[0] != want {
			t.Errorf("tally %+v", tallies[0])
		}
	})
}

func TestEpochsGrowEvenIfNoTimeGoesBy(t *testing.T) {
	path := file(t, quote(spot, 0, 6183763))
	synctest.Test(t, func(t *testing.T) {
		r, err := Open(Config{Files: []string{path}, Loop: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		e := &epochs{notebook: newNotebook(), stopAt: 5, stop: cancel}
		if _, err := r.run(ctx, e); err != nil {
			t.Fatal(err)
		}
		if len(e.seen) != 5 || !slices.IsSorted(e.seen) || len(slices.Compact(slices.Clone(e.seen))) != 5 {
			t.Errorf("epochs %v", e.seen)
		}
	})
}

type epochs struct {
	*notebook
	seen   []market.Epoch
	stopAt int
	stop   func()
}

func (e *epochs) open(venue string, epoch market.Epoch) (feed, error) {
	e.seen = append(e.seen, epoch)
	if len(e.seen) == e.stopAt {
		e.stop()
	}
	return e.notebook.open(venue, epoch)
}

func TestStopsWhileWaiting(t *testing.T) {
	path := file(t, quote(spot, 0, 6183763), quote(spot, time.Hour, 6183764))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var out bytes.Buffer
		n, tallies, err := replay(ctx, t, Config{Files: []string{path}, Speed: 1, Progress: &out})
		if err != nil {
			t.Fatalf("a stop is no error: %v", err)
		}
		if took := time.Since(n.start); took != time.Minute {
			t.Errorf("ended after %v", took)
		}
		if last := n.lines[len(n.lines)-1]; last != "1m0s close binance" || tallies[0].Quotes != 1 {
			t.Errorf("ended with %q, %+v", last, tallies)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 13 || lines[0] != " 50%  2023-11-14 22:13:20.000 UTC  0 events/s  1 of 2" || !strings.HasSuffix(lines[12], "stopped") {
			t.Errorf("progress\n%s", out.String())
		}
	})
}

func TestFailureToPublishEndsTheReplay(t *testing.T) {
	path := file(t, quote(spot, 0, 6183763), quote(spot, time.Hour, 6183764))
	r, err := Open(Config{Files: []string{path}, Speed: 1})
	if err != nil {
		t.Fatal(err)
	}
	n := newNotebook()
	n.fail = errors.New("no room")
	if _, err := r.run(t.Context(), n); !errors.Is(err, n.fail) {
		t.Errorf("error %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	whole := file(t, quote(spot, 0, 6183763))
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("17000 {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cfg  Config
		want string
	}{
		"no files":       {Config{}, "no files to replay"},
		"negative speed": {Config{Files: []string{whole}, Speed: -1}, "speed -1: want 0 (as fast as possible) or a factor from 0.001"},
		"absent file":    {Config{Files: []string{whole, broken + "x"}}, "no such file"},
		"broken line":    {Config{Files: []string{whole, broken}}, broken + ":1: want"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDefinitions(t *testing.T) {
	other := spot
	other.Symbol.Name = "WXYZ"
	dated := futures
	dated.Symbol.Name = "BTCUSDT_240927"
	r, err := Open(Config{Files: []string{
		file(t, quote(spot, 0, 6183763)), file(t, quote(other, 0, 6183763)), file(t, quote(futures, 0, 6183763)), file(t, quote(dated, 0, 6183763)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []market.Instrument{
		{Symbol: spot.Symbol, PriceScale: 2, SizeScale: 5, PriceStep: 1, SizeStep: 1, Base: "BTC", Quote: "USDT", Description: "BTC/USDT, recorded", Asset: market.AssetSpot},
		{Symbol: other.Symbol, PriceScale: 2, SizeScale: 5, PriceStep: 1, SizeStep: 1, Description: "WXYZ, recorded", Asset: market.AssetSpot},
		{Symbol: futures.Symbol, Base: "BTC", Quote: "USDT", Description: "BTC/USDT, recorded", Asset: market.AssetPerpetual},
		{Symbol: dated.Symbol, Description: "BTCUSDT_240927, recorded", Asset: market.AssetFuture},
	}
	got := r.Instruments()
	for i := range got[2:] { // what the numbers of futures are like is told elsewhere
		in := &got[2+i]
		in.PriceScale, in.SizeScale, in.PriceStep, in.SizeStep = 0, 0, 0, 0
	}
	if !slices.Equal(got, want) {
		t.Errorf("instruments %+v", got)
	}
}

func TestProgressOnATerminalRewritesOneLine(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	p := &progress{out: &out, live: true, loop: true, events: 93_954}
	p.begin(now)
	p.show(now.Add(liveInterval / 2)) // too early
	for range 2000 {
		p.count(base)
	}
	p.show(now.Add(liveInterval))
	p.end(now.Add(2*liveInterval), "done")
	want := "\rround 1    2%  2023-11-14 22:13:20.000 UTC  10,000 events/s  2,000 of 93,954\x1b[K" +
		"\rround 1    2%  2023-11-14 22:13:20.000 UTC  0 events/s  2,000 of 93,954  done\x1b[K\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}
