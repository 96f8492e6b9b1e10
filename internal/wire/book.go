package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

const frameBooks = 3

// Field numbers of feed.v1.Book.
const (
	bookHandle   = 1
	bookBids     = 2
	bookAsks     = 3
	bookAge      = 4
	bookTransit  = 5
	bookPartial  = 6
	bookSequence = 7
	bookEpoch    = 8
	bookChecksum = 9
)

// BookRow is what a row of a book says beside its levels.
type BookRow struct {
	Handle  market.Handle
	View    market.View // for text
	Full    bool        // the whole view, or a part of it; otherwise changes
	Partial bool        // more parts of this full view follow

	// Of the newest event that the row holds.
	Position     market.Position
	ExchangeTime int64 // 0: the venue gives none
	IngestTime   int64

	// TransitBefore is the BookTransit of the row that the reader got before; full rows need none.
	TransitBefore int32

	Checksum    uint32
	HasChecksum bool
}

// BookTransit is the time from the exchange to ingest in milliseconds; 0 where the venue gives no time.
func BookTransit(exchange, ingest int64) int32 {
	if exchange == 0 {
		return 0
	}
	return int32(max(-maxTransit, min(maxTransit, transitMillis(exchange, ingest))))
}

// AppendBook appends a row with these levels, each side best first. cut is the time of the frame's cut in microseconds.
func AppendBook(dst []byte, row *BookRow, bids, asks []market.Level, cut int64) []byte {
	dst, body := begin(dst, frameBooks)
	dst = appendUint(dst, bookHandle, uint64(row.Handle))
	for n, levels := range [2][]market.Level{bids, asks} {
		if len(levels) > 0 {
			var list int
			dst, list = begin(dst, bookBids+protowire.Number(n))
			dst = end(PackLevels(dst, levels), list)
		}
	}
	return end(appendBookValues(dst, row, cut), body)
}

// AppendPackedBook does the same with levels that PackLevels has written.
func AppendPackedBook(dst []byte, row *BookRow, bids, asks []byte, cut int64) []byte {
	dst, body := begin(dst, frameBooks)
	dst = appendUint(dst, bookHandle, uint64(row.Handle))
	for n, packed := range [2][]byte{bids, asks} {
		if len(packed) > 0 {
			dst = protowire.AppendTag(dst, bookBids+protowire.Number(n), protowire.BytesType)
			dst = protowire.AppendBytes(dst, packed)
		}
	}
	return end(appendBookValues(dst, row, cut), body)
}

func appendBookValues(dst []byte, row *BookRow, cut int64) []byte {
	transit := BookTransit(row.ExchangeTime, row.IngestTime)
	if !row.Full {
		transit -= row.TransitBefore
	}
	dst = appendUint(dst, bookAge, ageMillis(cut, row.IngestTime))
	dst = appendSint(dst, bookTransit, int64(transit))
	if row.Partial {
		dst = appendUint(dst, bookPartial, 1)
	}
	if row.Full {
		dst = appendUint(dst, bookSequence, uint64(row.Position.Sequence))
		dst = appendUint(dst, bookEpoch, uint64(row.Position.Epoch))
	}
	if row.HasChecksum {
		dst = protowire.AppendTag(dst, bookChecksum, protowire.Fixed32Type)
		dst = protowire.AppendFixed32(dst, row.Checksum)
	}
	return dst
}

// PackLevels appends levels as the inside of one of a Book's lists: each price as the difference to the one before, and
// each size. Differences wrap around at 64 bits, as the reader's sums do.
func PackLevels(dst []byte, levels []market.Level) []byte {
	var price int64
	for _, l := range levels {
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(l.Price-price))
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(l.Size))
		price = l.Price
	}
	return dst
}

// UnpackLevels appends to dst the levels that PackLevels has written into packed.
func UnpackLevels(dst []market.Level, packed []byte) []market.Level {
	var price int64
	for len(packed) > 0 {
		step, n := protowire.ConsumeVarint(packed)
		size, m := protowire.ConsumeVarint(packed[max(n, 0):])
		if n < 0 || m < 0 {
			return dst
		}
		price += protowire.DecodeZigZag(step)
		dst = append(dst, market.Level{Price: price, Size: protowire.DecodeZigZag(size)})
		packed = packed[n+m:]
	}
	return dst
}

// Book adds a row of a book as a BookText.
func (f *TextFrame) Book(in *market.Instrument, row *BookRow, bids, asks []market.Level) {
	o := object{append(f.lists[textBooks], ',', '{')}
	o.text("symbol", in.Symbol.Venue, ":", in.Symbol.Name)
	o.yes("snapshot", row.Full)
	o.yes("partial", row.Partial)
	o.levels("bids", in, bids)
	o.levels("asks", in, asks)
	o.time("exchangeTime", row.ExchangeTime)
	o.time("ingestTime", row.IngestTime)
	o.position(row.Position)
	o.number("depth", uint64(row.View.Depth))
	if row.View.Group != 0 {
		o.decimal("priceGroup", row.View.Group, in.PriceScale)
	}
	f.lists[textBooks] = o.close()
}

// yes appends a flag that is set.
func (o *object) yes(name string, set bool) {
	if set {
		o.name(name)
		o.b = append(o.b, "true"...)
	}
}

func (o *object) levels(name string, in *market.Instrument, levels []market.Level) {
	if len(levels) == 0 {
		return
	}
	o.name(name)
	open := byte('[')
	for _, l := range levels {
		o.b = append(o.b, open, '{')
		open = ','
		o.decimal("price", l.Price, in.PriceScale)
		if l.Size == 0 {
			o.text("size", "0") // as short as it is plain: the level is gone
		} else {
			o.decimal("size", l.Size, in.SizeScale)
		}
		o.b = append(o.b, '}')
	}
	o.b = append(o.b, ']')
}
