package book

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/feedd/feedd/market"
)

// AppendTo appends the book to dst, for ReadFrom: its position, its times and its levels, but not the changes that led
// there. Everything is a variable-length integer; a level is the distance of its price to that of the better level,
// and its size.
func (b *Book) AppendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(b.position.Epoch))
	dst = binary.AppendUvarint(dst, uint64(b.position.Sequence))
	dst = binary.AppendVarint(dst, b.exchangeTime)
	dst = binary.AppendVarint(dst, b.ingestTime)
	for s := range b.sides {
		levels := b.sides[s].levels
		dst = binary.AppendUvarint(dst, uint64(len(levels)))
		for i := len(levels) - 1; i >= 0; i-- {
			if i == len(levels)-1 {
				dst = binary.AppendVarint(dst, levels[i].Price)
			} else {
				dst = binary.AppendUvarint(dst, uint64(levels[i+1].Price)-uint64(levels[i].Price))
			}
			dst = binary.AppendUvarint(dst, uint64(levels[i].Size))
		}
	}
	return dst
}

var errShort = errors.New("book: ends too early")

// ReadFrom makes b the book that AppendTo has written, all of src. Where src is damaged, it says what is wrong and
// leaves b as it was.
func (b *Book) ReadFrom(src []byte) error {
	d := decoder{src: src}
	next := Book{ticks: 1, ring: ring{floor: 1, off: b.ring.off}}
	next.position = market.Position{Epoch: market.Epoch(d.uvarint()), Sequence: market.Sequence(d.uvarint())}
	next.exchangeTime, next.ingestTime = d.varint(), d.varint()
	for s := range next.sides {
		next.sides[s].levels = d.levels()
	}
	if d.err == nil && len(d.src) > 0 {
		d.err = fmt.Errorf("book: %d bytes behind its end", len(d.src))
	}
	if d.err != nil {
		return d.err
	}
	*b = next
	return nil
}

// decoder reads integers until one is not there; from then on it reads zeros.
type decoder struct {
	src []byte
	err error
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.src)
	return take(d, v, n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.src)
	return take(d, v, n)
}

func take[T int64 | uint64](d *decoder, v T, n int) T {
	switch {
	case d.err != nil:
		return 0
	case n == 0:
		d.err = errShort
		return 0
	case n < 0:
		d.err = errors.New("book: a number of more than 64 bits")
		return 0
	}
	d.src = d.src[n:]
	return v
}

func (d *decoder) levels() []market.Level {
	n := d.uvarint()
	if n > market.MaxLevels {
		d.err = fmt.Errorf("book: %d levels on a side: want %d or fewer", n, market.MaxLevels)
		return nil
	}
	if n > uint64(len(d.src)/2) { // a level takes two bytes or more: nothing is allocated on a damaged count
		d.err = errShort
		return nil
	}
	levels := make([]market.Level, n)
	var key int64
	for i := len(levels) - 1; i >= 0 && d.err == nil; i-- {
		if i == len(levels)-1 {
			key = d.varint()
		} else {
			step := d.uvarint()
			if step == 0 || step > uint64(key)+1<<63 {
				d.fail(fmt.Errorf("book: a level %d steps from the better one", step))
				return nil
			}
			key -= int64(step)
		}
		size := d.uvarint()
		if size == 0 || size > math.MaxInt64 {
			d.fail(fmt.Errorf("book: a level of size %d", size))
			return nil
		}
		levels[i] = market.Level{Price: key, Size: int64(size)}
	}
	return levels
}

// fail notes the first error.
func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}
