package client

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/client/quoterow"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Handles of the session that the tests play with.
const (
	btcQuote  = 1
	btcTrade  = 2
	btcStatus = 3
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// subscribed returns a model that was told of x:BTC, quotes and trades, granted.
func subscribed(t tester) *Model {
	t.Helper()
	m := NewModel()
	mustApply(t, m, &feedv1.ServerFrame{
		Subscribed: &feedv1.Subscribed{
			Instruments: []*feedv1.Instrument{{Symbol: "x:BTC", PriceScale: 2, SizeScale: 5, Source: "x", StatusHandle: btcStatus}},
			Results: []*feedv1.SubscribeResult{
				{Symbol: "x:BTC", Channel: "quote", Handle: btcQuote},
				{Symbol: "x:BTC", Channel: "trade", Handle: btcTrade},
			},
		},
		Grants: []*feedv1.Grant{{Handles: []uint32{btcQuote, btcTrade}, CadenceMs: 250}},
	})
	return m
}

func mustApply(t tester, m *Model, f *feedv1.ServerFrame) Update {
	t.Helper()
	u, err := m.Apply(f)
	if err != nil {
		t.Fatalf("frame %v: %v", prototext.Format(f), err)
	}
	return u
}

// frame reads a frame as text, in which a row of a quote may be written as if it were a message.
func frame(t tester, text string) *feedv1.ServerFrame {
	t.Helper()
	f := &feedv1.ServerFrame{}
	text = quoteText.ReplaceAllStringFunc(text, func(row string) string { return quoteNumbers(t, row) })
	if err := prototext.Unmarshal([]byte(text), f); err != nil {
		t.Fatal(err)
	}
	if f.CutTimeUs == 0 && hasRows(f) {
		f.CutTimeUs = 1_700_000_000_000_000
	}
	return f
}

var (
	quoteText = regexp.MustCompile(`quotes \{[^}]*\}`)
	fieldText = regexp.MustCompile(`(\w+): (-?\d+)`)
)

func quoteNumbers(t tester, text string) string {
	var r quoterow.Row
	for _, field := range fieldText.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.ParseInt(field[2], 10, 64)
		switch field[1] {
		case "handle":
			r.Handle = uint32(n)
		case "bid":
			r.Bid = n
		case "bid_size":
			r.BidSize = n
		case "spread":
			r.Spread = n
		case "ask_size":
			r.AskSize = n
		case "age_ms":
			r.AgeMs = uint32(n)
		case "transit_ms":
			r.TransitMs = int32(n)
		case "has":
			has := uint32(n)
			r.Has = &has
		case "sequence":
			r.Sequence = uint64(n)
		case "epoch":
			r.Epoch = uint64(n)
		default:
			t.Fatalf("a quote has no %s", field[1])
		}
	}
	return "quotes: " + strings.ReplaceAll(fmt.Sprint(quoterow.Numbers(r)), " ", ", ")
}

