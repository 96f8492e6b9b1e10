package client

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// viewing returns a model with every form of rows: book whole 11, at depth 1 12, at depth 5 in groups of ten 13, bars of
// 1 m 14 and of 1 d 15, statistics 16, summaries 17.
func viewing(t tester) *Model {
	t.Helper()
	m := subscribed(t)
	mustApply(t, m, frame(t, `
		subscribed {
			results {symbol: "x:BTC" channel: "book" handle: 11}
			results {symbol: "x:BTC" channel: "book" handle: 12 depth: 1}
			results {symbol: "x:BTC" channel: "book" handle: 13 depth: 5 price_group: 10}
			results {symbol: "x:BTC" channel: "bar" handle: 14 bar_seconds: 60}
			results {symbol: "x:BTC" channel: "bar" handle: 15 bar_seconds: 86400}
			results {symbol: "x:BTC" channel: "stats" handle: 16}
			results {symbol: "x:BTC" channel: "trade" handle: 17 trade_summary: true}
		}
		grants {handles: [11, 12, 13, 14, 15, 16, 17] cadence_ms: 250}`))
	return m
}

func ladder(b Book) string {
	text := ""
	for _, l := range b.Bids() {
		text += fmt.Sprintf("%d×%d ", l.Price, l.Size)
	}
	text += "|"
	for _, l := range b.Asks() {
		text += fmt.Sprintf(" %d×%d", l.Price, l.Size)
	}
	return text
}

func TestBookOfPartsAndDifferences(t *testing.T) {
	m := viewing(t)
	for _, c := range []struct{ row, want string }{
		{`books {handle: 11 bids: [100, 5, -1, 6] partial: true sequence: 7 epoch: 3}`, "none"},
		{`books {handle: 11 bids: [97, 1] asks: [101, 2, 2, 9] age_ms: 20 transit_ms: 30 sequence: 7 epoch: 3}`, "100×5 99×6 97×1 | 101×2 103×9"},
		{`books {handle: 11 bids: [100, 0, -2, 4] asks: [103, 1] transit_ms: -5}`, "99×6 98×4 97×1 | 101×2 103×1"},
		{`books {handle: 11 bids: [90, 1] asks: [91, 1] partial: true sequence: 9 epoch: 3}`, "99×6 98×4 97×1 | 101×2 103×1"},
		{`books {handle: 11 asks: [92, 1] sequence: 9 epoch: 3}`, "90×1 | 91×1 92×1"},
		{`books {handle: 11 sequence: 1 epoch: 4}`, "|"},
		{`book_texts {symbol: "x:BTC" snapshot: true bids {price: "1.00" size: "0.00002"} sequence: 2 epoch: 4}`, "100×2 |"},
		{`book_texts {symbol: "x:BTC" bids {price: "1.00" size: "0.00000"} asks {price: "2" size: "3"} sequence: 3 epoch: 4}`, "| 200×300000"},
	} {
		mustApply(t, m, frame(t, c.row))
		got := "none"
		if b, ok := m.Book("x:BTC", market.View{}); ok {
			got = ladder(b)
		}
		if got != c.want {
			t.Errorf("behind %s\n got %s\nwant %s", c.row, got, c.want)
		}
	}
}

// The layout of the checksum, spelled out.
func TestChecksumOfABook(t *testing.T) {
	m := viewing(t)
	sum := crc32.ChecksumIEEE([]byte{100, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 0, 0, 0, 0, 0, 0})
	f := frame(t, `books {handle: 12 bids: [100, 5] asks: [-1, 513] sequence: 7 epoch: 3}`)
	f.Books[0].Checksum = &sum
	mustApply(t, m, f)
	if n := m.Checksums("x:BTC", market.View{Depth: 1}); n != 1 {
		t.Errorf("%d checksums compared", n)
	}
}

