package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/natsserver/natstest"
	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// heard is what a subscriber got of one instrument.
type heard struct {
	definition *marketdatav1.Definition
	trades     []string
	quote      string
	quotes     int
	bids, asks map[int64]int64
	next       map[string]uint64 // sequence by channel
}

// hear replays files to a real NATS server at once, as a subscriber that was there before gets it.
func hear(t *testing.T, files ...string) (map[string]*heard, []Tally) {
	t.Helper()
	server, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	connect := func() *nats.Conn {
		nc, err := nats.Connect(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	listener, publisher := connect(), connect()
	defer listener.Close()
	defer publisher.Close()
	messages := make(chan *nats.Msg, 1<<20)
	if _, err := listener.ChanSubscribe("md.>", messages); err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(Config{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	tallies, err := r.Run(t.Context(), publisher)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*heard)
	closing := len(slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, in := range r.Instruments() {
			if !yield(in.Symbol.Venue) {
				return
			}
		}
	})))
	for closing > 0 {
		m := <-messages
		if strings.HasSuffix(m.Subject, ".heartbeat") {
			var beat marketdatav1.Heartbeat
			unmarshal(t, m, &beat)
			if beat.Closing {
				closing--
			}
			continue
		}
		hearTicks(t, all, m)
	}
	return all, tallies
}

func unmarshal(t *testing.T, m *nats.Msg, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(m.Data, into); err != nil {
		t.Fatalf("%s: %v", m.Subject, err)
	}
}

func hearTicks(t *testing.T, all map[string]*heard, m *nats.Msg) {
	t.Helper()
	tokens := strings.Split(m.Subject, ".")
	symbol, channel := tokens[1]+":"+tokens[2], tokens[3]
	var batch marketdatav1.TickBatch
	unmarshal(t, m, &batch)
	h := all[symbol]
	if h == nil {
		if channel != "definition" {
			t.Fatalf("%s ahead of its definition", m.Subject)
		}
		h = &heard{bids: make(map[int64]int64), asks: make(map[int64]int64), next: make(map[string]uint64)}
		all[symbol] = h
	}
	if batch.Sequence != h.next[channel]+1 {
		t.Fatalf("%s: number %d behind %d", m.Subject, batch.Sequence, h.next[channel])
	}
	h.next[channel] += uint64(len(batch.Quotes) + len(batch.Trades) + len(batch.Books) + len(batch.Definitions))
	for _, d := range batch.Definitions {
		h.definition = d
	}
	for _, q := range batch.Quotes {
		h.quotes++
		h.quote = fmt.Sprint(q.GetBid(), q.BidSize, q.GetAsk(), q.AskSize, q.ExchangeTimeUs)
	}
	for _, tr := range batch.Trades {
		h.trades = append(h.trades, fmt.Sprint(tr.Id, tr.Price, tr.Size, tr.Aggressor, tr.ExchangeTimeUs))
	}
	for _, b := range batch.Books {
		if b.Snapshot {
			clear(h.bids)
			clear(h.asks)
		}
		for side, levels := range map[*map[int64]int64][]*marketdatav1.Level{&h.bids: b.Bids, &h.asks: b.Asks} {
			for _, l := range levels {
				if (*side)[l.Price] = l.Size; l.Size == 0 {
					delete(*side, l.Price)
				}
			}
		}
	}
	// Looking through a whole book is slow, so only now and then.
	if len(batch.Books) > 0 && h.next[channel]%200 < uint64(len(batch.Books)) {
		if best, other := slices.Max(slices.Collect(maps.Keys(h.bids))), slices.Min(slices.Collect(maps.Keys(h.asks))); best >= other {
			t.Fatalf("%s: crossed book: %d over %d", m.Subject, best, other)
		}
	}
}

// exchangeLine is a line behind its time, as encoding/json reads it. It names more members than are used
// because those that differ only in case would be taken for each other.
type exchangeLine struct {
	Stream       string
	Data         *exchangeMessage
	LastUpdateID int64 `json:"lastUpdateId"`
	Bids, Asks   [][2]string
}

