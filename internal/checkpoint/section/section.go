package section

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// AppendUint appends a number that is mostly small.
func AppendUint[T ~uint8 | ~uint16 | ~uint32 | ~uint64](dst []byte, v T) []byte {
	return binary.AppendUvarint(dst, uint64(v))
}

// AppendInt appends a number that is mostly close to 0, on either side.
func AppendInt(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// AppendBool appends a truth.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendText appends text behind its length.
func AppendText[T ~string | ~[]byte](dst []byte, text T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

// AppendPart appends what f appends, behind its length in four bytes: f's bytes are never moved.
func AppendPart(dst []byte, f func(dst []byte) []byte) []byte {
	dst = append(dst, 0, 0, 0, 0)
	at := len(dst)
	dst = f(dst)
	binary.LittleEndian.PutUint32(dst[at-4:], uint32(len(dst)-at))
	return dst
}

// Reader reads fields in the order in which they were appended. After an error its methods return zeros, and Err the
// first one, so that a row can be read whole and be judged at its end.
type Reader struct {
	rest []byte
	err  error
}

// NewReader returns a reader of b, whose bytes must stay as they are until it is done.
func NewReader(b []byte) *Reader { return &Reader{rest: b} }

var errShort = errors.New("the section ends inside a field")

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Fail makes the reader's error what is wrong with what was read, unless it has one.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// More reports whether there is anything left to be read.
func (r *Reader) More() bool { return r.err == nil && len(r.rest) > 0 }

// Uint reads a number of AppendUint that must not be above most.
func (r *Reader) Uint(most uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	switch {
	case n <= 0:
		r.err = errShort
		return 0
	case v > most:
		r.err = fmt.Errorf("%d where at most %d is possible", v, most)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Int reads a number of AppendInt.
func (r *Reader) Int() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Count reads a number of things that take at least one byte each: there cannot be more than bytes are left.
func (r *Reader) Count() int { return int(r.Uint(uint64(len(r.rest)))) }

// Bool reads a truth.
func (r *Reader) Bool() bool { return r.Uint(1) == 1 }

// Text reads text.
func (r *Reader) Text() string { return string(r.take(r.Count())) }

// Part reads what AppendPart appended. It is part of what the reader was made of.
func (r *Reader) Part() []byte {
	head := r.take(4)
	if r.err != nil {
		return nil
	}
	return r.take(int(binary.LittleEndian.Uint32(head)))
}

func (r *Reader) take(n int) []byte {
	if r.err == nil && n > len(r.rest) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}
