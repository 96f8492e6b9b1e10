package quoterow

import (
	"encoding/binary"
	"reflect"
	"testing"
)

// Whatever numbers a frame has: they are no rows, or rows that come back as they were.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x07\x03\x04\x06\x07\x00"))
	f.Add([]byte("\x01\x80\x03\x07\x05\x01"))
	f.Add([]byte("\x05\x81\x80\x80\x80\x08\x02\x4d"))
	f.Add([]byte("\xff\xff\xff\xff\x1f\x00"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		var numbers []uint64
		for len(packed) > 0 {
			v, n := binary.Uvarint(packed)
			if n <= 0 {
				return
			}
			numbers, packed = append(numbers, v), packed[n:]
		}
		rows, err := Read(numbers)
		if err != nil {
			return
		}
		back, err := Read(Numbers(rows...))
		if err != nil || len(back) != len(rows) || len(rows) > 0 && !reflect.DeepEqual(back, rows) {
			t.Fatalf("%v is %+v, and then %+v, %v", numbers, rows, back, err)
		}
	})
}