type exchangeMessage struct {
	LowerA  json.RawMessage `json:"a"` // text or levels
	UpperA  string          `json:"A"`
	LowerB  json.RawMessage `json:"b"`
	UpperB  string          `json:"B"`
	LowerE  string          `json:"e"`
	UpperE  int64           `json:"E"`
	LowerM  bool            `json:"m"`
	UpperM  bool            `json:"M"`
	Price   string          `json:"p"`
	Size    string          `json:"q"`
	TradeID int64           `json:"t"`
	Time    int64           `json:"T"`
	First   int64           `json:"U"`
	Last    int64           `json:"u"`
}

// readIndependently reads files with encoding/json and the exchange's documentation, knowing nothing of
// this project's reader. The files hold one instrument and follow each other.
func readIndependently(t *testing.T, priceScale, sizeScale uint32, files ...string) *heard {
	t.Helper()
	r := &independentReader{t: t, priceScale: uint8(priceScale), sizeScale: uint8(sizeScale), applied: -1}
	r.heard = heard{bids: make(map[int64]int64), asks: make(map[int64]int64)}
	for _, file := range files {
		eachLine(t, file, r.line)
	}
	return &r.heard
}

type independentReader struct {
	heard
	t                     *testing.T
	priceScale, sizeScale uint8
	early                 []*exchangeMessage // changes ahead of the snapshot
	applied               int64              // id up to which the book is known; below 0: not at all
}

func (r *independentReader) line(l *exchangeLine) {
	d := l.Data
	switch {
	case d == nil:
		r.applied = l.LastUpdateID
		r.apply(r.bids, l.Bids)
		r.apply(r.asks, l.Asks)
		for _, e := range r.early {
			r.change(e)
		}
	case strings.HasSuffix(l.Stream, "@bookTicker"):
		r.quotes++
		var bid, ask string
		r.decode(d.LowerB, &bid)
		r.decode(d.LowerA, &ask)
		r.quote = fmt.Sprint(r.price(bid), r.size(d.UpperB), r.price(ask), r.size(d.UpperA), 1000*d.Time)
	case strings.HasSuffix(l.Stream, "@trade"):
		side := marketdatav1.Side_SIDE_BUY
		if d.LowerM {
			side = marketdatav1.Side_SIDE_SELL
		}
		r.trades = append(r.trades, fmt.Sprint(d.TradeID, r.price(d.Price), r.size(d.Size), side, 1000*d.Time))
	case r.applied < 0:
		r.early = append(r.early, d)
	default:
		r.change(d)
	}
}

func (r *independentReader) change(d *exchangeMessage) {
	if d.Last <= r.applied {
		return
	}
	var bids, asks [][2]string
	r.decode(d.LowerB, &bids)
	r.decode(d.LowerA, &asks)
	r.apply(r.bids, bids)
	r.apply(r.asks, asks)
}

func (r *independentReader) apply(side map[int64]int64, levels [][2]string) {
	for _, l := range levels {
		price := r.price(l[0])
		if side[price] = r.size(l[1]); side[price] == 0 {
			delete(side, price)
		}
	}
}

func (r *independentReader) price(text string) int64 { return r.decimal(text, r.priceScale) }
func (r *independentReader) size(text string) int64  { return r.decimal(text, r.sizeScale) }

func (r *independentReader) decimal(text string, scale uint8) int64 {
	v, err := market.ParseDecimal(text, scale)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *independentReader) decode(raw json.RawMessage, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		r.t.Fatal(err)
	}
}

func eachLine(t *testing.T, file string, visit func(*exchangeLine)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		scan = bufio.NewScanner(z)
	}
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		_, text, _ := bytes.Cut(scan.Bytes(), []byte(" "))
		var l exchangeLine
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatal(err)
		}
		visit(&l)
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
}

// agree holds what a subscriber heard against the independent reading of the same files.
func agree(t *testing.T, symbol string, all map[string]*heard, files ...string) {
	t.Helper()
	got := all[symbol]
	if got == nil {
		t.Fatalf("nothing was heard of %s", symbol)
	}
	want := readIndependently(t, got.definition.PriceScale, got.definition.SizeScale, files...)
	if got.quotes != want.quotes || got.quote != want.quote {
		t.Errorf("%s: %d quotes, the last %q; want %d and %q", symbol, got.quotes, got.quote, want.quotes, want.quote)
	}
	if !slices.Equal(got.trades, want.trades) {
		t.Errorf("%s: %d trades differ from the %d of the file", symbol, len(got.trades), len(want.trades))
	}
	if !maps.Equal(got.bids, want.bids) || !maps.Equal(got.asks, want.asks) || len(got.bids) == 0 {
		t.Errorf("%s: the book of %d bids and %d asks differs from the file's of %d and %d", symbol, len(got.bids), len(got.asks), len(want.bids), len(want.asks))
	}
}

