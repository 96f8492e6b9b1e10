package tick

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// compare reads payload with both readers and says how they differ.
func compare(t interface {
	Helper()
	Fatalf(string, ...any)
}, b *Batch, payload []byte) {
	t.Helper()
	var want marketdatav1.TickBatch
	wantErr := proto.Unmarshal(payload, &want)
	err := b.ReadProtobuf(payload)
	if errors.Is(err, errTooMany) || errors.Is(err, errTooDeep) {
		return
	}
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("payload %x: error %v, the generated code's %v", payload, err, wantErr)
	}
	if err != nil {
		return
	}
	if b.Epoch != want.Epoch || b.Sequence != want.Sequence || b.PublishTime != want.PublishTimeUs ||
		len(b.Quotes) != len(want.Quotes) || len(b.Trades) != len(want.Trades) || len(b.Books) != len(want.Books) ||
		len(b.Statuses) != len(want.Statuses) || len(b.Definitions) != len(want.Definitions) || len(b.Statistics) != len(want.Statistics) {
		t.Fatalf("payload %x: %+v, the generated code's %v", payload, b, &want)
	}
	for i, w := range want.Quotes {
		q := market.Quote{Bid: w.GetBid(), BidSize: w.BidSize, Ask: w.GetAsk(), AskSize: w.AskSize, ExchangeTime: w.ExchangeTimeUs}
		if w.Bid != nil {
			q.Has |= market.HasBid
		}
		if w.Ask != nil {
			q.Has |= market.HasAsk
		}
		if w.ExchangeTimeUs != 0 {
			q.Has |= market.HasExchangeTime
		}
		if b.Quotes[i] != q {
			t.Fatalf("payload %x: quote %d: %+v, the generated code's %+v", payload, i, b.Quotes[i], q)
		}
	}
	for i, w := range want.Trades {
		tr := market.Trade{
			Price: w.Price, Size: w.Size, ExchangeTime: w.ExchangeTimeUs, ID: w.Id, RefersTo: market.Sequence(w.RefersTo),
			Aggressor: market.Side(w.Aggressor), Kind: market.TradeKind(w.Kind),
		}
		if _, ok := marketdatav1.Side_name[int32(w.Aggressor)]; !ok {
			tr.Aggressor = market.SideUnknown
		}
		if _, ok := marketdatav1.TradeKind_name[int32(w.Kind)]; !ok {
			tr.Kind = KindUnknown
		}
		if b.Trades[i] != tr {
			t.Fatalf("payload %x: trade %d: %+v, the generated code's %+v", payload, i, b.Trades[i], tr)
		}
	}
	for i, w := range want.Statuses {
		s := Status{Trading: market.Trading(w.Trading), Reason: w.Reason, ExchangeTime: w.ExchangeTimeUs}
		if _, ok := marketdatav1.Trading_name[int32(w.Trading)]; !ok {
			s.Trading = market.TradingUnknown
		}
		if b.Statuses[i] != s {
			t.Fatalf("payload %x: status %d: %+v, the generated code's %+v", payload, i, b.Statuses[i], s)
		}
	}
	for i, w := range want.Definitions {
		d := Definition{
			PriceScale: w.PriceScale, SizeScale: w.SizeScale, PriceStep: w.PriceStep, SizeStep: w.SizeStep, Description: w.Description,
			Base: w.Base, Quote: w.Quote, Source: w.Source, Asset: market.AssetClass(w.AssetClass), SessionStart: w.SessionStartS,
			TimeZone: w.TimeZone, Delisted: w.Delisted,
		}
		if _, ok := marketdatav1.AssetClass_name[int32(w.AssetClass)]; !ok {
			d.Asset = market.AssetUnknown
		}
		if b.Definitions[i] != d {
			t.Fatalf("payload %x: definition %d: %+v, the generated code's %+v", payload, i, b.Definitions[i], d)
		}
	}
	for i, w := range want.Books {
		e := &b.Books[i]
		if e.Snapshot != w.Snapshot || e.Partial != w.Partial || e.ExchangeTime != w.ExchangeTimeUs || !sameLevels(e.Bids, w.Bids) || !sameLevels(e.Asks, w.Asks) {
			t.Fatalf("payload %x: book %d: %+v, the generated code's %+v", payload, i, e, w)
		}
	}
	for i, w := range want.Statistics {
		st := market.Statistics{
			PreviousClose: w.GetPreviousClose(), Settlement: w.GetSettlement(), Mark: w.GetMark(), Index: w.GetIndex(),
			OpenInterest: w.GetOpenInterest(), FundingRateE8: w.GetFundingRateE8(), ExchangeTime: w.ExchangeTimeUs,
		}
		for k, present := range [...]bool{w.PreviousClose != nil, w.Settlement != nil, w.Mark != nil, w.Index != nil, w.OpenInterest != nil, w.FundingRateE8 != nil} {
			if present {
				st.Has |= market.HasPreviousClose << k
			}
		}
		if b.Statistics[i] != st {
			t.Fatalf("payload %x: statistics %d: %+v, the generated code's %+v", payload, i, b.Statistics[i], st)
		}
	}
}