func TestBarsBeginChangeAndClose(t *testing.T) {
	m := viewing(t)
	// The worked example of PROTOCOL.md.
	mustApply(t, m, frame(t, `bars {handle: 14 open: 10050 close: 25 high: 30 volume: 12 trades: 3 vwap: 11 start_s: 1700000040}`))
	mustApply(t, m, frame(t, `bars {handle: 14 high: 5 close: 10 volume: 4 trades: 1 vwap: 6 age_ms: 100 transit_ms: 3}`))
	mustApply(t, m, frame(t, `bars {handle: 14 closed: true age_ms: 100} bars {handle: 14 open: 5 start_s: 1700000100 trades: 1}`))
	const cut = 1_700_000_000_000_000
	want := []Bar{
		{Start: 1700000040, Open: 10050, High: 10085, Low: 10050, Close: 10085, VWAP: 10067, Volume: 16, Trades: 4, Closed: true, IngestTime: cut - 100_000, ExchangeTime: cut - 103_000},
		{Start: 1700000100, Open: 5, High: 5, Low: 5, Close: 5, VWAP: 5, Trades: 1, IngestTime: cut, ExchangeTime: cut},
	}
	if got := m.Bars("x:BTC", 60); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	u := mustApply(t, m, frame(t, `bars {handle: 14 closed: true start_s: 1700000040} losses {handle: 14 from: 5 to: 6}`))
	if !u.Bars[0].Void || len(m.Bars("x:BTC", 60)) != 1 {
		t.Errorf("a void bar stays: %+v", m.Bars("x:BTC", 60))
	}
	if len(u.LostBars) != 1 || u.LostBars[0] != (LostBars{"x:BTC", 60, 5, 6}) {
		t.Errorf("lost bars %+v", u.LostBars)
	}
}

func TestBrokenPromisesOfViews(t *testing.T) {
	const whole = `books {handle: 11 bids: [100, 5] sequence: 7 epoch: 3}`
	const minute = `bars {handle: 14 open: 5 trades: 1 start_s: 60}`
	const stats = `stats {handle: 16 full: true last: 5 open: 5 high: 5 low: 5 volume: 1 trades: 1 has: 4 mark: 9}`
	const summary = `trade_summaries {handle: 17 last: 5 trades: 1 volume: 1 sequence: 5 epoch: 1}`
	for _, c := range []struct {
		name   string
		frames []string
		want   string
	}{
		{"book difference first", []string{`books {handle: 11 bids: [100, 5]}`}, "a difference without a full row before it"},
		{"book difference between parts", []string{whole, `books {handle: 11 partial: true sequence: 8 epoch: 3}`, `books {handle: 11 bids: [100, 5]}`}, "between the parts"},
		{"part of a difference", []string{whole, `books {handle: 11 bids: [100, 5] partial: true}`}, "a part of a difference"},
		{"price without a size", []string{`books {handle: 11 bids: [100] sequence: 7}`}, "a price without a size"},
		{"empty level in a full row", []string{`books {handle: 11 bids: [100, 0] sequence: 7}`}, "level 100 of size 0"},
		{"size below 0", []string{whole, `books {handle: 11 bids: [100, -1]}`}, "level 100 of size -1"},
		{"bids that rise", []string{`books {handle: 11 bids: [100, 1, 1, 1] sequence: 7}`}, "not best first"},
		{"asks that fall", []string{`books {handle: 11 asks: [100, 1, -1, 1] sequence: 7}`}, "not best first"},
		{"parts out of order", []string{`books {handle: 11 asks: [100, 1] partial: true sequence: 7}`, `books {handle: 11 asks: [100, 1] sequence: 7}`}, "not behind 100"},
		{"book goes back", []string{whole, `books {handle: 11 sequence: 6 epoch: 3}`}, "went back"},
		{"too deep", []string{`books {handle: 12 bids: [100, 1] sequence: 7}`, `books {handle: 12 bids: [99, 1]}`}, "2 bids and 0 asks at depth 1"},
		{"off the group", []string{`books {handle: 13 bids: [105, 1] sequence: 7}`}, "no multiple of the group"},
		{"wrong checksum", []string{`books {handle: 11 sequence: 7 checksum: 77}`}, "checksum 00000000, want 0000004d"},
		{"checksum of a part", []string{`books {handle: 11 sequence: 7 partial: true checksum: 77}`}, "checksum of a part"},
		{"book text goes back", []string{whole, `book_texts {symbol: "x:BTC" sequence: 6 epoch: 3}`}, "went back"},
		{"bar difference first", []string{`bars {handle: 14 volume: 1}`}, "a difference without a full row before it"},
		{"bar open again by a difference", []string{minute, `bars {handle: 14 closed: true}`, `bars {handle: 14 volume: 1}`}, "open again"},
		{"bar open again", []string{`bars {handle: 14 open: 5 trades: 1 start_s: 60 closed: true}`, minute}, "open again"},
		{"bar off the grid", []string{`bars {handle: 14 open: 5 trades: 1 start_s: 61}`}, "grid of 60 s"},
		{"bar left open", []string{minute, `bars {handle: 14 open: 5 trades: 1 start_s: 120}`}, "a later one came and it is open"},
		{"bar with a low above its close", []string{`bars {handle: 14 open: 5 close: -1 trades: 1 start_s: 60}`}, "low 5"},
		{"missing bars with an epoch", []string{`losses {handle: 14 from: 1 to: 2 epoch: 1}`}, "missing bars"},
		{"statistics difference first", []string{`stats {handle: 16 last: 1}`}, "a difference without a full row before it"},
		{"statement where there is none", []string{stats, `stats {handle: 16 has: 0}`}, "where the venue states nothing"},
		{"high below the open", []string{stats, `stats {handle: 16 high: -1}`}, "high 4"},
		{"volume without trades", []string{stats, `stats {handle: 16 trades: -1}`}, "without trades"},
		{"change that is wrong", []string{`stats_texts {symbol: "x:BTC" last: "5" day {open: "4" high: "5" low: "4" change: "2" volume: "1" vwap: "5" trades: 1}}`}, "change of 2"},
		{"summary goes back", []string{summary, summary}, "went back"},
		{"summary of nothing", []string{`trade_summaries {handle: 17 sequence: 1}`}, "of no trades"},
		{"summary with a high below its last", []string{`trade_summaries {handle: 17 last: 5 high: -1 trades: 1 sequence: 1}`}, "high 4"},
		{"summary for the tape", []string{`trade_summaries {handle: 2 last: 5 trades: 1 sequence: 5}`}, "stands for the trades"},
		{"trade for the summaries", []string{`trades {handle: 17 price: 5 size: 1 sequence: 5}`}, "stands for summaries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := viewing(t)
			last := len(c.frames) - 1
			for _, text := range c.frames[:last] {
				mustApply(t, m, frame(t, text))
			}
			_, err := m.Apply(frame(t, c.frames[last]))
			var broken *ProtocolError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a ProtocolError with %q", err, c.want)
			}
		})
	}
}