func TestASubscriberHearsTheWholeFile(t *testing.T) {
	var spotEvents, futuresEvents []recording.Event
	spotEvents = append(spotEvents, depth(spot, 0, 1, 3, 0), snapshot(spot, 0, 4), depth(spot, 0, 4, 5, 0))
	futuresEvents = append(futuresEvents, snapshot(futures, 0, 4), depth(futures, 0, 3, 6, 2))
	for i := range int64(5000) {
		at := time.Duration(i) * time.Millisecond
		spotEvents = append(spotEvents, quote(spot, at, 6183763+i), trade(spot, at, uint64(i+1)))
		futuresEvents = append(futuresEvents, quote(futures, at, 618003+i), trade(futures, at, uint64(i+1)))
		if i%10 == 0 {
			spotEvents = append(spotEvents, depth(spot, at, 6+i, 15+i, 0))
		}
	}
	// Books of these files are made of ids; asks above all bids keep them from crossing.
	for _, events := range [][]recording.Event{spotEvents, futuresEvents} {
		for i := range events {
			for j := range events[i].Book.Asks {
				events[i].Book.Asks[j].Price += 1_000_000
			}
			if events[i].Kind == recording.Snapshot {
				events[i].Book.Bids = []market.Level{{Price: 1, Size: 5}}
			}
		}
	}
	a, b := file(t, spotEvents...), file(t, futuresEvents...)
	all, tallies := hear(t, a, b)
	agree(t, "binance:BTCUSDT", all, a)
	agree(t, "binance-usdm:BTCUSDT", all, b)
	want := []Tally{{Symbol: spot.Symbol, Quotes: 5000, Trades: 5000, Books: 502, Stale: 1}, {Symbol: futures.Symbol, Quotes: 5000, Trades: 5000, Books: 2}}
	if !slices.Equal(tallies, want) {
		t.Errorf("tallies %v", tallies)
	}
}

func TestASubscriberHearsTheRecordedTicks(t *testing.T) {
	dir := os.Getenv("FEEDD_TICKS")
	if dir == "" {
		t.Skip("FEEDD_TICKS does not name a directory of recorded ticks")
	}
	btc := []string{filepath.Join(dir, "binance_spot_btcusdt_20240808.gz"), filepath.Join(dir, "binance_spot_btcusdt_20240809.gz")}
	usdm := filepath.Join(dir, "binance_usdm_btcusdt_20240808.gz")
	all, tallies := hear(t, btc[0], btc[1], usdm)
	agree(t, "binance:BTCUSDT", all, btc...)
	agree(t, "binance-usdm:BTCUSDT", all, usdm)
	for _, tally := range tallies {
		if tally.Breaks != 0 || tally.Unjoined != 0 {
			t.Errorf("tally %v", tally)
		}
	}
}

func TestAServerThatGoesAwayEndsTheReplay(t *testing.T) {
	server, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	nc, err := nats.Connect(server.URL(), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	gone := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(gone) })
	r, err := Open(Config{Files: []string{file(t, quote(spot, 0, 6183763))}, Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	<-gone
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := r.Run(ctx, nc); err == nil {
		t.Error("went on without a server")
	}
}

func TestAServerThatComesBackIsWaitedFor(t *testing.T) {
	options := natsserver.Options{StoreDir: t.TempDir(), Port: natstest.Port(t)}
	server, err := natsserver.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(server.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	away := nc.StatusChanged(nats.RECONNECTING)
	server.Stop()
	<-away
	settled := make(chan error, 1)
	go func() { settled <- natsOutlet{nc}.settle(t.Context()) }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (natsOutlet{nc}).settle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a stop during the wait gives %v", err)
	}
	if server, err = natsserver.Start(options); err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if err := <-settled; err != nil {
		t.Errorf("behind the return: %v", err)
	}
}