func sameLevels(have []market.Level, want []*marketdatav1.Level) bool {
	return slices.EqualFunc(have, want, func(h market.Level, w *marketdatav1.Level) bool { return h.Price == w.Price && h.Size == w.Size })
}

// everything is a batch with every field of every tick set.
func everything() *marketdatav1.TickBatch {
	return &marketdatav1.TickBatch{
		Epoch: 1 << 50, Sequence: 7, PublishTimeUs: -1,
		Quotes: []*marketdatav1.Quote{{Bid: proto.Int64(-5), BidSize: 1, Ask: proto.Int64(0), AskSize: -2, ExchangeTimeUs: 9}, {}},
		Trades: []*marketdatav1.Trade{{Price: 1, Size: 2, Aggressor: 2, ExchangeTimeUs: 3, Id: 4, Kind: 2, RefersTo: 5}, {Aggressor: 300, Kind: -1}},
		Books: []*marketdatav1.BookEvent{{Snapshot: true, Partial: true, ExchangeTimeUs: 1,
			Bids: []*marketdatav1.Level{{Price: -1, Size: 2, Orders: 3}, {Price: 7}}, Asks: []*marketdatav1.Level{{}}}, {Bids: []*marketdatav1.Level{{Size: 4}}}},
		Statuses:    []*marketdatav1.TradingStatus{{Trading: 2, Reason: "LULD – up", ExchangeTimeUs: 1}, {Trading: 77}},
		Definitions: []*marketdatav1.Definition{{PriceScale: 2, SizeScale: 8, PriceStep: 1, SizeStep: 1, Description: "d", AssetClass: 1, Base: "b", Quote: "q", Source: "s", SessionStartS: 5, TimeZone: "UTC", Delisted: true}},
		Statistics: []*marketdatav1.Statistics{{Mark: proto.Int64(3), OpenInterest: proto.Int64(4)},
			{PreviousClose: proto.Int64(0), Settlement: proto.Int64(-1), Index: proto.Int64(2), FundingRateE8: proto.Int64(-5), ExchangeTimeUs: 9}},
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	p, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// seeds are payloads that take each branch: good ones, and each kind of damage.
func seeds(t testing.TB) [][]byte {
	whole := marshal(t, everything())
	out := [][]byte{nil, whole, whole[:len(whole)/2], append([]byte{0}, whole...)}
	wrap := func(num protowire.Number, body ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), body)
	}
	out = append(out,
		[]byte{0x0d, 1, 2, 3, 4},                       // epoch as fixed32: unknown, skipped
		[]byte{0x08, 1, 0x08, 2},                       // epoch twice: the last counts
		[]byte{0x08, 0xff},                             // cut varint
		[]byte{0x20, 5},                                // quotes as varint: skipped
		[]byte{0x0c},                                   // end of a group that never began
		[]byte{0x7b, 0x08, 1, 0x7c},                    // unknown group
		[]byte{0x7b, 0x08, 1, 0x6c},                    // group that ends as another
		[]byte{0x80, 0x80, 0x80, 0x80, 0x10, 0},        // field number 2^29
		[]byte{0xf8, 0xff, 0xff, 0xff, 0x0f, 0},        // the largest field number
		[]byte{0x88, 0x00, 5},                          // tag in two bytes where one would do
		[]byte{0x07}, []byte{0x0f}, []byte{0x22, 0xff}, // no such wire type; cut length
		wrap(4, 0x0a, 0), // bid as bytes
		wrap(4, 0x08), wrap(5, 0x08), wrap(7, 0x08), wrap(8, 0x08), wrap(9, 0x08), wrap(6, 0x08),
		wrap(6, 0x1a, 1, 0x08), wrap(6, 0x22, 2, 0x08, 1), wrap(6, 0x18, 1), wrap(6, 0x1a, 9), wrap(6, 0x08, 2), wrap(6, 0x0a, 0), wrap(6, 0x0a, 9),
		wrap(6, 0x22, 2, 0x08, 1, 0x1a, 2, 0x10, 5, 0x22, 0), wrap(6, 0x1a, 2, 0x0a, 0), wrap(6, 0x1a, 1, 0x0c), wrap(6, 0x28, 0xff),
		wrap(9, 0x0a, 0), wrap(9, 0x0a, 9), wrap(9, 0x18, 1, 0x18, 2),
		wrap(8, 0x30, 9), wrap(8, 0x50, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		wrap(7, 0x12, 1, 0xff), wrap(7, 0x12, 9), wrap(7, 0x0d, 0, 0, 0, 0), wrap(7, 0x10, 1),
		wrap(8, 0x2a, 1, 0xff), wrap(8, 0x52, 1, 0xff), wrap(8, 0x0a, 1, 0xff), wrap(8, 0x60, 2), wrap(8, 0x32, 1, 0xff), wrap(8, 0x52, 9), wrap(8, 0x5a, 1, 0xff), wrap(8, 0x5a, 9),
		wrap(8, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		wrap(5, 0x18, 0x81, 0x80, 0x80, 0x80, 0x10), // a side that is 1 when cut to 32 bits
	)
	return out
}

func TestReaderAgreesWithTheGeneratedCode(t *testing.T) {
	var b Batch
	for _, payload := range seeds(t) {
		compare(t, &b, payload)
	}
	if err := b.ReadProtobuf(seeds(t)[1]); err != nil {
		t.Fatalf("a batch of everything: %v", err)
	}
}

// Damage at random places of a whole batch: both readers must still agree.
func TestReadersAgreeOnDamage(t *testing.T) {
	whole := marshal(t, everything())
	var b Batch
	rapid.Check(t, func(t *rapid.T) {
		p := bytes.Clone(whole)
		for range rapid.IntRange(0, 4).Draw(t, "bytes") {
			p[rapid.IntRange(0, len(p)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		compare(t, &b, p[:rapid.IntRange(0, len(p)).Draw(t, "length")])
	})
}

func FuzzReadProtobuf(f *testing.F) {
	for _, p := range seeds(f) {
		f.Add(p)
	}
	var b Batch
	f.Fuzz(func(t *testing.T, p []byte) {
		compare(t, &b, p)
		Batches(p) // must come back
	})
}

func TestTooManyTicks(t *testing.T) {
	m := &marketdatav1.TickBatch{Quotes: make([]*marketdatav1.Quote, MaxTicks+1)}
	for i := range m.Quotes {
		m.Quotes[i] = &marketdatav1.Quote{}
	}
	var b Batch
	var refusal *Refusal
	if err := b.ReadProtobuf(marshal(t, m)); !errors.As(err, &refusal) || refusal.Reason != drop.BadValue {
		t.Fatalf("%d ticks: error %v, want a bad value", MaxTicks+1, err)
	}
	m.Quotes = m.Quotes[1:]
	if err := b.ReadProtobuf(marshal(t, m)); err != nil {
		t.Fatalf("%d ticks: %v", MaxTicks, err)
	}
}

func TestTooManyLevels(t *testing.T) {
	levels := func(n int) []*marketdatav1.Level {
		out := make([]*marketdatav1.Level, n)
		for i := range out {
			out[i] = &marketdatav1.Level{Price: int64(i), Size: 1}
		}
		return out
	}
	m := &marketdatav1.TickBatch{Books: []*marketdatav1.BookEvent{{Bids: levels(MaxLevels / 2)}, {Asks: levels(MaxLevels/2 + 1)}}}
	var b Batch
	if err := b.ReadProtobuf(marshal(t, m)); !errors.Is(err, errTooDeep) {
		t.Fatalf("%d levels: %v", MaxLevels+1, err)
	}
	m.Books[1].Asks = m.Books[1].Asks[1:]
	if err := b.ReadProtobuf(marshal(t, m)); err != nil {
		t.Fatalf("%d levels: %v", MaxLevels, err)
	}
	if !sameLevels(b.Books[0].Bids, m.Books[0].Bids) || !sameLevels(b.Books[1].Asks, m.Books[1].Asks) {
		t.Error("levels differ")
	}
}

func TestChannelOfABatch(t *testing.T) {
	for _, c := range []struct {
		batch Batch
		want  market.Channel
		one   bool
	}{
		{Batch{}, market.ChannelNone, true},
		{Batch{Quotes: make([]market.Quote, 3)}, market.ChannelQuote, true},
		{Batch{Trades: make([]market.Trade, 1)}, market.ChannelTrade, true},
		{Batch{Statuses: make([]Status, 1)}, market.ChannelStatus, true},
		{Batch{Definitions: make([]Definition, 1)}, market.ChannelDefinition, true},
		{Batch{Books: make([]Book, 1)}, market.ChannelBook, true},
		{Batch{Statistics: make([]market.Statistics, 2)}, market.ChannelStats, true},
	} {
		if got, one := c.batch.Channel(); got != c.want || one != c.one {
			t.Errorf("channel of %+v: %v, %v", c.batch, got, one)
		}
	}
	mixed := Batch{Quotes: make([]market.Quote, 1), Books: make([]Book, 1)}
	if _, one := mixed.Channel(); one {
		t.Error("a batch of quotes and books passes as one of a kind")
	}
}

func TestBatchesOfASnapshot(t *testing.T) {
	// An element of 123 bytes makes the payload start with "\n{", which must not pass for JSON.
	for _, size := range []int{1, 123, 5000} {
		want := &marketdatav1.Snapshot{Batches: []*marketdatav1.TickBatch{{Epoch: 5}, {}}}
		want.Batches[0].Statuses = []*marketdatav1.TradingStatus{{Reason: string(bytes.Repeat([]byte("x"), size))}}
		if size == 123 {
			want.Batches[0].Statuses[0].Reason = string(bytes.Repeat([]byte("x"), 123-2-2-2))
		}
		p := marshal(t, want)
		got, ok := Batches(p)
		if !ok || len(got) != 2 || !bytes.Equal(got[0], marshal(t, want.Batches[0])) {
			t.Fatalf("size %d: %x, %v", size, got, ok)
		}
	}
	for _, p := range [][]byte{nil, []byte(`{"stream":"FEEDD","seq":17}`), {0x0a}, {0x08, 1}, []byte("+OK")} {
		if got, ok := Batches(p); ok {
			t.Errorf("%q passes as a snapshot: %x", p, got)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	book := &marketdatav1.BookEvent{Bids: []*marketdatav1.Level{{Price: 6183763, Size: 5}, {Price: 6183762, Size: 7}}, Asks: []*marketdatav1.Level{{Price: 6183764}}}
	for name, m := range map[string]*marketdatav1.TickBatch{
		"quotes": {Epoch: 1, Sequence: 1, Quotes: []*marketdatav1.Quote{
			{Bid: proto.Int64(6183763), BidSize: 120000, Ask: proto.Int64(6183764), AskSize: 85000, ExchangeTimeUs: 1723075200000000}}},
		"books":      {Epoch: 1, Sequence: 1, Books: []*marketdatav1.BookEvent{book, book, book}},
		"statistics": {Epoch: 1, Sequence: 1, Statistics: []*marketdatav1.Statistics{{Mark: proto.Int64(6183763)}}},
	} {
		p := marshal(t, m)
		var b Batch
		if n := testing.AllocsPerRun(100, func() { _ = b.ReadProtobuf(p) }); n != 0 {
			t.Errorf("%v allocations for each batch of %s, want 0", n, name)
		}
	}
}

func BenchmarkReadProtobuf(b *testing.B) {
	quote := &marketdatav1.Quote{Bid: proto.Int64(6183763), BidSize: 120000, Ask: proto.Int64(6183764), AskSize: 85000, ExchangeTimeUs: 1723075200000000}
	for name, n := range map[string]int{"1quote": 1, "100quotes": 100} {
		m := &marketdatav1.TickBatch{Epoch: 1723075200000000, Sequence: 1000, PublishTimeUs: 1723075200000000}
		for range n {
			m.Quotes = append(m.Quotes, quote)
		}
		p := marshal(b, m)
		b.Run(name, func(b *testing.B) {
			var batch Batch
			b.ReportAllocs()
			for b.Loop() {
				if err := batch.ReadProtobuf(p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "ticks/s")
		})
	}
}
