package wire

import (
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func barValues() *rapid.Generator[market.Bar] {
	return rapid.Custom(func(t *rapid.T) market.Bar {
		b := market.Bar{
			Start: rapid.Int64Range(1, 1<<40).Draw(t, "start"), Open: rapid.Int64().Draw(t, "open"), High: rapid.Int64().Draw(t, "high"),
			Low: rapid.Int64().Draw(t, "low"), Close: rapid.Int64().Draw(t, "close"), Volume: rapid.Int64Min(0).Draw(t, "volume"),
			Trades:     rapid.Int64Min(0).Draw(t, "trades"),
			Turnover:   market.AmountOf(rapid.Int64Range(-9, 9).Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")),
			Closed:     rapid.Bool().Draw(t, "closed"),
			IngestTime: rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "ingest"),
		}
		if rapid.Bool().Draw(t, "exchange") {
			b.ExchangeTime = max(1, b.IngestTime+rapid.Int64Range(-1e12, 1e12).Draw(t, "lag"))
		}
		return b
	})
}

// heldBar is what a client makes of rows.
type heldBar struct {
	market.Bar
	vwap, transit int64
}

func (b *heldBar) apply(row *feedv1.Bar) {
	base := row.Open
	if row.StartS != 0 {
		*b = heldBar{Bar: market.Bar{Start: row.StartS, High: base, Low: base, Close: base}, vwap: base}
	}
	b.Open += row.Open
	b.High += row.High
	b.Low += row.Low
	b.Close += row.Close
	b.Volume += row.Volume
	b.Trades += row.Trades
	b.vwap += row.Vwap
	b.transit += int64(row.TransitMs)
	b.Closed = row.Closed
}

func TestBarRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := market.Handle(rapid.Uint32Min(1).Draw(t, "handle"))
		a, b := barValues().Draw(t, "a"), barValues().Draw(t, "b")
		b.Start = a.Start
		cut := b.IngestTime + rapid.Int64Range(-1e6, 1e9).Draw(t, "since")
		frame := official(t, AppendBarDelta(AppendBarFull(nil, h, &a, cut), h, &a, &b, cut))
		if len(frame.Bars) != 2 || frame.Bars[0].Handle != uint32(h) || frame.Bars[1].Handle != uint32(h) {
			t.Fatalf("rows: %v", frame.Bars)
		}
		held := heldBar{vwap: 7}
		for i, want := range []market.Bar{a, b} {
			row := frame.Bars[i]
			held.apply(row)
			if held.vwap != want.Turnover.Over(want.Volume) {
				t.Fatalf("row %d: vwap %d, want %d", i, held.vwap, want.Turnover.Over(want.Volume))
			}
			if want.ExchangeTime != 0 && cut >= want.IngestTime && row.AgeMs != math.MaxUint32 {
				came := cut - int64(row.AgeMs)*1000
				if got := came - held.transit*1000; got < want.ExchangeTime-1000 || got > want.ExchangeTime+2000 {
					t.Fatalf("row %d: exchange time comes out as %d, want about %d", i, got, want.ExchangeTime)
				}
			}
			want.Turnover, want.ExchangeTime, want.IngestTime = market.Amount{}, 0, 0
			if held.Bar != want {
				t.Fatalf("row %d gives %+v, want %+v", i, held.Bar, want)
			}
		}
	})
}

