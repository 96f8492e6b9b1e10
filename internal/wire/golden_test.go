package wire

import (
	"encoding/json"
	"flag"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/market"
)

var update = flag.Bool("update", false, "write testdata/golden.jsonl anew")

// Handles of the views in the golden frames.
const (
	goldenQuote market.Handle = iota + 1
	goldenTrade
	goldenBook
	goldenBar
	goldenStats
	goldenSummary
)

// goldenFrame is a frame with what a client holds once it has applied it, of the channels that the frame has rows of. Clients
// in other languages are tested by it. Numbers that outgrow 2^53 are text.
type goldenFrame struct {
	Frame []byte `json:"frame"` // base64
	Holds struct {
		Quote   *market.Quote      `json:"quote,omitempty"`
		Trades  []goldenTradeState `json:"trades,omitempty"` // those in the frame
		Book    *goldenBookState   `json:"book,omitempty"`
		Bar     *goldenBarState    `json:"bar,omitempty"`
		Stats   *goldenStatsState  `json:"stats,omitempty"`
		Summary *TradeSummary      `json:"summary,omitempty"`
	} `json:"holds"`
}

type goldenTradeState struct {
	Price, Size, ExchangeTime, IngestTime int64
	Aggressor                             market.Side
	Kind                                  market.TradeKind
	RefersTo, Sequence                    market.Sequence
	ID                                    uint64       `json:",string"`
	Epoch                                 market.Epoch `json:",string"`
}

type goldenBookState struct {
	Bids, Asks []market.Level
}

type goldenBarState struct {
	market.Bar
	VWAP int64
}

type goldenStatsState struct {
	bars.Statistics
	DayVWAP, SessionVWAP         int64
	DayTurnover, SessionTurnover string
}

// golden makes a story of frames as a session would be sent them: each channel begins with a full row and goes on with
// differences, and now and then another full row comes, as after a missed cut. Times are whole milliseconds.
type golden struct {
	*rand.Rand
	cut     int64
	quote   market.Quote
	trade   market.Trade
	book    [2]map[int64]int64
	transit int32
	bar     market.Bar
	stats   bars.Statistics
}

const goldenScale = 2

func (g *golden) next(n int) (f goldenFrame) {
	g.cut += 1000 * int64(1+g.IntN(5000))
	full := n == 0 || g.IntN(6) == 0
	for _, rows := range []func(f *goldenFrame, full bool){g.quotes, g.trades, g.books, g.bars, g.statistics, g.summary} {
		if n == 0 || g.IntN(3) > 0 {
			rows(&f, full)
		}
	}
	f.Frame = AppendHeader(f.Frame, Header{CutTime: g.cut, Conflated: uint64(g.IntN(9)), Partial: g.IntN(5) == 0})
	return f
}

// price is near the one before, or anywhere that a client can hold.
func (g *golden) price(before int64) int64 {
	if g.IntN(8) == 0 {
		return g.Int64N(1<<52) - 1<<51
	}
	return before + g.Int64N(21) - 10
}

// times are those of a tick: ingest, and the exchange's or 0.
func (g *golden) times() (exchange, ingest int64) {
	ingest = g.cut - 1000*g.Int64N(400)
	if g.IntN(4) > 0 {
		exchange = ingest - 1000*(g.Int64N(120)-20)
	}
	return exchange, ingest
}

func (g *golden) quotes(f *goldenFrame, full bool) {
	before := g.quote
	q := &g.quote
	q.Position = market.Position{Epoch: 7, Sequence: q.Position.Sequence + 1 + market.Sequence(g.IntN(4))}
	q.Has = market.Has(g.IntN(8))
	q.Bid, q.BidSize, q.Ask, q.AskSize = 0, 0, 0, 0
	if q.Has&market.HasBid != 0 {
		q.Bid, q.BidSize = g.price(before.Bid), g.Int64N(1<<40)
	}
	if q.Has&market.HasAsk != 0 {
		q.Ask, q.AskSize = g.price(before.Ask), g.Int64N(100)
	}
	q.ExchangeTime, q.IngestTime = g.times()
	if q.Has &^= market.HasExchangeTime; q.ExchangeTime != 0 {
		q.Has |= market.HasExchangeTime
	}
	held := *q
	f.Holds.Quote = &held
	if full {
		f.Frame = AppendQuoteFull(f.Frame, goldenQuote, q, g.cut)
	} else {
		f.Frame = AppendQuoteDelta(f.Frame, goldenQuote, &before, q, g.cut)
	}
}

