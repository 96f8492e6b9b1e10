package wire

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/client/quoterow"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func quotes() *rapid.Generator[market.Quote] {
	return rapid.Custom(func(t *rapid.T) market.Quote {
		q := market.Quote{
			Has:        market.Has(rapid.IntRange(0, 7).Draw(t, "has")),
			IngestTime: rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "ingest"),
			Position: market.Position{
				Epoch:    market.Epoch(rapid.Uint64().Draw(t, "epoch")),
				Sequence: market.Sequence(rapid.Uint64Min(1).Draw(t, "sequence")),
			},
		}
		if q.Has&market.HasBid != 0 {
			q.Bid, q.BidSize = rapid.Int64().Draw(t, "bid"), rapid.Int64().Draw(t, "bidSize")
		}
		if q.Has&market.HasAsk != 0 {
			q.Ask, q.AskSize = rapid.Int64().Draw(t, "ask"), rapid.Int64().Draw(t, "askSize")
		}
		if q.Has&market.HasExchangeTime != 0 {
			q.ExchangeTime = q.IngestTime + rapid.Int64Range(-1e12, 1e12).Draw(t, "lag")
		}
		return q
	})
}

func trades() *rapid.Generator[market.Trade] {
	return rapid.Custom(func(t *rapid.T) market.Trade {
		return market.Trade{
			Price: rapid.Int64().Draw(t, "price"), Size: rapid.Int64Min(0).Draw(t, "size"),
			ExchangeTime: rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "exchange"),
			IngestTime:   rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "ingest"),
			ID:           rapid.Uint64().Draw(t, "id"), RefersTo: market.Sequence(rapid.Uint64().Draw(t, "refers")),
			Aggressor: market.Side(rapid.IntRange(0, 2).Draw(t, "side")),
			Kind:      market.TradeKind(rapid.IntRange(0, 2).Draw(t, "kind")),
			Position: market.Position{
				Epoch:    market.Epoch(rapid.Uint64().Draw(t, "epoch")),
				Sequence: market.Sequence(rapid.Uint64Min(1).Draw(t, "sequence")),
			},
		}
	})
}

// official decodes a frame with the generated code and checks that its marshaller makes the same bytes.
func official(t interface{ Fatalf(string, ...any) }, frame []byte) *feedv1.ServerFrame {
	var f feedv1.ServerFrame
	if err := proto.Unmarshal(frame, &f); err != nil {
		t.Fatalf("the official decoder refuses the frame: %v", err)
	}
	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&f)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	if !bytes.Equal(again, frame) {
		t.Fatalf("bytes differ:\nofficial %x\nours     %x", again, frame)
	}
	return &f
}

// applied does to prev what a client does with a row.
func applied(prev market.Quote, row quoterow.Row) market.Quote {
	if row.Sequence != 0 {
		prev = market.Quote{Position: market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}}
	}
	held := spread(&prev)
	prev.Bid += row.Bid
	prev.BidSize += row.BidSize
	prev.AskSize += row.AskSize
	if row.Has != nil {
		prev.Has = market.Has(*row.Has)
	}
	prev.Ask = 0
	if prev.Has&market.HasAsk != 0 {
		prev.Ask = prev.Bid + held + row.Spread
	}
	return prev
}

func TestQuoteRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := market.Handle(rapid.Uint32Min(1).Draw(t, "handle"))
		a, b := quotes().Draw(t, "a"), quotes().Draw(t, "b")
		cut := b.IngestTime + rapid.Int64Range(-1e6, 1e9).Draw(t, "since")

		frame := official(t, joined(AppendQuoteFull(nil, h, &a, cut), AppendQuoteDelta(nil, h, &a, &b, cut)))
		rows, err := quoterow.Read(frame.Quotes)
		if err != nil || len(rows) != 2 || rows[0].Handle != uint32(h) || rows[1].Handle != uint32(h) {
			t.Fatalf("rows: %+v, %v", rows, err)
		}
		full := applied(market.Quote{Bid: 99, Has: 7}, rows[0])
		if full.Bid != a.Bid || full.BidSize != a.BidSize || full.Ask != a.Ask || full.AskSize != a.AskSize ||
			full.Has != a.Has || full.Position != a.Position {
			t.Fatalf("full row gives %+v, want %+v", full, a)
		}
		diff := applied(full, rows[1])
		if diff.Bid != b.Bid || diff.BidSize != b.BidSize || diff.Ask != b.Ask || diff.AskSize != b.AskSize || diff.Has != b.Has {
			t.Fatalf("difference gives %+v, want %+v", diff, b)
		}
		if b.Has&market.HasExchangeTime != 0 && cut >= b.IngestTime {
			transit := int64(rows[0].TransitMs) + int64(rows[1].TransitMs)
			arrived := cut - int64(rows[1].AgeMs)*1000
			if got := arrived - transit*1000; got < b.ExchangeTime-1000 || got > b.ExchangeTime+2000 {
				t.Fatalf("exchange time comes out as %d, want about %d", got, b.ExchangeTime)
			}
		}
	})
}

