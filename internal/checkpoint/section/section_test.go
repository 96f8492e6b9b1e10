package section

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is appended is read back, in the same order and to the last byte.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		var read []func(*Reader) bool
		for range rapid.IntRange(0, 20).Draw(t, "fields") {
			switch rapid.IntRange(0, 4).Draw(t, "field") {
			case 0:
				v := rapid.Uint64().Draw(t, "uint")
				b = AppendUint(b, v)
				read = append(read, func(r *Reader) bool { return r.Uint(v) == v })
			case 1:
				v := rapid.Int64().Draw(t, "int")
				b = AppendInt(b, v)
				read = append(read, func(r *Reader) bool { return r.Int() == v })
			case 2:
				v := rapid.Bool().Draw(t, "bool")
				b = AppendBool(b, v)
				read = append(read, func(r *Reader) bool { return r.Bool() == v })
			case 3:
				v := rapid.String().Draw(t, "text")
				b = AppendText(b, v)
				read = append(read, func(r *Reader) bool { return r.Text() == v })
			case 4:
				v := rapid.SliceOf(rapid.Byte()).Draw(t, "part")
				b = AppendPart(b, func(dst []byte) []byte { return append(dst, v...) })
				read = append(read, func(r *Reader) bool { return bytes.Equal(r.Part(), v) })
			}
		}
		r := NewReader(b)
		for i, ok := range read {
			if !ok(r) {
				t.Fatalf("field %d comes back otherwise: %v", i, r.Err())
			}
		}
		if r.More() || r.Err() != nil {
			t.Fatalf("something is left, or wrong: %v", r.Err())
		}
	})
}

func TestDamageIsNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		read func(*Reader)
		want string
	}{
		{"nothing", nil, func(r *Reader) { r.Int() }, "ends inside"},
		{"half a number", []byte{0x80}, func(r *Reader) { r.Uint(math.MaxUint64) }, "ends inside"},
		{"a number beyond 64 bits", bytes.Repeat([]byte{0xff}, 11), func(r *Reader) { r.Uint(math.MaxUint64) }, "ends inside"},
		{"too large", AppendUint(nil, uint64(7)), func(r *Reader) { r.Uint(6) }, "7 where at most 6"},
		{"neither true nor false", []byte{2}, func(r *Reader) { r.Bool() }, "2 where at most 1"},
		{"text far longer than what is left", []byte{9, 'a', 'b'}, func(r *Reader) { r.Text() }, "9 where at most 3"},
		{"text longer than what is left", []byte{3, 'a', 'b'}, func(r *Reader) { r.Text() }, "ends inside"},
		{"part longer than what is left", []byte{9, 0, 0, 0, 'a'}, func(r *Reader) { r.Part() }, "ends inside"},
		{"part without its length", []byte{9, 0, 0}, func(r *Reader) { r.Part() }, "ends inside"},
		{"the first reason stays", []byte{2}, func(r *Reader) { r.Bool(); r.Fail("later") }, "2 where at most 1"},
		{"the caller's reason", []byte{2}, func(r *Reader) { r.Fail("day %d", 32); r.Bool() }, "day 32"},
	} {
		r := NewReader(c.b)
		c.read(r)
		if r.Err() == nil || !strings.Contains(r.Err().Error(), c.want) || r.More() {
			t.Errorf("%s: %v, want %q", c.name, r.Err(), c.want)
		}
		if r.Uint(9) != 0 || r.Int() != 0 || r.Text() != "" || r.Part() != nil || r.Bool() {
			t.Errorf("%s: reads on behind an error", c.name)
		}
	}
}
