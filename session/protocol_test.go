package session_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
)

const protocolFile = "../PROTOCOL.md"

// clientPart returns the part of PROTOCOL.md that describes what this package does.
func clientPart(t *testing.T) string {
	b, err := os.ReadFile(protocolFile)
	if err != nil {
		t.Fatal(err)
	}
	return between(t, string(b), "client")
}

func between(t *testing.T, text, name string) string {
	_, text, begun := strings.Cut(text, "<!-- "+name+":begin -->\n")
	text, _, ended := strings.Cut(text, "<!-- "+name+":end -->")
	if !begun || !ended {
		t.Fatalf("%s has no part called %s", protocolFile, name)
	}
	return text
}

// PROTOCOL.md prints the one table of close codes. go test -run CloseCodes -rewrite writes it anew.
func TestProtocolHoldsTheCloseCodes(t *testing.T) {
	want := closeCodesAsMarkdown()
	have := between(t, clientPart(t), "close-codes")
	if have == want {
		return
	}
	if !*rewrite {
		t.Fatalf("%s has another table of close codes; -rewrite writes this:\n%s", protocolFile, want)
	}
	b, _ := os.ReadFile(protocolFile)
	const begin = "<!-- close-codes:begin -->\n"
	if err := os.WriteFile(protocolFile, []byte(strings.Replace(string(b), begin+have, begin+want, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func closeCodesAsMarkdown() string {
	var b strings.Builder
	b.WriteString("| code | name | come back | meaning |\n|---|---|---|---|\n")
	for _, c := range session.CloseCodes() {
		back := "no"
		switch {
		case c.Reconnect && c.WaitMax > 0:
			back = fmt.Sprintf("after %s to %s s", seconds(c.WaitMin), seconds(c.WaitMax))
		case c.Reconnect:
			back = "as usual"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", c.Code, c.Name, back, c.Meaning)
	}
	return b.String()
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func TestCloseCodes(t *testing.T) {
	last := session.CloseCode(0)
	for _, c := range session.CloseCodes() {
		if c.Code <= last {
			t.Errorf("%d stands behind %d", c.Code, last)
		}
		last = c.Code
		if c.Code >= 4000 && c.Reconnect != (c.Code < 4500) {
			t.Errorf("%d %s: whether to come back does not follow from the range", c.Code, c.Name)
		}
		if c.Code.String() != c.Name || c.WaitMin > c.WaitMax || (!c.Reconnect && c.WaitMax != 0) {
			t.Errorf("%+v", c)
		}
	}
	if got := session.CloseCode(4999).String(); got != "4999" {
		t.Errorf("an unknown code is called %q", got)
	}
}

func TestProtocolHoldsTheErrorCodes(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| (\\d+) \\| `([A-Z_]+)` \\| .+ \\|$")
	told := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(clientPart(t), -1) {
		told[m[1]] = m[2]
	}
	for number, name := range feedv1.ErrorCode_name {
		want := strings.TrimPrefix(name, "ERROR_CODE_")
		if number != 0 && told[fmt.Sprint(number)] != want {
			t.Errorf("code %d is told as %q, want %q", number, told[fmt.Sprint(number)], want)
		}
	}
	if len(told) != len(feedv1.ErrorCode_name)-1 {
		t.Errorf("%d codes are told, want %d", len(told), len(feedv1.ErrorCode_name)-1)
	}
}

// The examples are frames, and the bytes that are shown are those of the first quote.
func TestProtocolExamples(t *testing.T) {
	text := clientPart(t)
	var client, server int
	var quote *feedv1.ServerFrame
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if example, ok := strings.CutPrefix(line, "→ "); ok {
			client++
			if err := protojson.Unmarshal([]byte(example), new(feedv1.ClientFrame)); err != nil {
				t.Errorf("%v: %s", err, example)
			}
		}
		if example, ok := strings.CutPrefix(line, "> {"); ok {
			client++
			if err := protojson.Unmarshal([]byte("{"+example), new(feedv1.ClientFrame)); err != nil {
				t.Errorf("%v: %s", err, example)
			}
		}
		if example, ok := strings.CutPrefix(line, "← "); ok {
			server++
			f := new(feedv1.ServerFrame)
			if err := protojson.Unmarshal([]byte(example), f); err != nil {
				t.Errorf("%v: %s", err, example)
			}
			if quote == nil && len(f.Quotes) > 0 {
				quote = f
			}
		}
	}
	if client < 8 || server < 12 {
		t.Errorf("only %d examples of the client and %d of the server", client, server)
	}
	_, dump, _ := strings.Cut(text, "```hex\n")
	dump, _, _ = strings.Cut(dump, "```")
	var digits strings.Builder
	for line := range strings.Lines(dump) {
		bytes, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
		digits.WriteString(strings.ReplaceAll(bytes, " ", ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	shown := new(feedv1.ServerFrame)
	if err := proto.Unmarshal(b, shown); err != nil || !proto.Equal(shown, quote) {
		t.Errorf("the bytes are those of %v (%v), want %v", shown, err, quote)
	}
}

// A client that holds the server to every rule takes the rows of the examples as they stand, checksums included, and
// ends up with what the tables beside them say.
func TestProtocolRowsAddUp(t *testing.T) {
	numbers, texts := exampleModel(t), exampleModel(t)
	for line := range strings.Lines(clientPart(t)) {
		example, ok := strings.CutPrefix(strings.TrimSpace(line), "← ")
		f := new(feedv1.ServerFrame)
		if !ok || protojson.Unmarshal([]byte(example), f) != nil || f.CutTimeUs == 0 {
			continue
		}
		m := numbers
		if strings.Contains(example, "Texts") {
			m = texts
		}
		if _, err := m.Apply(f); err != nil {
			t.Errorf("%v: %s", err, example)
		}
	}
	const symbol = "binance:BTCUSDT"
	q, _ := numbers.Quote(symbol)
	book, _ := numbers.Book(symbol, market.View{Depth: 10})
	top, _ := texts.Book(symbol, market.View{Depth: 1})
	bars, stats := numbers.Bars(symbol, 60), first(numbers.Stats(symbol))
	sum := first(numbers.Summed(symbol))
	if numbers.Checksums(symbol, market.View{Depth: 10}) == 0 {
		t.Error("no checksum is shown")
	}
	for _, c := range []struct{ what, got, want string }{
		{"quote", fmt.Sprint(q.Bid, q.BidSize, q.Has), "6183763 148000 5"},
		{"bids", fmt.Sprint(book.Bids()), "[{6183760 7000} {6183750 40000}]"},
		{"asks", fmt.Sprint(book.Asks()), "[{6183764 30000} {6183770 12000}]"},
		{"text book", fmt.Sprint(top.Bids(), top.Asks()), "[{6183760 7000}] [{6183764 30000}]"},
		{"bar", fmt.Sprintf("%d %d %d %d %d %d %d %v", bars[0].Open, bars[0].High, bars[0].Low, bars[0].Close, bars[0].Volume, bars[0].Trades, bars[0].VWAP, bars[0].Closed), "10050 10085 10050 10085 16 4 10067 true"},
		{"statistics", fmt.Sprint(stats.Last, " ", stats.Session.High, " ", stats.Session.Volume, " ", stats.Day.Trades), "10087 10087 17 812"},
		{"sum of trades", fmt.Sprint(sum.Trades, " ", sum.Volume), "3 1500"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
}

func first[T any](v T, _ bool) T { return v }

// exampleModel is a client that was told of all handles of the examples.
func exampleModel(t *testing.T) *client.Model {
	f := new(feedv1.ServerFrame)
	if err := protojson.Unmarshal([]byte(`{"subscribed":{"instruments":[{"symbol":"binance:BTCUSDT","priceScale":2,"sizeScale":5,"source":"binance","statusHandle":3}],"results":[
		{"symbol":"binance:BTCUSDT","channel":"quote","handle":1},{"symbol":"binance:BTCUSDT","channel":"trade","handle":2},
		{"symbol":"binance:BTCUSDT","channel":"book","handle":4,"depth":10},{"symbol":"binance:BTCUSDT","channel":"book","handle":5,"depth":1},
		{"symbol":"binance:BTCUSDT","channel":"stats","handle":6},{"symbol":"binance:BTCUSDT","channel":"bar","handle":7,"barSeconds":60},
		{"symbol":"binance:BTCUSDT","channel":"trade","handle":9,"tradeSummary":true}
		]},"grants":[{"handles":[1,2,6,7,9],"cadenceMs":250},{"handles":[4],"cadenceMs":250,"depth":10},{"handles":[5],"cadenceMs":250,"depth":1}]}`), f); err != nil {
		t.Fatal(err)
	}
	m := client.NewModel()
	if _, err := m.Apply(f); err != nil {
		t.Fatal(err)
	}
	return m
}