func (g *golden) trades(f *goldenFrame, full bool) {
	for range 1 + g.IntN(3) {
		before := g.trade
		t := &g.trade
		t.Position = market.Position{Epoch: 1<<60 + 7, Sequence: t.Position.Sequence + 1}
		t.Price, t.Size = g.price(before.Price), g.Int64N(1<<45)
		t.ExchangeTime, t.IngestTime = g.times()
		t.Aggressor, t.Kind = market.Side(g.IntN(3)), market.TradeKind(g.IntN(3))
		t.RefersTo = 0
		if t.Kind != 0 {
			t.RefersTo = market.Sequence(1 + g.Int64N(1<<40))
		}
		switch g.IntN(4) {
		case 0:
			t.ID = g.Uint64()
		case 1:
			t.ID = 0
		default:
			t.ID++
		}
		f.Holds.Trades = append(f.Holds.Trades, goldenTradeState{
			Price: t.Price, Size: t.Size, ExchangeTime: t.ExchangeTime, IngestTime: t.IngestTime, Aggressor: t.Aggressor, Kind: t.Kind,
			RefersTo: t.RefersTo, Sequence: t.Position.Sequence, ID: t.ID, Epoch: t.Position.Epoch,
		})
		if full {
			f.Frame = AppendTradeFull(f.Frame, goldenTrade, t)
			full = false
		} else {
			f.Frame = AppendTradeDelta(f.Frame, goldenTrade, &before, t)
		}
	}
}

func (g *golden) books(f *goldenFrame, full bool) {
	changed := [2]map[int64]int64{{}, {}}
	for side := range g.book {
		for range g.IntN(6) {
			price, size := g.Int64N(30)-15, g.Int64N(4)
			changed[side][price] = size
			if size == 0 {
				delete(g.book[side], price)
			} else {
				g.book[side][price] = size
			}
		}
	}
	row := BookRow{Handle: goldenBook, Full: full, TransitBefore: g.transit, Position: market.Position{Epoch: 3, Sequence: 1 + market.Sequence(g.IntN(1e6))}}
	row.ExchangeTime, row.IngestTime = g.times()
	g.transit = BookTransit(row.ExchangeTime, row.IngestTime)
	bids, asks := sorted(g.book[0], true), sorted(g.book[1], false)
	row.Checksum, row.HasChecksum = goldenChecksum(bids, asks), g.IntN(2) == 0
	f.Holds.Book = &goldenBookState{Bids: bids, Asks: asks}
	switch {
	case !full:
		f.Frame = AppendBook(f.Frame, &row, sorted(changed[0], true), sorted(changed[1], false), g.cut)
	case len(bids) < 2:
		f.Frame = AppendBook(f.Frame, &row, bids, asks, g.cut)
	default:
		first := row
		first.Partial, first.HasChecksum = true, false
		f.Frame = AppendBook(f.Frame, &first, bids[:1], asks, g.cut)
		f.Frame = AppendBook(f.Frame, &row, bids[1:], nil, g.cut)
	}
}

// sorted returns the levels, the best first.
func sorted(levels map[int64]int64, bids bool) []market.Level {
	list := []market.Level{}
	for price, size := range levels {
		list = append(list, market.Level{Price: price, Size: size})
	}
	slices.SortFunc(list, func(a, b market.Level) int {
		if bids {
			a, b = b, a
		}
		return int(a.Price - b.Price)
	})
	return list
}

// goldenChecksum follows the words of PROTOCOL.md.
func goldenChecksum(sides ...[]market.Level) uint32 {
	var b []byte
	for _, levels := range sides {
		for _, level := range levels[:min(100, len(levels))] {
			for _, v := range []int64{level.Price, level.Size} {
				for shift := 0; shift < 64; shift += 8 {
					b = append(b, byte(v>>shift))
				}
			}
		}
	}
	return crc32.ChecksumIEEE(b)
}