// joined is a frame of fragments that share an arena, which has no room behind them.
func joined(fragments ...[]byte) []byte {
	var arena []byte
	var pieces []Piece
	var all []uint32
	for n, f := range fragments {
		pieces = append(pieces, Piece{uint32(len(arena)), uint32(len(arena) + len(f))})
		arena, all = append(arena, f...), append(all, uint32(n))
	}
	return AppendJoined(nil, slices.Clip(arena), pieces, all)
}

// However many quotes stand side by side, their lists hold them all in order, and nothing else is touched.
func TestQuotesAreJoined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fragments [][]byte
		for i := range rapid.IntRange(0, 60).Draw(t, "rows") {
			var fragment []byte
			q := quotes().Draw(t, "quote")
			switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case kind == 0:
				tr := trades().Draw(t, "trade")
				fragment = AppendTradeFull(nil, market.Handle(i), &tr)
			case kind < 5: // of any length, mostly long
				fragment = AppendQuoteFull(nil, market.Handle(i), &q, q.IngestTime)
			default: // as most are that a cut makes
				next := q
				next.Bid += rapid.Int64Range(-300, 300).Draw(t, "step")
				fragment = AppendQuoteDelta(nil, market.Handle(i), &q, &next, q.IngestTime)
			}
			fragments = append(fragments, fragment)
		}
		frame, apart := joined(fragments...), slices.Concat(fragments...)
		var got, want feedv1.ServerFrame
		if err := proto.Unmarshal(frame, &got); err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(apart, &want); err != nil || !proto.Equal(&got, &want) || len(frame) > len(apart) {
			t.Fatalf("%v (%d bytes), apart %v (%d bytes), %v", &got, len(frame), &want, len(apart), err)
		}
	})
}

func TestTradeRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := market.Handle(rapid.Uint32Min(1).Draw(t, "handle"))
		a, b := trades().Draw(t, "a"), trades().Draw(t, "b")
		frame := official(t, AppendTradeDelta(AppendTradeFull(nil, h, &a), h, &a, &b))
		var price, exchange, transit int64
		var id uint64
		for i, want := range []market.Trade{a, b} {
			row := frame.Trades[i]
			price += row.Price
			exchange += row.ExchangeTimeUs
			transit += row.TransitMs
			if id != 0 {
				id++
			}
			id += uint64(row.Id)
			if price != want.Price || row.Size != uint64(want.Size) || exchange != want.ExchangeTime || id != want.ID ||
				row.Aggressor != feedv1.Side(want.Aggressor) || row.Kind != feedv1.TradeKind(want.Kind) || row.RefersTo != uint64(want.RefersTo) {
				t.Fatalf("row %d: %v gives price %d exchange %d id %d, want %+v", i, row, price, exchange, id, want)
			}
			if arrived := exchange + 1000*transit; arrived > want.IngestTime || arrived <= want.IngestTime-1000 {
				t.Fatalf("row %d: arrival %d, want %d to the millisecond", i, arrived, want.IngestTime)
			}
		}
		if got := frame.Trades[0]; got.Sequence != uint64(a.Position.Sequence) || got.Epoch != uint64(a.Position.Epoch) {
			t.Fatalf("full row is at %d/%d, want %+v", got.Epoch, got.Sequence, a.Position)
		}
	})
}

func TestStatusesRangesAndHeader(t *testing.T) {
	long := make([]byte, market.MaxReasonLen+40)
	for i := range long {
		long[i] = 'x'
	}
	s := market.Status{Stream: market.StreamOpen, Quality: market.QualitySuspect, Trading: market.TradingHalted, Reason: string(long)}
	var b []byte
	b = AppendStatus(b, 300, &s)
	b = append(b, AppendHeader(nil, Header{CutTime: 1700000000123456, Conflated: 7, Partial: true, Delay: 900_000})...)
	frame := feedv1.ServerFrame{}
	if err := proto.Unmarshal(b, &frame); err != nil {
		t.Fatal(err)
	}
	if frame.CutTimeUs != 1700000000123456 || frame.Conflated != 7 || !frame.Partial || frame.Statuses[0].Reason != s.Reason ||
		frame.Statuses[0].Trading != feedv1.Trading_TRADING_HALTED {
		t.Fatalf("%v", &frame)
	}
	b = AppendSourceStatus(nil, "binance", &s)
	b = AppendLost(b, 3, Range{Epoch: 9, From: 10, To: 20})
	b = AppendGap(b, 4, Range{Epoch: 9, From: 21, To: 21})
	f := official(t, b)
	if f.Losses[0].To != 20 || f.Gaps[0].From != 21 || f.SourceStatuses[0].Quality != feedv1.Quality_QUALITY_SUSPECT {
		t.Fatalf("%v", f)
	}
	if hb := official(t, AppendHeartbeat(nil, 55)); hb.Heartbeat.GetServerTimeUs() != 55 {
		t.Fatalf("%v", hb)
	}
}

