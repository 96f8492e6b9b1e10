package watch

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// heard is what a session with a book, bars and statistics is told: the model makes the updates, as in real life.
func heard(t interface{ Fatal(...any) }) []client.Update {
	m := client.NewModel()
	var updates []client.Update
	for _, f := range []*feedv1.ServerFrame{
		{
			Subscribed: &feedv1.Subscribed{
				Instruments: []*feedv1.Instrument{{Symbol: "x:BTC", PriceScale: 2, SizeScale: 1, Source: "x", StatusHandle: 9}},
				Results: []*feedv1.SubscribeResult{
					{Symbol: "x:BTC", Channel: "book", Handle: 1, Depth: 5}, {Symbol: "x:BTC", Channel: "bar", Handle: 2, BarSeconds: 60},
					{Symbol: "x:BTC", Channel: "stats", Handle: 3},
				},
			},
			Grants: []*feedv1.Grant{{Handles: []uint32{1, 2, 3}}},
		},
		{
			Books: []*feedv1.Book{{Handle: 1, Bids: []int64{10000, 40, -1, 80}, Asks: []int64{10001, 20}, Sequence: 1}},
			Bars:  []*feedv1.Bar{{Handle: 2, Open: 10000, High: 5, Close: 2, Volume: 15, Trades: 3, StartS: 60, Closed: true}, {Handle: 2, Open: 10002, Volume: 1, Trades: 1, StartS: 120}},
			Stats: []*feedv1.Stats{{Handle: 3, Full: true, Last: 10002, Open: 10000, High: 10005, Low: 10000, Volume: 16, Trades: 4, Turnover: "160.07", Has: proto.Uint32(36), Mark: 10001, FundingRateE8: 10000}},
		},
		{Books: []*feedv1.Book{{Handle: 1, Bids: []int64{10000, 0}}}},
		{Bars: []*feedv1.Bar{{Handle: 2, StartS: 60, Closed: true}}},
	} {
		f.CutTimeUs = uint64(noon.UnixMicro())
		u, err := m.Apply(f)
		if err != nil {
			t.Fatal(err)
		}
		updates = append(updates, u)
	}
	return updates
}

func TestLinesOfViews(t *testing.T) {
	var out bytes.Buffer
	lines := NewLines(&out)
	for _, u := range heard(t) {
		if err := lines.Apply(&u); err != nil {
			t.Fatal(err)
		}
	}
	const at = "2024-08-08T12:00:00.000000Z "
	const want = at + `book x:BTC snapshot bid 100.00 x 4.0 bid 99.99 x 8.0 ask 100.01 x 2.0
` + at + `bar x:BTC 60 s from 1970-01-01T00:01:00Z open 100.00 high 100.05 low 100.00 close 100.02 volume 1.5 trades 3 closed
` + at + `bar x:BTC 60 s from 1970-01-01T00:02:00Z open 100.02 high 100.02 low 100.02 close 100.02 volume 0.1 trades 1
` + at + `stats x:BTC 24h open 100.00 high 100.05 low 100.00 close 100.02 volume 1.6 turnover 160.07 trades 4 session nothing traded mark 100.01 funding rate 0.00010000
` + at + `book x:BTC change bid 100.00 x 0.0
` + at + `bar x:BTC 60 s from 1970-01-01T00:01:00Z void: all its trades were cancelled
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestLadderAndCandles(t *testing.T) {
	var ladder Ladder
	var candles Candles
	known := map[string]market.Instrument{"x:BTC": instrument("x:BTC", "")}
	if ladder.Render(80, 20) != nil || candles.Render(80, 20) != nil {
		t.Error("something is shown ahead of the first row")
	}
	updates := heard(t)
	for _, u := range updates[:len(updates)-1] {
		ladder.Apply(&u, known)
		candles.Apply(&u, known)
	}
	const book = `x:BTC  book, 1 bids and 1 asks shown
███████████████████████ 8.0  99.99 │ 100.01 2.0 ██████`
	if got := strings.Join(ladder.Render(72, 20), "\n"); squeeze(got) != squeeze(book) {
		t.Errorf("got\n%s\nwant\n%s", got, book)
	}
	const bars = `x:BTC  bars of 1m0s, UTC
start                    open    high     low   close  volume  trades
1970-01-01 00:02:00 …  100.02  100.02  100.02  100.02     0.1       1
1970-01-01 00:01:00    100.00  100.05  100.00  100.02     1.5       3`
	if got := strings.Join(candles.Render(72, 20), "\n"); got != bars {
		t.Errorf("got\n%s\nwant\n%s", got, bars)
	}
	candles.Apply(&updates[len(updates)-1], known)
	if got := candles.Render(72, 20); len(got) != 3 {
		t.Errorf("a void bar is shown: %q", got)
	}
}

func TestScreenOfAllNeverLeavesTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Screen{table: NewTable(false), known: map[string]market.Instrument{}, out: io.Discard}
		for _, u := range heard(t) {
			s.Updated(&u)
		}
		width, height := rapid.IntRange(0, 130).Draw(t, "width"), rapid.IntRange(0, 40).Draw(t, "height")
		lines := s.lines(width, height, noon.Add(time.Second))
		if len(lines) > height {
			t.Fatalf("%d lines on a screen of %d", len(lines), height)
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > width {
				t.Fatalf("line of %d characters on a screen of %d: %q", n, width, l)
			}
		}
		if all := strings.Join(lines, "\n"); width > 80 && height > 20 && (!strings.Contains(all, "99.99 │ 100.01") || !strings.Contains(all, "bars of 1m0s")) {
			t.Fatalf("book or bars are not there:\n%s", all)
		}
	})
}