func totals() *rapid.Generator[bars.Totals] {
	return rapid.Custom(func(t *rapid.T) bars.Totals {
		return bars.Totals{
			Open: rapid.Int64().Draw(t, "open"), High: rapid.Int64().Draw(t, "high"), Low: rapid.Int64().Draw(t, "low"),
			Volume: rapid.Int64Min(0).Draw(t, "volume"), Trades: rapid.Int64Min(0).Draw(t, "trades"),
			Turnover: market.AmountOf(rapid.Int64Range(-9, 9).Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")),
		}
	})
}

func statistics() *rapid.Generator[bars.Statistics] {
	return rapid.Custom(func(t *rapid.T) bars.Statistics {
		s := bars.Statistics{
			Last: rapid.Int64().Draw(t, "last"), Day: totals().Draw(t, "day"), Session: totals().Draw(t, "session"),
			SessionStart: rapid.Int64Range(1, 1<<40).Draw(t, "start"), IngestTime: rapid.Int64Range(0, 1<<60).Draw(t, "ingest"),
			Venue: market.Statistics{Has: market.HasStatistics(rapid.IntRange(0, 63).Draw(t, "has"))},
		}
		s.ExchangeTime = max(1, s.IngestTime-rapid.Int64Range(-1e12, 1e12).Draw(t, "lag"))
		for _, v := range []*int64{
			&s.Venue.PreviousClose, &s.Venue.Settlement, &s.Venue.Mark, &s.Venue.Index, &s.Venue.OpenInterest, &s.Venue.FundingRateE8,
		} {
			*v = rapid.Int64().Draw(t, "value")
		}
		return s
	})
}

// wanted is the full row of s as the generated code has it, but for its age.
func wanted(h market.Handle, s *bars.Statistics, scale uint8) *feedv1.Stats {
	has := uint32(s.Venue.Has)
	row := &feedv1.Stats{
		Handle: uint32(h), Last: s.Last, Open: s.Day.Open, High: s.Day.High, Low: s.Day.Low, Volume: s.Day.Volume, Trades: s.Day.Trades,
		Vwap: s.Day.VWAP(), TransitMs: int32(rowTransit(s.ExchangeTime, s.IngestTime)), SessionOpen: s.Session.Open,
		SessionHigh: s.Session.High, SessionLow: s.Session.Low, SessionVolume: s.Session.Volume, SessionTrades: s.Session.Trades,
		SessionVwap: s.Session.VWAP(), SessionStartS: s.SessionStart, Full: true, Has: &has, PreviousClose: s.Venue.PreviousClose,
		Settlement: s.Venue.Settlement, Mark: s.Venue.Mark, Index: s.Venue.Index, OpenInterest: s.Venue.OpenInterest,
		FundingRateE8: s.Venue.FundingRateE8,
	}
	if s.Day.Turnover != (market.Amount{}) {
		row.Turnover = string(s.Day.Turnover.AppendText(nil, scale))
	}
	if s.Session.Turnover != (market.Amount{}) {
		row.SessionTurnover = string(s.Session.Turnover.AppendText(nil, scale))
	}
	return row
}

// summed does to held what a client does with a row that is a difference.
func summed(held, row *feedv1.Stats) {
	add := func(a *int64, b int64) { *a += b }
	add(&held.Last, row.Last)
	add(&held.Open, row.Open)
	add(&held.High, row.High)
	add(&held.Low, row.Low)
	add(&held.Volume, row.Volume)
	add(&held.Trades, row.Trades)
	add(&held.Vwap, row.Vwap)
	add(&held.SessionOpen, row.SessionOpen)
	add(&held.SessionHigh, row.SessionHigh)
	add(&held.SessionLow, row.SessionLow)
	add(&held.SessionVolume, row.SessionVolume)
	add(&held.SessionTrades, row.SessionTrades)
	add(&held.SessionVwap, row.SessionVwap)
	add(&held.SessionStartS, row.SessionStartS)
	add(&held.PreviousClose, row.PreviousClose)
	add(&held.Settlement, row.Settlement)
	add(&held.Mark, row.Mark)
	add(&held.Index, row.Index)
	add(&held.OpenInterest, row.OpenInterest)
	add(&held.FundingRateE8, row.FundingRateE8)
	held.TransitMs += row.TransitMs
	if row.Has != nil {
		held.Has = row.Has
	}
	if row.Turnover != "" {
		held.Turnover = row.Turnover
	}
	if row.SessionTurnover != "" {
		held.SessionTurnover = row.SessionTurnover
	}
}

func TestStatsRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, scale := market.Handle(rapid.Uint32Min(1).Draw(t, "handle")), uint8(rapid.IntRange(0, 2*market.MaxScale).Draw(t, "scale"))
		a, b := statistics().Draw(t, "a"), statistics().Draw(t, "b")
		if rapid.Bool().Draw(t, "same") {
			b.Session, b.Venue = a.Session, a.Venue
		}
		cut := b.IngestTime + rapid.Int64Range(0, 1e9).Draw(t, "since")
		frame := official(t, AppendStatsDelta(AppendStatsFull(nil, h, &a, scale, cut), h, &a, &b, scale, cut))
		if len(frame.Stats) != 2 || frame.Stats[1].Handle != uint32(h) || frame.Stats[1].Full {
			t.Fatalf("rows: %v", frame.Stats)
		}
		if got := frame.Stats[1].AgeMs; got != uint32((cut-b.IngestTime)/1000) {
			t.Fatalf("age %d of %d µs", got, cut-b.IngestTime)
		}
		held := frame.Stats[0]
		held.AgeMs = 0
		if want := wanted(h, &a, scale); !proto.Equal(held, want) {
			t.Fatalf("full row:\ngot  %v\nwant %v", held, want)
		}
		summed(held, frame.Stats[1])
		want := wanted(h, &b, scale)
		for _, text := range []struct{ got, want *string }{{&held.Turnover, &want.Turnover}, {&held.SessionTurnover, &want.SessionTurnover}} {
			if *text.want == "" && *text.got != "" { // an amount that came to nothing is told as a 0
				*text.want = string(market.Amount{}.AppendText(nil, scale))
			}
		}
		if !proto.Equal(held, want) {
			t.Fatalf("difference:\ngot  %v\nwant %v", held, want)
		}
	})
}

func TestTradeSummaryRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s TradeSummary
		var volume int64
		list := rapid.SliceOfN(trades(), 1, 9).Draw(t, "trades")
		high, low := int64(math.MinInt64), int64(math.MaxInt64)
		for i := range list {
			s.Add(&list[i])
			high, low = max(high, list[i].Price), min(low, list[i].Price)
			if volume += list[i].Size; volume < 0 {
				volume = math.MaxInt64
			}
		}
		last := &list[len(list)-1]
		cut := last.IngestTime + rapid.Int64Range(0, 1e9).Draw(t, "since")
		row := official(t, AppendTradeSummary(nil, 5, &s, cut)).TradeSummaries[0]
		if row.Last != last.Price || row.Last+row.High != high || row.Last+row.Low != low || row.Volume != volume ||
			row.Trades != uint64(len(list)) || row.Sequence != uint64(last.Position.Sequence) || row.Epoch != uint64(last.Position.Epoch) ||
			row.AgeMs != uint32((cut-last.IngestTime)/1000) || int64(row.TransitMs) != rowTransit(last.ExchangeTime, last.IngestTime) {
			t.Fatalf("%v of %+v", row, list)
		}
	})
}

func TestTextOfBarsStatisticsAndSummaries(t *testing.T) {
	in := market.Instrument{Symbol: market.Symbol{Venue: "test", Name: "A"}, PriceScale: 2, SizeScale: 3}
	b := market.Bar{
		Start: 1700000040, Open: 10050, High: 10080, Low: -5, Close: 10075, Volume: 12, Trades: 3, Turnover: market.AmountOf(0, 120732),
		Closed: true, ExchangeTime: 1700000041123456, IngestTime: 1700000041125000,
	}
	st := bars.Statistics{
		Last:         10075,
		Day:          bars.Totals{Open: 10050, High: 10080, Low: -5, Volume: 12, Trades: 3, Turnover: market.AmountOf(0, 120732)},
		SessionStart: 1700000000, IngestTime: 1700000041125000,
		Venue: market.Statistics{Mark: 5, FundingRateE8: -1, OpenInterest: 1, Has: market.HasMark | market.HasFundingRate | market.HasOpenInterest},
	}
	sum := TradeSummary{
		Last: 10075, High: 10080, Low: 9, Volume: 12, Trades: 3, ExchangeTime: 1700000041123456, IngestTime: 1700000041125000,
		Position: market.Position{Epoch: 1, Sequence: 9},
	}
	var f TextFrame
	f.Bar(&in, 60, &b)
	f.Bar(&in, 60, &market.Bar{Start: 1700000040})
	f.Stats(&in, &st)
	f.TradeSummary(&in, &sum)
	text := f.Append(nil, Header{CutTime: 5})
	var got feedv1.ServerFrame
	if err := protojson.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := &feedv1.ServerFrame{
		CutTimeUs: 5,
		BarTexts: []*feedv1.BarText{
			{
				Symbol: "test:A", BarSeconds: 60, Start: "2023-11-14T22:14:00.000000Z", Open: "100.50", High: "100.80", Low: "-0.05", Close: "100.75",
				Volume: "0.012", Trades: 3, Vwap: "100.61", Closed: true, ExchangeTime: "2023-11-14T22:14:01.123456Z", IngestTime: "2023-11-14T22:14:01.125000Z",
			},
			{Symbol: "test:A", BarSeconds: 60, Start: "2023-11-14T22:14:00.000000Z"},
		},
		StatsTexts: []*feedv1.StatsText{{
			Symbol: "test:A", Last: "100.75", Day: &feedv1.WindowText{
				Open: "100.50", High: "100.80", Low: "-0.05", Change: "0.25", Volume: "0.012", Turnover: "1.20732", Vwap: "100.61", Trades: 3,
			},
			SessionStart: "2023-11-14T22:13:20.000000Z", Mark: "0.05", OpenInterest: "0.001", FundingRate: "-0.00000001",
			IngestTime: "2023-11-14T22:14:01.125000Z",
		}},
		TradeSummaryTexts: []*feedv1.TradeSummaryText{{
			Symbol: "test:A", Trades: 3, Volume: "0.012", High: "100.80", Low: "0.09", Last: "100.75",
			ExchangeTime: "2023-11-14T22:14:01.123456Z", IngestTime: "2023-11-14T22:14:01.125000Z", Sequence: 9, Epoch: 1,
		}},
	}
	if !proto.Equal(&got, want) {
		t.Fatalf("got  %v\nwant %v", &got, want)
	}
}

