package wire

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of feed.v1.ServerFrame that this package writes.
const (
	frameQuotes         = 1
	frameTrades         = 2
	frameStatuses       = 6
	frameCutTime        = 7
	frameConflated      = 8
	frameSourceStatuses = 9
	frameLosses         = 10
	frameGaps           = 11
	framePartial        = 12
	frameDelay          = 14
	frameHeartbeat      = 22
)

// begin opens a length-delimited element and returns where its body starts. One byte is set aside for
// the length: nearly every row is shorter than 128 bytes.
func begin(dst []byte, field protowire.Number) ([]byte, int) {
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	dst = append(dst, 0)
	return dst, len(dst)
}

// end closes the element whose body starts at body, moving it where its length needs a second byte.
func end(dst []byte, body int) []byte {
	n := len(dst) - body
	if n < 0x80 {
		dst[body-1] = byte(n)
		return dst
	}
	extra := protowire.SizeVarint(uint64(n)) - 1
	for range extra {
		dst = append(dst, 0)
	}
	copy(dst[body+extra:], dst[body:body+n])
	protowire.AppendVarint(dst[:body-1], uint64(n))
	return dst
}

// appendUint appends a varint field; like every scalar of proto3 it is left out when zero.
func appendUint(dst []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, field, protowire.VarintType)
	return protowire.AppendVarint(dst, v)
}

func appendSint(dst []byte, field protowire.Number, v int64) []byte {
	return appendUint(dst, field, protowire.EncodeZigZag(v))
}

func appendString(dst []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	return protowire.AppendString(dst, s)
}