func TestSummariesAddUp(t *testing.T) {
	m := viewing(t)
	mustApply(t, m, frame(t, `trade_summaries {handle: 17 last: 5 high: 2 low: -1 trades: 3 volume: 10 sequence: 5 epoch: 1}`))
	u := mustApply(t, m, frame(t, `
		trade_summaries {handle: 17 last: 9 low: -1 trades: 1 volume: 4 sequence: 8 epoch: 1}
		gaps {handle: 17 from: 6 to: 7 epoch: 1}
		trade_summary_texts {symbol: "x:BTC" last: "0.02" high: "0.02" low: "0.02" trades: 2 volume: "0.00001" sequence: 10 epoch: 1}`))
	if got, _ := m.Summed("x:BTC"); got.Trades != 6 || got.Volume != 15 || got.High != 9 || got.Low != 2 || got.Last != 2 || got.Position.Sequence != 10 {
		t.Errorf("sum %+v", got)
	}
	if len(u.SummaryGaps) != 1 || len(u.Trades) != 0 || u.SummaryGaps[0].From != 6 {
		t.Errorf("gaps %+v, trades %+v", u.SummaryGaps, u.Trades)
	}
}

func textFrame(t tester, tf *wire.TextFrame, cut int64) *feedv1.ServerFrame {
	t.Helper()
	f := &feedv1.ServerFrame{}
	if err := protojson.Unmarshal(tf.Append(nil, wire.Header{CutTime: cut}), f); err != nil {
		t.Fatal(err)
	}
	return f
}