// What a busy bar and busy statistics cost in a frame, and that writing them takes no memory.
func TestBarAndStatsDifferencesAreSmall(t *testing.T) {
	a := market.Bar{
		Start: 1700000040, Open: 6183763, High: 6183900, Low: 6183700, Close: 6183800, Volume: 1_000_000, Trades: 120, IngestTime: 1_000_000,
		Turnover: market.Times(6183790, 1_000_000),
	}
	b := a
	b.Close, b.Volume, b.Trades, b.Turnover = 6183801, a.Volume+2500, 121, a.Turnover.Plus(market.Times(6183801, 2500))
	s := bars.Statistics{Last: a.Close, Day: bars.Totals{Open: 6100000, High: 6200000, Low: 6000000, Volume: 1 << 40, Trades: 1 << 20, Turnover: a.Turnover}, SessionStart: 1}
	u := s
	u.Last, u.Day.Volume, u.Day.Turnover = b.Close, s.Day.Volume+2500, b.Turnover
	u.Session = u.Day
	buf := make([]byte, 0, 512)
	if n := len(AppendBarDelta(buf, 700, &a, &b, 1_050_000)); n > 16 {
		t.Errorf("the difference of a bar takes %d bytes", n)
	}
	var f TextFrame
	in := market.Instrument{Symbol: market.Symbol{Venue: "test", Name: "A"}, PriceScale: 2, SizeScale: 6}
	for name, write := range map[string]func(){
		"bar":     func() { AppendBarDelta(buf, 700, &a, &b, 1_050_000) },
		"stats":   func() { AppendStatsDelta(buf, 700, &s, &u, 8, 1_050_000) },
		"summary": func() { AppendTradeSummary(buf, 700, &TradeSummary{Last: 5, Trades: 1}, 7) },
		"text":    func() { f.Reset(); f.Bar(&in, 60, &b); f.Stats(&in, &u) },
	} {
		write()
		if n := testing.AllocsPerRun(100, write); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
