package wire

import (
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func bookLevels() *rapid.Generator[[]market.Level] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) market.Level {
		return market.Level{Price: rapid.Int64().Draw(t, "price"), Size: rapid.Int64Min(0).Draw(t, "size")}
	}), 0, 60)
}

func bookRows() *rapid.Generator[BookRow] {
	return rapid.Custom(func(t *rapid.T) BookRow {
		row := BookRow{
			Handle: market.Handle(rapid.Uint32Min(1).Draw(t, "handle")), Full: rapid.Bool().Draw(t, "full"),
			IngestTime: rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "ingest"),
			Position: market.Position{
				Epoch:    market.Epoch(rapid.Uint64().Draw(t, "epoch")),
				Sequence: market.Sequence(rapid.Uint64Min(1).Draw(t, "sequence")),
			},
			HasChecksum: rapid.Bool().Draw(t, "checked"),
		}
		if rapid.Bool().Draw(t, "exchange") {
			row.ExchangeTime = max(1, row.IngestTime+rapid.Int64Range(-1e12, 1e12).Draw(t, "lag"))
		}
		if row.HasChecksum {
			row.Checksum = rapid.Uint32().Draw(t, "checksum")
		}
		if row.Full {
			row.Partial = rapid.Bool().Draw(t, "partial")
		} else {
			row.TransitBefore = rapid.Int32Range(-maxTransit, maxTransit).Draw(t, "before")
		}
		return row
	})
}

// listed reads a list of a Book as a client does.
func listed(list []int64) (levels []market.Level) {
	var price int64
	for i := 0; i+1 < len(list); i += 2 {
		price += list[i]
		levels = append(levels, market.Level{Price: price, Size: list[i+1]})
	}
	return levels
}

func TestBookRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := bookRows().Draw(t, "row")
		bids, asks := bookLevels().Draw(t, "bids"), bookLevels().Draw(t, "asks")
		cut := row.IngestTime + rapid.Int64Range(-1e6, 1e9).Draw(t, "since")

		b := AppendBook([]byte{}, &row, bids, asks, cut)
		packed := AppendPackedBook(nil, &row, PackLevels(nil, bids), PackLevels(nil, asks), cut)
		if !slices.Equal(b, packed) {
			t.Fatalf("packed ahead %x, at once %x", packed, b)
		}
		f := official(t, b)
		if len(f.Books) != 1 {
			t.Fatalf("%d rows", len(f.Books))
		}
		got := f.Books[0]
		if !slices.Equal(listed(got.Bids), bids) || !slices.Equal(listed(got.Asks), asks) {
			t.Fatalf("levels %v and %v, want %v and %v", listed(got.Bids), listed(got.Asks), bids, asks)
		}
		if again := UnpackLevels(nil, PackLevels(nil, bids)); !slices.Equal(again, bids) {
			t.Fatalf("unpacked %v, want %v", again, bids)
		}
		want := &feedv1.Book{Handle: uint32(row.Handle), Partial: row.Partial}
		if row.Full {
			want.Sequence, want.Epoch = uint64(row.Position.Sequence), uint64(row.Position.Epoch)
		}
		if row.HasChecksum {
			want.Checksum = &row.Checksum
		}
		if cut > row.IngestTime {
			want.AgeMs = uint32((cut - row.IngestTime) / 1000)
		}
		want.TransitMs = BookTransit(row.ExchangeTime, row.IngestTime) - row.TransitBefore
		want.Bids, want.Asks = got.Bids, got.Asks
		if !proto.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if transit := want.TransitMs + row.TransitBefore; row.ExchangeTime != 0 && transit > -maxTransit && transit < maxTransit {
			if at := row.IngestTime - 1000*int64(transit); at < row.ExchangeTime || at >= row.ExchangeTime+1000 {
				t.Fatalf("exchange time comes out as %d, want %d to the millisecond", at, row.ExchangeTime)
			}
		}
	})
}

func TestBookTexts(t *testing.T) {
	in := market.Instrument{Symbol: market.Symbol{Venue: "test", Name: "A"}, PriceScale: 2, SizeScale: 3}
	at := market.Position{Epoch: 1 << 60, Sequence: 12}
	var f TextFrame
	f.Book(&in, &BookRow{
		Full: true, Partial: true, Position: at, ExchangeTime: 1700000000123456, IngestTime: 1700000000125000, View: market.View{Depth: 20, Group: 50},
	}, []market.Level{{Price: -105, Size: 7}, {Price: -106, Size: 1}}, nil)
	mark := f.Mark()
	f.Book(&in, &BookRow{Full: true, Position: at}, nil, nil)
	f.Undo(mark)
	f.Book(&in, &BookRow{Position: at}, nil, []market.Level{{Price: 6183764, Size: 0}})
	text := f.Append(nil, Header{CutTime: 5})

	var got feedv1.ServerFrame
	if err := protojson.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := &feedv1.ServerFrame{CutTimeUs: 5, BookTexts: []*feedv1.BookText{
		{
			Symbol: "test:A", Snapshot: true, Partial: true, Sequence: 12, Epoch: 1 << 60, Depth: 20, PriceGroup: "0.50",
			Bids:         []*feedv1.LevelText{{Price: "-1.05", Size: "0.007"}, {Price: "-1.06", Size: "0.001"}},
			ExchangeTime: "2023-11-14T22:13:20.123456Z", IngestTime: "2023-11-14T22:13:20.125000Z",
		},
		{Symbol: "test:A", Sequence: 12, Epoch: 1 << 60, Asks: []*feedv1.LevelText{{Price: "61837.64", Size: "0"}}},
	}}
	if !proto.Equal(&got, want) {
		t.Fatalf("got  %v\nwant %v", &got, want)
	}
}

func TestUnpackingDamageEnds(t *testing.T) {
	if got := UnpackLevels(nil, []byte{2, 4, 0xff}); !slices.Equal(got, []market.Level{{Price: 1, Size: 2}}) {
		t.Fatalf("%v", got)
	}
	if got := UnpackLevels(nil, []byte{2}); got != nil {
		t.Fatalf("%v", got)
	}
}

func TestABookRowAllocatesNothing(t *testing.T) {
	levels := make([]market.Level, 100)
	for i := range levels {
		levels[i] = market.Level{Price: 6183763 - int64(i), Size: 100_000 + int64(i)}
	}
	in := market.Instrument{Symbol: market.Symbol{Venue: "test", Name: "A"}, PriceScale: 2, SizeScale: 3}
	row := BookRow{Handle: 700, Full: true, Position: market.Position{Epoch: 1, Sequence: 2}, IngestTime: 1_000_000}
	packed := PackLevels(nil, levels)
	dst := make([]byte, 0, 4096)
	var f TextFrame
	f.Book(&in, &row, levels, levels)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendBook(dst[:0], &row, levels, levels, 1_050_000)
		dst = AppendPackedBook(dst[:0], &row, packed, packed, 1_050_000)
		f.Reset()
		f.Book(&in, &row, levels, levels)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// BenchmarkBookChanges prints what the row of a cut with 20 changed levels costs.
func BenchmarkBookChanges(b *testing.B) {
	levels := make([]market.Level, 10)
	for i := range levels {
		levels[i] = market.Level{Price: 6183763 - 7*int64(i), Size: 30_000 + 1000*int64(i)}
	}
	row := BookRow{Handle: 700, IngestTime: 1_000_000}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendBook(dst[:0], &row, levels, levels, 1_050_000)
	}
	b.ReportMetric(float64(len(dst))/20, "B/level")
}