// Whatever bars, statistics and summaries the encoder of the server writes, the model reads back, as numbers and as text.
func TestModelReadsWhatWireWritesOfViews(t *testing.T) {
	const cut = int64(1_700_000_000_000_000)
	in := market.Instrument{Symbol: market.Symbol{Venue: "x", Name: "BTC"}, PriceScale: 2, SizeScale: 5}
	rapid.Check(t, func(t *rapid.T) {
		m, text := viewing(t), viewing(t)
		price := rapid.Int64Range(-1e12, 1e12)
		bar := market.Bar{Start: 60 * rapid.Int64Range(1, 1e8).Draw(t, "start")}
		var stats bars.Statistics
		for i := range rapid.IntRange(1, 10).Draw(t, "frames") {
			nextBar, nextStats := bar, stats
			nextBar.Open = price.Draw(t, "open")
			nextBar.Close = price.Draw(t, "close")
			nextBar.High, nextBar.Low = max(nextBar.Open, nextBar.Close)+1, min(nextBar.Open, nextBar.Close)-2
			nextBar.Volume, nextBar.Trades = rapid.Int64Range(1, 1e12).Draw(t, "volume"), rapid.Int64Range(1, 1e9).Draw(t, "trades")
			nextBar.Turnover = market.Times(nextBar.Close, nextBar.Volume)
			nextBar.IngestTime, nextBar.ExchangeTime = cut-5000, cut-5000-1000*rapid.Int64Range(-1e3, 1e5).Draw(t, "transit")
			nextStats.Last = price.Draw(t, "last")
			nextStats.Day = bars.Totals{Open: nextBar.Open, High: nextBar.High, Low: nextBar.Low, Volume: nextBar.Volume, Trades: nextBar.Trades, Turnover: nextBar.Turnover}
			nextStats.SessionStart = 86400
			nextStats.Venue = market.Statistics{Mark: price.Draw(t, "mark"), Has: market.HasMark}
			nextStats.IngestTime, nextStats.ExchangeTime = nextBar.IngestTime, nextBar.ExchangeTime
			sum := wire.TradeSummary{}
			sum.Add(&market.Trade{Price: nextBar.Close, Size: 7, IngestTime: cut, ExchangeTime: cut, Position: market.Position{Epoch: 1, Sequence: market.Sequence(i + 1)}})
			payload := wire.AppendHeader(nil, wire.Header{CutTime: cut})
			if i == 0 || rapid.Bool().Draw(t, "full") {
				payload = wire.AppendBarFull(payload, 14, &nextBar, cut)
				payload = wire.AppendStatsFull(payload, 16, &nextStats, 7, cut)
			} else {
				payload = wire.AppendBarDelta(payload, 14, &bar, &nextBar, cut)
				payload = wire.AppendStatsDelta(payload, 16, &stats, &nextStats, 7, cut)
			}
			payload = wire.AppendTradeSummary(payload, 17, &sum, cut)
			bar, stats = nextBar, nextStats
			f := &feedv1.ServerFrame{}
			if err := proto.Unmarshal(payload, f); err != nil {
				t.Fatal(err)
			}
			u := mustApply(t, m, f)
			want := Bar{
				Start: bar.Start, Open: bar.Open, High: bar.High, Low: bar.Low, Close: bar.Close, VWAP: bar.Turnover.Over(bar.Volume),
				Volume: bar.Volume, Trades: bar.Trades, IngestTime: bar.IngestTime, ExchangeTime: bar.ExchangeTime,
			}
			if got := m.Bars("x:BTC", 60); len(got) != 1 || got[0] != want {
				t.Fatalf("bars\n got %+v\nwant %+v", got, want)
			}
			got := u.Stats[0].Stats
			if got.Last != stats.Last || got.Day.High != bar.High || got.Day.Trades != bar.Trades || got.Venue.Mark != stats.Venue.Mark ||
				got.Day.Turnover != amount(string(bar.Turnover.AppendText(nil, 7))) || got.ExchangeTime != bar.ExchangeTime {
				t.Fatalf("statistics\n got %+v\nwant %+v", got, stats)
			}
			var tf wire.TextFrame
			tf.Bar(&in, 60, &bar)
			tf.Stats(&in, &stats)
			tf.TradeSummary(&in, &sum)
			tu := mustApply(t, text, textFrame(t, &tf, cut))
			if tu.Bars[0].Bar != want || tu.Stats[0].Stats != got || tu.Summaries[0].Summary != u.Summaries[0].Summary {
				t.Fatalf("text\n got %+v %+v %+v\nwant %+v %+v %+v", tu.Bars[0].Bar, tu.Stats[0].Stats, tu.Summaries, want, got, u.Summaries)
			}
		}
	})
}
