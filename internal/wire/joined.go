package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// Piece is where in an arena a fragment stands: rows that were encoded once, for all frames that have them.
type Piece struct{ Start, End uint32 }

const (
	// quotesTag is the first byte of a list of quotes; its length is the second, where it has one byte.
	quotesTag = frameQuotes<<3 | byte(protowire.BytesType)
	// longestList is the most bytes of a list whose length has one byte.
	longestList = 0x7f
	// copied is how many bytes a quote is copied in. Most have ten or so, and a copy of a length that is known needs no call.
	copied = 24
)

// AppendJoined appends those pieces of the arena that which names, and makes one list of quotes that come to stand side by side: they need
// no tag and length of their own. A list ends where its length would need a second byte, so that nothing is ever moved.
func AppendJoined(dst, arena []byte, pieces []Piece, which []uint32) []byte {
	begin, room := 0, -1 // of the list of quotes at the end of dst: where it begins, and how many bytes it may still take; -1: there is none
	for _, i := range which {
		fragment := arena[pieces[i].Start:pieces[i].End]
		n, quote := len(dst), len(fragment)-2
		if quote < 0 || fragment[0] != quotesTag || int(fragment[1]) != quote {
			quote = -1 // it is something else, or a list that is longer
		}
		switch {
		case quote < 0 || quote > room:
			settle(dst, begin, room)
			dst = append(dst, fragment...)
			begin, room = n, -1
			if quote >= 0 {
				room = longestList - quote
			}
			continue
		case quote <= copied && cap(fragment) >= 2+copied && cap(dst) >= n+copied:
			// What stands behind the quote comes along, and dst does not keep it.
			from, to := fragment[2:2+copied], dst[n:n+copied]
			a, b, c := binary.LittleEndian.Uint64(from), binary.LittleEndian.Uint64(from[8:]), binary.LittleEndian.Uint64(from[16:])
			binary.LittleEndian.PutUint64(to, a)
			binary.LittleEndian.PutUint64(to[8:], b)
			binary.LittleEndian.PutUint64(to[16:], c)
			dst = dst[:n+quote]
		default:
			dst = append(dst, fragment[2:]...)
		}
		room -= quote
	}
	settle(dst, begin, room)
	return dst
}

// settle writes down the length of the list that begins there and may still take so many bytes.
func settle(dst []byte, begin, room int) {
	if room >= 0 {
		dst[begin+1] = byte(longestList - room)
	}
}
