package watch

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

var noon = time.Date(2024, 8, 8, 12, 0, 0, 0, time.UTC)

func instrument(symbol, description string) market.Instrument {
	s, err := market.ParseSymbol(symbol)
	if err != nil {
		panic(err)
	}
	return market.Instrument{Symbol: s, PriceScale: 2, SizeScale: 1, Description: description, Source: s.Venue}
}

func quoted(symbol string, bid, ask int64) client.QuoteRow {
	return client.QuoteRow{Symbol: symbol, Cut: noon, Quote: market.Quote{
		Bid: bid, BidSize: 15, Ask: ask, AskSize: 7, Has: market.HasBid | market.HasAsk, IngestTime: noon.Add(-time.Second).UnixMicro(),
	}}
}

func sold(symbol string, price int64, sequence market.Sequence) client.TradeEvent {
	return client.TradeEvent{Symbol: symbol, Trade: market.Trade{
		Price: price, Size: 3, Aggressor: market.SideSell, Position: market.Position{Epoch: 1, Sequence: sequence},
	}}
}

// story is what the tests below look at: two instruments, a move down and up, a trade, losses, a halt.
func story() []client.Update {
	return []client.Update{
		{Instruments: []market.Instrument{instrument("x:ETH", "Ether"), instrument("x:BTC", "Bitcoin")}},
		{Cut: noon, Quotes: []client.QuoteRow{quoted("x:BTC", 6183763, 6183764)}, Trades: []client.TradeEvent{sold("x:BTC", 6183763, 1)}},
		{Cut: noon, Quotes: []client.QuoteRow{quoted("x:BTC", 6183700, 6183765)}, Trades: []client.TradeEvent{
			{Symbol: "x:BTC", Kind: client.Lost, Epoch: 1, From: 2, To: 4}, {Symbol: "x:BTC", Kind: client.Gap, Epoch: 1, From: 5, To: 5},
		}},
		{
			Cut:      noon,
			Statuses: []client.StatusRow{{Symbol: "x:ETH", Status: market.Status{Stream: market.StreamOpen, Quality: market.QualityOK, Trading: market.TradingHalted, Reason: "news"}}},
			Sources:  []client.SourceRow{{Source: "x", Status: market.Status{Stream: market.StreamOpen, Quality: market.QualitySuspect, Reason: "silent"}}},
		},
	}
}

func told(colour bool) *Table {
	t := NewTable(colour)
	for _, u := range story() {
		t.Apply(&u)
	}
	return t
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		want          string
	}{
		{"wide", 100, 10, `
symbol  bid size  bid        ask        ask size  last       age   state           description
x:BTC        1.5  61837.00▼  61837.65▲       0.7  61837.63   1.0s  suspect         Bitcoin
x:ETH          –         –          –          –         –      –  suspect halted  Ether`},
		{"narrow: what matters least goes first", 56, 10, `
symbol  bid        ask        last       state
x:BTC   61837.00▼  61837.65▲  61837.63   suspect
x:ETH          –          –         –    suspect halted`},
		{"tiny", 12, 10, `
symbol
x:BTC
x:ETH`},
		{"low: says what is hidden", 36, 2, `
symbol  bid  ask  last  state
… and 2 more`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := told(false).Render(c.width, c.height, noon)
			if squeeze(strings.Join(got, "\n")) != squeeze(strings.TrimPrefix(c.want, "\n")) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

// squeeze makes runs of spaces one, so that the stories above need not be drawn to the letter.
func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

func TestTableCounts(t *testing.T) {
	if applied, missing := told(false).Updates(); applied != 3 || missing != 4 {
		t.Errorf("%d applied and %d missing, want 3 and 4", applied, missing)
	}
}

func TestTableNeverLeavesTheScreen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := told(false)
		table.Apply(&client.Update{Instruments: []market.Instrument{instrument("v:"+rapid.StringMatching(`[A-Z]{1,50}`).Draw(t, "name"), rapid.String().Draw(t, "text"))}})
		width, height := rapid.IntRange(0, 130).Draw(t, "width"), rapid.IntRange(0, 8).Draw(t, "height")
		lines := table.Render(width, height, noon)
		if len(lines) > height {
			t.Fatalf("%d lines on a screen of %d", len(lines), height)
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > width || strings.ContainsAny(l, "\x1b\r\n\t") {
				t.Fatalf("line of %d characters on a screen of %d: %q", n, width, l)
			}
		}
	})
}

func TestColoursOnlyWhereWanted(t *testing.T) {
	if got := strings.Join(told(true).Render(100, 10, noon), ""); !strings.Contains(got, ansiUp) || !strings.Contains(got, ansiDown) || !strings.Contains(got, ansiReset) {
		t.Errorf("no colours in %q", got)
	}
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	lines := NewLines(&out)
	for _, u := range story() {
		if err := lines.Apply(&u); err != nil {
			t.Fatal(err)
		}
	}
	const want = `2024-08-08T12:00:00.000000Z quote x:BTC bid 61837.63 x 1.5 ask 61837.64 x 0.7
2024-08-08T12:00:00.000000Z trade x:BTC 61837.63 x 0.3 sell
2024-08-08T12:00:00.000000Z quote x:BTC bid 61837.00 x 1.5 ask 61837.65 x 0.7
2024-08-08T12:00:00.000000Z lost x:BTC 3 trades, 2 to 4, came faster than they were read
2024-08-08T12:00:00.000000Z gap x:BTC 1 trades, 5 to 5, never reached the server
2024-08-08T12:00:00.000000Z status x:ETH open ok halted: news
2024-08-08T12:00:00.000000Z source x open suspect: silent
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestScreenSaysWhatTheConnectionDoes(t *testing.T) {
	s := NewScreen(io.Discard, "ws://here", func() (int, int) { return 80, 24 })
	defer s.Close()
	s.Connected(250*time.Millisecond, []string{"x:NOPE quote: unknown symbol"})
	for _, u := range story() {
		s.Updated(&u)
	}
	s.mu.Lock()
	got := strings.Join(s.lines(90, 12, noon), "\n")
	s.mu.Unlock()
	for _, want := range []string{"ws://here  live, updates every 250ms", "4 trades missing", "x:BTC", "refused: x:NOPE quote: unknown symbol", "q quits"} {
		if !strings.Contains(got, want) {
			t.Errorf("screen lacks %q:\n%s", want, got)
		}
	}
	s.Lost(errors.New("connection reset"), 1234*time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.lines(120, 12, noon)[0]; !strings.Contains(got, "not connected: connection reset; trying again in 1.2s") {
		t.Errorf("head is %q", got)
	}
}

func TestRateIsThatOfTheLastSecond(t *testing.T) {
	var r rate
	for _, c := range []struct {
		after time.Duration
		count uint64
		want  uint64
	}{{0, 100, 0}, {500 * time.Millisecond, 150, 0}, {time.Second, 200, 100}, {3 * time.Second, 300, 50}} {
		if got := r.of(c.count, noon.Add(c.after)); got != c.want {
			t.Errorf("after %v: %d, want %d", c.after, got, c.want)
		}
	}
}

func TestRetryOnlyWhereItMayHelp(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{io.EOF, true},
		{&client.CloseError{Code: 4000}, true},
		{&client.CloseError{Code: 1006}, true},
		{&client.CloseError{Code: 1000}, false},
		{&client.CloseError{Code: 4503}, false},
		{&client.ProtocolError{Text: "x"}, false},
		{&client.Error{Text: "no such symbol"}, false},
	} {
		if got := retry(c.err); got != c.want {
			t.Errorf("%v: retry %v, want %v", c.err, got, c.want)
		}
	}
}