// The text form must be what protojson reads as the message that it claims to be.
func TestTextFrame(t *testing.T) {
	in := market.Instrument{Symbol: market.Symbol{Venue: "test", Name: `A"\B`}, PriceScale: 2, SizeScale: 3}
	q := market.Quote{
		Bid: -105, BidSize: 7, Ask: 6183764, AskSize: 1546, Has: 7, ExchangeTime: 1700000000123456, IngestTime: 1700000000125000,
		Position: market.Position{Epoch: 1 << 60, Sequence: 12},
	}
	tr := market.Trade{
		Price: 5, Size: 1, IngestTime: 1700000000125000, ID: 77, Aggressor: market.SideSell, Kind: market.TradeCorrection, RefersTo: 3,
		Position: market.Position{Epoch: 2, Sequence: 4},
	}
	s := market.Status{Stream: market.StreamClosedRetry, Quality: market.QualitySyncing, Trading: market.TradingPreOpen, Reason: "a\nb"}
	var f TextFrame
	f.Quote(&in, &q)
	mark := f.Mark()
	f.Trade(&in, &tr)
	f.Undo(mark)
	f.Quote(&in, &market.Quote{Position: market.Position{Sequence: 1}})
	f.Trade(&in, &tr)
	f.Status(8, &s)
	f.SourceStatus("test", &s)
	f.Lost(8, Range{Epoch: 1, From: 2, To: 3})
	f.Gap(8, Range{Epoch: 1, From: 4, To: 4})
	text := f.Append(nil, Header{CutTime: 5, Conflated: 6, Partial: true, Delay: 900_000})

	var got feedv1.ServerFrame
	if err := protojson.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := &feedv1.ServerFrame{
		CutTimeUs: 5, Conflated: 6, Partial: true, DelayMs: 900_000,
		QuoteTexts: []*feedv1.QuoteText{
			{
				Symbol: `test:A"\B`, Bid: "-1.05", BidSize: "0.007", Ask: "61837.64", AskSize: "1.546",
				ExchangeTime: "2023-11-14T22:13:20.123456Z", IngestTime: "2023-11-14T22:13:20.125000Z", Sequence: 12, Epoch: 1 << 60,
			},
			{Symbol: `test:A"\B`, Sequence: 1},
		},
		TradeTexts: []*feedv1.TradeText{{
			Symbol: `test:A"\B`, Price: "0.05", Size: "0.001", Aggressor: "sell", IngestTime: "2023-11-14T22:13:20.125000Z",
			Id: 77, Sequence: 4, Epoch: 2, Kind: "correction", RefersTo: 3,
		}},
		Statuses: []*feedv1.Status{{Handle: 8, Stream: 3, Quality: 3, Trading: 4, Reason: "a\nb"}},
		SourceStatuses: []*feedv1.SourceStatus{
			{Source: "test", Stream: 3, Quality: 3, Reason: "a\nb"},
		},
		Losses: []*feedv1.Lost{{Handle: 8, From: 2, To: 3, Epoch: 1}},
		Gaps:   []*feedv1.Gap{{Handle: 8, From: 4, To: 4, Epoch: 1}},
	}
	if !proto.Equal(&got, want) {
		t.Fatalf("got  %v\nwant %v", &got, want)
	}
	f.Reset()
	if f.Len() != 0 {
		t.Fatalf("%d bytes after Reset", f.Len())
	}
}

// A delta of a quote in which one size moved must stay within the bytes that the layout was chosen for.
func TestDeltaIsSmall(t *testing.T) {
	a := market.Quote{Bid: 6183763, BidSize: 378826, Ask: 6183764, AskSize: 154698, Has: 3, IngestTime: 1_000_000}
	b := a
	b.BidSize += 1200
	b.IngestTime += 90_000
	if n := len(AppendQuoteDelta(nil, 700, &a, &b, b.IngestTime+10_000)); n > 8 {
		t.Fatalf("%d bytes", n)
	}
}

func BenchmarkQuoteDelta(b *testing.B) {
	p := market.Quote{Bid: 6183763, BidSize: 378826, Ask: 6183764, AskSize: 154698, Has: 3, IngestTime: 1_000_000}
	q := p
	q.BidSize, q.Ask = 5000, 6183768
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendQuoteDelta(buf[:0], 700, &p, &q, 1_050_000)
	}
}