func TestQuoteDifferencesAddUp(t *testing.T) {
	m := subscribed(t)
	mustApply(t, m, frame(t, `cut_time_us: 1000000 quotes {handle: 1 bid: 6183763 bid_size: 100 spread: 1 ask_size: 7 age_ms: 20 transit_ms: 30 has: 7 sequence: 5 epoch: 9}`))
	u := mustApply(t, m, frame(t, `cut_time_us: 2000000 quotes {handle: 1 bid: -3 ask_size: 5 age_ms: 10 transit_ms: -5}`))
	want := market.Quote{
		Bid: 6183760, BidSize: 100, Ask: 6183761, AskSize: 12, Has: market.HasBid | market.HasAsk | market.HasExchangeTime,
		IngestTime: 2000000 - 10_000, ExchangeTime: 2000000 - 10_000 - 25_000, Position: market.Position{Epoch: 9, Sequence: 5},
	}
	if got := u.Quotes[0]; got.Quote != want || got.Full || got.Symbol != "x:BTC" {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, _ := m.Quote("x:BTC"); got != want {
		t.Errorf("the model holds %+v", got)
	}
}

func TestTradesCountUpAndReportsStandBetween(t *testing.T) {
	m := subscribed(t)
	u := mustApply(t, m, frame(t, `
		trades {handle: 2 price: 100 size: 3 aggressor: SIDE_BUY exchange_time_us: 5000000 transit_ms: 4 id: 70 sequence: 1 epoch: 9}
		trades {handle: 2 price: -1 size: 2 aggressor: SIDE_SELL exchange_time_us: 1000 transit_ms: 1}
		trades {handle: 2 price: 105 size: 1 id: 90 sequence: 6 epoch: 9}
		losses {handle: 2 from: 3 to: 4 epoch: 9}
		gaps {handle: 2 from: 5 to: 5 epoch: 9}
		gaps {handle: 2 from: 7 to: 8 epoch: 9}`))
	var got []string
	for _, e := range u.Trades {
		switch e.Kind {
		case Traded:
			got = append(got, "trade "+string(market.AppendDecimal(nil, int64(e.Trade.Position.Sequence), 0)))
		case Lost:
			got = append(got, "lost")
		case Gap:
			got = append(got, "gap")
		}
	}
	if want := []string{"trade 1", "trade 2", "lost", "gap", "trade 6", "gap"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	want := market.Trade{
		Price: 99, Size: 2, Aggressor: market.SideSell, ExchangeTime: 5001000, IngestTime: 5006000, ID: 71,
		Position: market.Position{Epoch: 9, Sequence: 2},
	}
	if u.Trades[1].Trade != want {
		t.Errorf("second trade\n got %+v\nwant %+v", u.Trades[1].Trade, want)
	}
	if p, _ := m.TradePosition("x:BTC"); p != (market.Position{Epoch: 9, Sequence: 8}) {
		t.Errorf("position %v, want 9/8", p)
	}
}

func TestBrokenPromisesAreNoticed(t *testing.T) {
	const quote5 = `quotes {handle: 1 bid: 1 has: 1 sequence: 5 epoch: 9}`
	const trade5 = `trades {handle: 2 price: 1 size: 1 sequence: 5 epoch: 9}`
	for _, c := range []struct {
		name   string
		frames []string
		want   string
	}{
		{"quote difference first", []string{`quotes {handle: 1 bid: 1}`}, "a difference without a full row before it"},
		{"trade difference first", []string{`trades {handle: 2 price: 1 size: 1}`}, "a difference without a full row before it"},
		{"handle out of nowhere", []string{`quotes {handle: 77 bid: 1}`}, "handle 77, which no answer named"},
		{"handle of another channel", []string{`quotes {handle: 2 bid: 1}`}, "stands for trade of x:BTC"},
		{"quote goes back", []string{quote5, `quotes {handle: 1 bid: 1 has: 1 sequence: 4 epoch: 9}`}, "went back"},
		{"quote epoch goes back", []string{quote5, `quotes {handle: 1 bid: 1 has: 1 sequence: 9 epoch: 8}`}, "went back"},
		{"bid where there is none", []string{`quotes {handle: 1 bid: 1 has: 2 sequence: 1}`}, "where there is none"},
		{"ask size where there is none", []string{`quotes {handle: 1 ask_size: 1 has: 1 sequence: 1}`}, "where there is no ask"},
		{"half a quote", []string{`quotes: [1, 3, 7]`}, "numbers left"},
		{"full row without has", []string{`quotes {handle: 1 bid: 1 sequence: 1}`}, "does not say what there is"},
		{"trade leaves one out", []string{trade5, `trades {handle: 2 price: 1 size: 1 sequence: 7 epoch: 9}`}, "nothing told of 6 to 6"},
		{"trade comes twice", []string{trade5, trade5}, "went back"},
		{"loss leaves one out", []string{trade5, `losses {handle: 2 from: 7 to: 8 epoch: 9}`}, "nothing told of 6 to 6"},
		{"loss of what was sent", []string{trade5, `losses {handle: 2 from: 5 to: 8 epoch: 9}`}, "went back"},
		{"difference behind a gap", []string{trade5, `gaps {handle: 2 from: 6 to: 6 epoch: 9}`, `trades {handle: 2 price: 1 size: 1}`}, "went back"},
		{"empty range", []string{trade5, `gaps {handle: 2 from: 6 to: 5 epoch: 9}`}, "missing trades 6 to 5"},
		{"row behind the unsubscribe", []string{`unsubscribed {handles: 1}`, quote5}, "behind its unsubscribe"},
		{"result of something unknown", []string{`subscribed {results {symbol: "x:ETH" channel: "quote" handle: 8}}`}, "of which nothing was told"},
		{"row ahead of its grant", []string{`subscribed {instruments {symbol: "x:ETH" status_handle: 18} results {symbol: "x:ETH" channel: "quote" handle: 8}}`, `quotes {handle: 8 has: 0 sequence: 1}`}, "ahead of its grant"},
		{"difference over an unsubscribe", []string{
			quote5, `unsubscribed {handles: 1}`, `subscribed {results {symbol: "x:BTC" channel: "quote" handle: 1}} grants {handles: 1}`,
			`quotes {handle: 1 bid: 1}`,
		}, "a difference without a full row before it"},
		{"one handle for two", []string{`subscribed {results {symbol: "x:BTC" channel: "status" handle: 1}}`}, "does not stand for it alone"},
		{"two handles for one", []string{`subscribed {results {symbol: "x:BTC" channel: "quote" handle: 9}}`}, "does not stand for it alone"},
		{"form of another channel", []string{`subscribed {results {symbol: "x:BTC" channel: "quote" handle: 9 depth: 5}}`}, "no form of quote"},
		{"depth that does not exist", []string{`subscribed {results {symbol: "x:BTC" channel: "book" handle: 9 depth: 7}}`}, "no form of book"},
		{"bar of no length", []string{`subscribed {results {symbol: "x:BTC" channel: "bar" handle: 9}}`}, "no form of bar"},
		{"scales that change", []string{`instruments {symbol: "x:BTC" price_scale: 3 size_scale: 5}`}, "scales went"},
		{"asset class out of nowhere", []string{`instruments {symbol: "x:BTC" price_scale: 2 size_scale: 5 asset_class: "cheese"}`}, "asset class"},
		{"status of nobody", []string{`statuses {handle: 44}`}, "handle 44"},
		{"bad decimal", []string{`quote_texts {symbol: "x:BTC" bid: "1.234" bid_size: "1" sequence: 1}`}, "more than 2 decimals"},
		{"bad time", []string{`quote_texts {symbol: "x:BTC" ingest_time: "noon" sequence: 1}`}, "not RFC 3339"},
		{"text without a sequence", []string{`trade_texts {symbol: "x:BTC" price: "1" size: "1"}`}, "without a sequence"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := subscribed(t)
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
	t.Run("rows without a cut time", func(t *testing.T) {
		f := frame(t, quote5)
		f.CutTimeUs = 0
		if _, err := subscribed(t).Apply(f); err == nil {
			t.Error("accepted")
		}
	})
}

func TestResumedTradesMustContinue(t *testing.T) {
	results := `subscribed {instruments {symbol: "x:ETH" status_handle: 18} results {symbol: "x:ETH" channel: "trade" handle: 8}} grants {handles: 8}`
	for _, c := range []struct{ name, rows, want string }{
		{"next", `trades {handle: 8 price: 1 size: 1 sequence: 11 epoch: 9}`, ""},
		{"gap, then later", `gaps {handle: 8 from: 11 to: 12 epoch: 9} trades {handle: 8 price: 1 size: 1 sequence: 13 epoch: 9}`, ""},
		{"new epoch", `trades {handle: 8 price: 1 size: 1 sequence: 1 epoch: 10}`, ""},
		{"unexplained", `trades {handle: 8 price: 1 size: 1 sequence: 12 epoch: 9}`, "nothing told of 11 to 11"},
		{"nothing new: the last one again", `trades {handle: 8 price: 1 size: 1 sequence: 10 epoch: 9}`, ""},
		{"that one and the next", `trades {handle: 8 price: 1 size: 1 sequence: 10 epoch: 9} trades {handle: 8 price: 1 size: 1}`, ""},
		{"that one twice", `trades {handle: 8 price: 1 size: 1 sequence: 10 epoch: 9} trades {handle: 8 price: 1 size: 1 sequence: 10 epoch: 9}`, "went back"},
		{"older", `trades {handle: 8 price: 1 size: 1 sequence: 9 epoch: 9}`, "went back"},
		{"recovered, and there they are", `gaps {handle: 8 from: 11 to: 12 epoch: 9 recovered: true} trades {handle: 8 price: 1 size: 1 sequence: 11 epoch: 9} trades {handle: 8 price: 1 size: 1}`, ""},
		{"recovered, and one is missing", `gaps {handle: 8 from: 11 to: 12 epoch: 9 recovered: true} trades {handle: 8 price: 1 size: 1 sequence: 12 epoch: 9}`, "nothing told of 11 to 11"},
		{"what is there is recovered", `gaps {handle: 8 from: 10 to: 12 epoch: 9 recovered: true}`, "are told to be recovered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := subscribed(t)
			m.Resume("x:ETH", market.Position{Epoch: 9, Sequence: 10})
			mustApply(t, m, frame(t, results))
			_, err := m.Apply(frame(t, c.rows))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	m := subscribed(t)
	u := mustApply(t, m, frame(t, `
		statuses {handle: 3 stream: STREAM_OPEN quality: QUALITY_SUSPECT trading: TRADING_HALTED reason: "gap"}
		source_statuses {source: "x" stream: STREAM_OPEN quality: QUALITY_OK}`))
	if want := (StatusRow{"x:BTC", market.Status{
		Stream: market.StreamOpen, Quality: market.QualitySuspect, Trading: market.TradingHalted, Reason: "gap",
	}}); u.Statuses[0] != want {
		t.Errorf("got %+v, want %+v", u.Statuses[0], want)
	}
	if st, ok := m.Source("x"); !ok || st.Quality != market.QualityOK {
		t.Errorf("source x is %+v", st)
	}
}

// Whatever quotes and trades the encoder of the server writes, the model reads back.
func TestModelReadsWhatWireWrites(t *testing.T) {
	const cut = int64(1_700_000_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		m := subscribed(t)
		var quote market.Quote
		var trade market.Trade
		for i := range rapid.IntRange(1, 20).Draw(t, "frames") {
			payload := wire.AppendHeader(nil, wire.Header{CutTime: cut})
			next := drawQuote(t, cut, market.Sequence(i+1))
			if i == 0 || rapid.Bool().Draw(t, "full") {
				payload = wire.AppendQuoteFull(payload, btcQuote, &next, cut)
			} else {
				payload = wire.AppendQuoteDelta(payload, btcQuote, &quote, &next, cut)
				next.Position = quote.Position
			}
			quote = next
			sold := drawTrade(t, cut, market.Sequence(i+1))
			if i == 0 || rapid.Bool().Draw(t, "full trade") {
				payload = wire.AppendTradeFull(payload, btcTrade, &sold)
			} else {
				payload = wire.AppendTradeDelta(payload, btcTrade, &trade, &sold)
			}
			trade = sold
			f := &feedv1.ServerFrame{}
			if err := proto.Unmarshal(payload, f); err != nil {
				t.Fatal(err)
			}
			u := mustApply(t, m, f)
			if got := u.Quotes[0].Quote; got != quote {
				t.Fatalf("quote\n got %+v\nwant %+v", got, quote)
			}
			if got := u.Trades[0].Trade; got != trade {
				t.Fatalf("trade\n got %+v\nwant %+v", got, trade)
			}
		}
	})
}

// Times are whole milliseconds ahead of the cut, which is what the wire carries.
func drawQuote(t *rapid.T, cut int64, seq market.Sequence) (q market.Quote) {
	value := rapid.Int64Range(-1e15, 1e15)
	q.Has = market.Has(rapid.IntRange(0, 7).Draw(t, "has"))
	if q.Has&market.HasBid != 0 {
		q.Bid, q.BidSize = value.Draw(t, "bid"), value.Draw(t, "bid size")
	}
	if q.Has&market.HasAsk != 0 {
		q.Ask, q.AskSize = value.Draw(t, "ask"), value.Draw(t, "ask size")
	}
	q.IngestTime = cut - 1000*rapid.Int64Range(0, 1e6).Draw(t, "age")
	if q.Has&market.HasExchangeTime != 0 {
		q.ExchangeTime = q.IngestTime - 1000*rapid.Int64Range(-1e3, 1e6).Draw(t, "transit")
	}
	q.Position = market.Position{Epoch: 9, Sequence: seq}
	return q
}

func drawTrade(t *rapid.T, cut int64, seq market.Sequence) (r market.Trade) {
	r.Price = rapid.Int64Range(-1e15, 1e15).Draw(t, "price")
	r.Size = rapid.Int64Range(0, 1e15).Draw(t, "size")
	r.ExchangeTime = rapid.SampledFrom([]int64{0, cut - 1, cut - 12345}).Draw(t, "time")
	r.IngestTime = r.ExchangeTime + 1000*rapid.Int64Range(-1e3, 1e6).Draw(t, "transit")
	r.ID = rapid.Uint64().Draw(t, "id")
	r.Aggressor = market.Side(rapid.IntRange(0, 2).Draw(t, "side"))
	r.Kind = market.TradeKind(rapid.IntRange(0, 2).Draw(t, "kind"))
	r.RefersTo = market.Sequence(rapid.Uint64().Draw(t, "refers to"))
	r.Position = market.Position{Epoch: 9, Sequence: seq}
	return r
}

func TestTextRows(t *testing.T) {
	m := subscribed(t)
	u := mustApply(t, m, frame(t, `
		quote_texts {symbol: "x:BTC" bid: "61837.63" bid_size: "0.5" exchange_time: "2024-08-08T00:00:00.000001Z" ingest_time: "2024-08-08T00:00:00.5Z" sequence: 4 epoch: 2}
		trade_texts {symbol: "x:BTC" price: "5" size: "1" aggressor: "sell" kind: "correction" refers_to: 3 id: 8 sequence: 4 epoch: 2}`))
	at := time.Date(2024, 8, 8, 0, 0, 0, 0, time.UTC).UnixMicro()
	wantQuote := market.Quote{
		Bid: 6183763, BidSize: 50000, Has: market.HasBid | market.HasExchangeTime, ExchangeTime: at + 1, IngestTime: at + 500_000,
		Position: market.Position{Epoch: 2, Sequence: 4},
	}
	if got := u.Quotes[0].Quote; got != wantQuote {
		t.Errorf("quote\n got %+v\nwant %+v", got, wantQuote)
	}
	wantTrade := market.Trade{
		Price: 500, Size: 100000, Aggressor: market.SideSell, Kind: market.TradeCorrection, RefersTo: 3, ID: 8,
		Position: market.Position{Epoch: 2, Sequence: 4},
	}
	if got := u.Trades[0].Trade; got != wantTrade {
		t.Errorf("trade\n got %+v\nwant %+v", got, wantTrade)
	}
}
