package bars

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/feedd/feedd/market"
)

// The stored form of a Set is varints: last price, its two times and the start of the window, then for each interval
// the count of its bars and the bars, oldest first, each told by what it differs in from the one before. Sums,
// revisions and the session follow from the bars and are not stored.

// Flags of a stored bar.
const (
	storedClosed = 1 << iota
	storedWide   // the turnover takes two numbers
	storedTimed  // the venue gave a time
	storedFlags
)

// AppendTo appends s as ReadFrom reads it.
func (s *Set) AppendTo(dst []byte) []byte {
	dst = binary.AppendVarint(dst, s.last)
	dst = binary.AppendVarint(dst, s.exchangeTime)
	dst = binary.AppendVarint(dst, s.ingestTime)
	dst = binary.AppendVarint(dst, s.window.start)
	for i := range s.series {
		series := &s.series[i]
		dst = binary.AppendUvarint(dst, series.next-series.First())
		prev := &market.Bar{}
		for n := series.First(); n < series.next; n++ {
			b := &series.At(n).Bar
			dst = appendBar(dst, prev, b)
			prev = b
		}
	}
	return dst
}

func appendBar(dst []byte, prev, b *market.Bar) []byte {
	// Most of the turnover is the volume at the closing price.
	hi, lo := b.Turnover.Minus(market.Times(b.Close, b.Volume)).Words()
	flags := uint64(0)
	if b.Closed {
		flags |= storedClosed
	}
	if hi != int64(lo)>>63 {
		flags |= storedWide
	}
	if b.ExchangeTime != 0 {
		flags |= storedTimed
	}
	dst = binary.AppendUvarint(dst, flags)
	dst = binary.AppendVarint(dst, b.Start-prev.Start)
	dst = binary.AppendVarint(dst, b.Open-prev.Close)
	dst = binary.AppendVarint(dst, b.High-b.Open)
	dst = binary.AppendVarint(dst, b.Low-b.Open)
	dst = binary.AppendVarint(dst, b.Close-b.Open)
	dst = binary.AppendUvarint(dst, uint64(b.Volume))
	dst = binary.AppendUvarint(dst, uint64(b.Trades))
	dst = binary.AppendVarint(dst, int64(lo))
	if flags&storedWide != 0 {
		dst = binary.AppendVarint(dst, hi)
	}
	dst = binary.AppendVarint(dst, b.IngestTime-b.Start*second)
	if flags&storedTimed != 0 {
		dst = binary.AppendVarint(dst, b.ExchangeTime-b.Start*second)
	}
	return dst
}

// ReadFrom fills s, which must be new, with what AppendTo wrote, and returns what stands behind that. Where it fails s
// is of no use.
func (s *Set) ReadFrom(b []byte) (rest []byte, err error) {
	d := decoder{b: b}
	s.last, s.exchangeTime, s.ingestTime, s.window.start = d.signed(), d.signed(), d.signed(), d.signed()
	for i := range s.series {
		if err := s.series[i].read(&d, &s.calendar); err != nil {
			return nil, fmt.Errorf("bars of %d s: %w", market.Intervals[i], err)
		}
	}
	if d.failed {
		return nil, errStored
	}
	if shortest := &s.series[0]; shortest.end != 0 {
		s.sessionStart, s.sessionEnd = s.calendar.Day(shortest.newest.Start)
		s.revision = 1
	}
	s.window.rebuild(&s.series[minutes])
	return d.b, nil
}

var errStored = errors.New("the stored numbers end too early or are out of range")

func (s *Series) read(d *decoder, cal *Calendar) error {
	n := d.unsigned()
	if n > uint64(s.limit) {
		return fmt.Errorf("%d are stored, but at most %d are held", n, s.limit)
	}
	if n == 0 {
		return nil
	}
	s.ring = make([]Held, min(s.limit-1, max(ringFirstSize, int(n)-1)))
	prev := market.Bar{}
	for k := range n {
		b := d.bar(&prev)
		if d.failed || k > 0 && b.Start <= prev.Start {
			return errStored
		}
		if s.interval != secondsPerDay && b.Start%s.interval != 0 {
			return fmt.Errorf("a bar starts at %d", b.Start)
		}
		h := Held{Bar: b, Revision: k + 1}
		if k < n-1 {
			h.Closed = true
			s.ring[k] = h
		}
		s.newest, prev = h, b
	}
	s.revision, s.next, s.kept = n, n, int(n-1)
	_, s.end = s.bounds(prev.Start, cal)
	return nil
}

// decoder reads varints. After the first that is not there it has failed and returns zeros.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) unsigned() uint64 {
	v, n := binary.Uvarint(d.b)
	d.took(n)
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	d.took(n)
	return v
}

func (d *decoder) took(n int) {
	if n <= 0 {
		d.failed, d.b = true, nil
		return
	}
	d.b = d.b[n:]
}

// count reads a number that is stored without a sign but is not to exceed 63 bits.
func (d *decoder) count() int64 {
	v := d.unsigned()
	if v > math.MaxInt64 {
		d.failed = true
	}
	return int64(v)
}

// latestStart bounds the start of a bar, so that no time computed from it overflows; it is in the year 36812.
const latestStart = 1 << 40

func (d *decoder) bar(prev *market.Bar) market.Bar {
	flags := d.unsigned()
	b := market.Bar{Closed: flags&storedClosed != 0}
	after := d.signed()
	b.Start = prev.Start + max(-latestStart, min(after, latestStart+1))
	b.Open = prev.Close + d.signed()
	b.High, b.Low, b.Close = b.Open+d.signed(), b.Open+d.signed(), b.Open+d.signed()
	b.Volume, b.Trades = d.count(), d.count()
	lo := d.signed()
	hi := lo >> 63
	if flags&storedWide != 0 {
		hi = d.signed()
	}
	b.Turnover = market.AmountOf(hi, uint64(lo)).Plus(market.Times(b.Close, b.Volume))
	b.IngestTime = b.Start*second + d.signed()
	if flags&storedTimed != 0 {
		b.ExchangeTime = b.Start*second + d.signed()
	}
	d.failed = d.failed || flags >= storedFlags || b.Start > latestStart || b.Start <= 0 ||
		b.Trades != 0 && (b.Low > min(b.Open, b.Close) || b.High < max(b.Open, b.Close))
	return b
}