func (g *golden) bars(f *goldenFrame, full bool) {
	before := g.bar
	bar := &g.bar
	if begins := g.IntN(4) == 0; full || begins {
		full = true
		*bar = market.Bar{Start: before.Start + 60, Open: g.price(before.Open)}
		bar.Low, bar.High = bar.Open, bar.Open
	}
	bar.Close = bar.Open + g.Int64N(41) - 20
	bar.High, bar.Low = max(bar.High, bar.Close), min(bar.Low, bar.Close)
	traded := 1 + g.Int64N(1000)
	bar.Volume, bar.Trades = bar.Volume+traded, bar.Trades+1
	bar.Turnover = bar.Turnover.Plus(market.Times(bar.Close, traded))
	bar.Closed = g.IntN(4) == 0
	bar.ExchangeTime, bar.IngestTime = g.times()
	f.Holds.Bar = &goldenBarState{Bar: *bar, VWAP: bar.Turnover.Over(bar.Volume)}
	if full {
		f.Frame = AppendBarFull(f.Frame, goldenBar, bar, g.cut)
	} else {
		f.Frame = AppendBarDelta(f.Frame, goldenBar, &before, bar, g.cut)
	}
}

func (g *golden) statistics(f *goldenFrame, full bool) {
	before := g.stats
	s := &g.stats
	s.Last = g.price(before.Last)
	for _, t := range []*bars.Totals{&s.Day, &s.Session} {
		t.Open, t.High, t.Low = g.price(t.Open), g.price(t.High), g.price(t.Low)
		traded := 1 + g.Int64N(1e9)
		t.Volume, t.Trades = t.Volume+traded, t.Trades+1
		t.Turnover = t.Turnover.Plus(market.Times(1<<40, traded))
	}
	s.SessionStart = 1_767_225_600 + 86_400*g.Int64N(3)
	s.ExchangeTime, s.IngestTime = g.times()
	if g.IntN(3) == 0 {
		s.Venue = market.Statistics{Has: market.HasStatistics(g.IntN(64))}
		for n, v := range []*int64{&s.Venue.PreviousClose, &s.Venue.Settlement, &s.Venue.Mark, &s.Venue.Index, &s.Venue.OpenInterest, &s.Venue.FundingRateE8} {
			if s.Venue.Has&(1<<n) != 0 {
				*v = g.price(100)
			}
		}
	}
	f.Holds.Stats = &goldenStatsState{
		Statistics: *s, DayVWAP: s.Day.VWAP(), SessionVWAP: s.Session.VWAP(),
		DayTurnover: string(s.Day.Turnover.AppendText(nil, goldenScale)), SessionTurnover: string(s.Session.Turnover.AppendText(nil, goldenScale)),
	}
	if full {
		f.Frame = AppendStatsFull(f.Frame, goldenStats, s, goldenScale, g.cut)
	} else {
		f.Frame = AppendStatsDelta(f.Frame, goldenStats, &before, s, goldenScale, g.cut)
	}
}

func (g *golden) summary(f *goldenFrame, _ bool) {
	var s TradeSummary
	for range 1 + g.IntN(4) {
		t := market.Trade{Price: g.price(100), Size: g.Int64N(1000), Position: market.Position{Epoch: 5, Sequence: 1 + market.Sequence(g.IntN(1e6))}}
		t.ExchangeTime, t.IngestTime = g.times()
		s.Add(&t)
	}
	f.Holds.Summary = &s
	f.Frame = AppendTradeSummary(f.Frame, goldenSummary, &s, g.cut)
}

// The frames in testdata/golden.jsonl are what this code makes, byte for byte. The JavaScript client's tests read them.
func TestGoldenFrames(t *testing.T) {
	g := golden{Rand: rand.New(rand.NewPCG(1, 2)), cut: 1_767_225_600_000_000, book: [2]map[int64]int64{{}, {}}, bar: market.Bar{Start: 1_767_225_600}}
	var text []byte
	for n := range 80 {
		line, err := json.Marshal(g.next(n))
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	path := filepath.Join("testdata", "golden.jsonl")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(text) {
		t.Fatalf("%s is not what the code makes: if the wire is meant to be another, run go test ./internal/wire -run Golden -update", path)
	}
}
