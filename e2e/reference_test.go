package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/feedd/feedd/market"
)

// What follows reads recordings and makes of them what clients must see, in the plainest way there is: maps, sorted when
// looked at, and text that stays text. It shares no code with the server but the reading of decimals.

// told is what recordings say of an instrument.
type told struct {
	symbol string
	quote  [4]string // the last: bid, bid size, ask, ask size
	trades []toldTrade
	steps  []toldStep // of the book: the image, then each change that follows it
}

type toldTrade struct {
	id                 uint64
	price, size        string
	buyerMade          bool
	exchangeTimeMillis int64
}

// toldStep is an image of a book, or a change of it.
type toldStep struct {
	Image       bool
	First       int64       `json:"U"`
	Last        int64       `json:"u"`
	Previous    *int64      `json:"pu"`
	LastOfImage *int64      `json:"lastUpdateId"`
	Bids        [][2]string `json:"b"`
	Asks        [][2]string `json:"a"`
	ImageBids   [][2]string `json:"bids"`
	ImageAsks   [][2]string `json:"asks"`
}

// bookJoin puts the image among the changes by the exchange's rule.
type bookJoin struct {
	waiting []toldStep
	last    int64 // 0: no image yet
}

func (j *bookJoin) add(t *testing.T, to *told, s toldStep) {
	t.Helper()
	switch {
	case s.Image:
		if j.last != 0 {
			t.Fatalf("%s: a second image", to.symbol)
		}
		j.last = s.Last
		to.steps = append(to.steps, s)
		for _, w := range j.waiting {
			j.add(t, to, w)
		}
		j.waiting = nil
	case j.last == 0:
		j.waiting = append(j.waiting, s)
	case s.Last <= j.last: // the image holds it
	default:
		if s.Previous == nil && s.First > j.last+1 || s.Previous != nil && *s.Previous > j.last {
			t.Fatalf("%s: the recording leaves out a change behind %d", to.symbol, j.last)
		}
		j.last = s.Last
		to.steps = append(to.steps, s)
	}
}

// readRecording reads the files of one instrument, in the order of time.
func readRecording(t *testing.T, symbol string, paths ...string) told {
	t.Helper()
	all := told{symbol: symbol}
	join := &bookJoin{}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		in, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		readLines(t, in, &all, join)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func readLines(t *testing.T, in io.Reader, all *told, join *bookJoin) {
	t.Helper()
	decode := func(text []byte, into any) {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	var quote []byte // only the last one counts, and most lines are quotes
	for lines.Scan() {
		_, text, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		if bytes.Contains(text[:min(len(text), 64)], []byte(`@bookTicker"`)) {
			quote = append(quote[:0], text...)
			continue
		}
		var row struct {
			Stream string
			Data   json.RawMessage
		}
		decode(text, &row)
		switch _, stream, _ := strings.Cut(row.Stream, "@"); {
		case stream == "trade":
			var tr map[string]json.RawMessage
			decode(row.Data, &tr)
			var one toldTrade
			for k, into := range map[string]any{"t": &one.id, "p": &one.price, "q": &one.size, "m": &one.buyerMade, "T": &one.exchangeTimeMillis} {
				decode(tr[k], into)
			}
			all.trades = append(all.trades, one)
		case strings.HasPrefix(stream, "depth"):
			var parts map[string]json.RawMessage
			decode(row.Data, &parts)
			var s toldStep
			for k, into := range map[string]any{"U": &s.First, "u": &s.Last, "b": &s.Bids, "a": &s.Asks} {
				decode(parts[k], into)
			}
			if previous, ok := parts["pu"]; ok {
				decode(previous, &s.Previous)
			}
			join.add(t, all, s)
		default:
			var s toldStep
			decode(text, &s)
			join.add(t, all, toldStep{Image: true, Last: *s.LastOfImage, Bids: s.ImageBids, Asks: s.ImageAsks})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	// encoding/json ignores case in names, so "b" and "B" must be read as a map.
	var last struct{ Data map[string]any }
	decode(quote, &last)
	for i, k := range []string{"b", "B", "a", "A"} {
		all.quote[i] = last.Data[k].(string)
	}
}

// plainBook is a book as a map on each side.
type plainBook struct{ bids, asks map[int64]int64 }

func (b *plainBook) step(t *testing.T, s *toldStep, in market.Instrument) {
	t.Helper()
	if s.Image {
		b.bids, b.asks = map[int64]int64{}, map[int64]int64{}
	}
	for _, side := range []struct {
		to   map[int64]int64
		from [][2]string
	}{{b.bids, s.Bids}, {b.asks, s.Asks}} {
		for _, level := range side.from {
			price, size := scaled(t, level[0], in.PriceScale), scaled(t, level[1], in.SizeScale)
			if side.to[price] = size; size == 0 {
				delete(side.to, price)
			}
		}
	}
}

func scaled(t *testing.T, text string, scale uint8) int64 {
	t.Helper()
	v, err := market.ParseDecimal(text, scale)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// view is one side as a client sees it, best first.
func sideView(levels map[int64]int64, ask bool, view market.View) []market.Level {
	if g := view.Group; g > 1 {
		grouped := map[int64]int64{}
		for price, size := range levels {
			to := price - (price%g+g)%g // toward lower prices
			if ask && to != price {
				to += g
			}
			grouped[to] += size
		}
		levels = grouped
	}
	prices := slices.Sorted(maps.Keys(levels))
	if !ask {
		slices.Reverse(prices)
	}
	if view.Depth != 0 {
		prices = prices[:min(len(prices), int(view.Depth))]
	}
	var out []market.Level
	for _, p := range prices {
		out = append(out, market.Level{Price: p, Size: levels[p]})
	}
	return out
}

func (b *plainBook) print(view market.View) uint64 {
	return fingerprint(sideView(b.bids, false, view), sideView(b.asks, true, view))
}

// fingerprint stands for a view of a book, so that thousands of them can be kept.
func fingerprint(bids, asks []market.Level) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, bids, asks)
	return h.Sum64()
}

// plainBar is what was traded in an interval.
type plainBar struct {
	start, open, high, low, last int64
	volume, trades               int64
	turnover                     market.Amount
}

func (b *plainBar) add(price, size int64) {
	if b.trades == 0 {
		b.open, b.high, b.low = price, price, price
	}
	b.high, b.low, b.last = max(b.high, price), min(b.low, price), price
	b.volume += size
	b.trades++
	b.turnover = b.turnover.Plus(market.Times(price, size))
}

// bars sums the trades from since on up by intervals of so many seconds, the exchange's times moved by shift milliseconds.
func (all *told) bars(t *testing.T, in market.Instrument, seconds, shift, since int64) (bars []plainBar) {
	t.Helper()
	for _, tr := range all.trades {
		at := (tr.exchangeTimeMillis + shift) / 1000
		if at < since {
			continue
		}
		start := at - at%seconds
		i, found := slices.BinarySearchFunc(bars, start, func(b plainBar, start int64) int { return int(b.start - start) })
		if !found {
			bars = slices.Insert(bars, i, plainBar{start: start})
		}
		bars[i].add(scaled(t, tr.price, in.PriceScale), scaled(t, tr.size, in.SizeScale))
	}
	return bars
}
