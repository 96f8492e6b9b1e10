package skim

import (
	"fmt"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
)

// Frame is what a ServerFrame was seen to hold. One may be used over and over, which saves its memory.
type Frame struct {
	// Full are the keys of the full rows of quotes and books; of a book in parts, the last one's. Keys stand for
	// handles, or for what is shown instead of them: the same of a session's rows of one kind and instrument.
	Full    []uint32
	Cut     int64 // microseconds since the Unix epoch; 0: no rows
	Grants  int
	Refused bool // a subscription or a whole request; a probe tells why
}

func (f *Frame) reset() { *f = Frame{Full: f.Full[:0]} }

// Numbers of fields in feed.v1.
const (
	frameQuotes     = 1
	frameBooks      = 3
	frameCut        = 7
	frameSubscribed = 18
	frameGrants     = 20
	frameError      = 24

	bookHandle   = 1
	bookPartial  = 6
	bookSequence = 7

	quoteSequence = 1 << 7 // a bit of a row's second number

	subscribedResults = 2
	resultCode        = 4
)

// Binary reads a frame of the subprotocol feedd.v1.proto.
func (f *Frame) Binary(b []byte) error {
	f.reset()
	for len(b) > 0 {
		number, v, n, err := next(b)
		if err != nil {
			return err
		}
		b = b[n:]
		switch number {
		case frameQuotes:
			f.quotes(v.bytes)
		case frameBooks:
			f.book(v.bytes)
		case frameCut:
			f.Cut = int64(v.number)
		case frameGrants:
			f.Grants++
		case frameError:
			f.Refused = true
		case frameSubscribed:
			f.Refused = f.Refused || refused(v.bytes)
		}
	}
	return nil
}

// quotes notes the rows that have a sequence.
func (f *Frame) quotes(rows []byte) {
	for len(rows) > 0 {
		handle, n := protowire.ConsumeVarint(rows)
		fields, m := protowire.ConsumeVarint(rows[max(n, 0):])
		if n < 0 || m < 0 {
			return
		}
		rows = rows[n+m:]
		for range bits.OnesCount64(fields) {
			_, n := protowire.ConsumeVarint(rows)
			if n < 0 {
				return
			}
			rows = rows[n:]
		}
		if fields&quoteSequence != 0 {
			f.Full = append(f.Full, uint32(handle))
		}
	}
}

// book notes a row that has a sequence and is not partial.
func (f *Frame) book(row []byte) {
	handle, full := uint32(0), false
	for len(row) > 0 {
		number, v, n, err := next(row)
		if err != nil {
			return
		}
		switch number {
		case bookHandle:
			handle = uint32(v.number)
		case bookSequence:
			full = v.number != 0
		case bookPartial:
			if v.number != 0 {
				return
			}
		}
		row = row[n:]
	}
	if full {
		f.Full = append(f.Full, handle)
	}
}

func refused(subscribed []byte) bool {
	for len(subscribed) > 0 {
		number, result, n, err := next(subscribed)
		if err != nil {
			return true
		}
		subscribed = subscribed[n:]
		if number != subscribedResults {
			continue
		}
		for b := result.bytes; len(b) > 0; {
			number, v, n, err := next(b)
			if err != nil || number == resultCode && v.number != 0 {
				return true
			}
			b = b[n:]
		}
	}
	return false
}

// value is that of a field: a number, or bytes.
type value struct {
	number uint64
	bytes  []byte
}

// next reads the field at the front of b, which is n bytes long.
func next(b []byte) (number protowire.Number, v value, n int, err error) {
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return 0, v, 0, fmt.Errorf("frame: %w", protowire.ParseError(n))
	}
	var m int
	switch kind {
	case protowire.BytesType:
		v.bytes, m = protowire.ConsumeBytes(b[n:])
	case protowire.VarintType:
		v.number, m = protowire.ConsumeVarint(b[n:])
	case protowire.Fixed64Type:
		v.number, m = protowire.ConsumeFixed64(b[n:])
	default:
		m = protowire.ConsumeFieldValue(number, kind, b[n:])
	}
	if m < 0 {
		return 0, v, 0, fmt.Errorf("frame: field %d: %w", number, protowire.ParseError(m))
	}
	return number, v, n + m, nil
}
