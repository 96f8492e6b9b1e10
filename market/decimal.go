package market

import (
	"fmt"
	"math"
	"strconv"
)

// pow10 holds the powers of ten up to 10^18, the largest below 2^63.
var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// ParseDecimal reads decimal text ("-61837.63", "5", ".5") as an integer at the given scale. Digits
// beyond the scale must be zeros: nothing is ever rounded. Exponents, signs other than one leading
// '-', spaces and values beyond 63 bits are errors that say so.
func ParseDecimal(text string, scale uint8) (int64, error) {
	digits := text
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	var v int64
	decimals, seen, point := 0, false, false
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return 0, fmt.Errorf("decimal %q: unexpected %q", text, c)
		}
		seen = true
		if point {
			if decimals == int(scale) {
				if c != '0' {
					return 0, fmt.Errorf("decimal %q: more than %d decimals", text, scale)
				}
				continue
			}
			decimals++
		}
		d := int64(c - '0')
		if v > (math.MaxInt64-d)/10 {
			return 0, fmt.Errorf("decimal %q: too large at scale %d", text, scale)
		}
		v = v*10 + d
	}
	if !seen {
		return 0, fmt.Errorf("decimal %q: no digits", text)
	}
	v, ok := Rescale(v, uint8(decimals), scale)
	if !ok {
		return 0, fmt.Errorf("decimal %q: too large at scale %d", text, scale)
	}
	if negative {
		v = -v
	}
	return v, nil
}

// Rescale converts v from one scale to another. It reports false where digits would be lost or the
// result would not fit 63 bits.
func Rescale(v int64, from, to uint8) (int64, bool) {
	switch {
	case from == to || v == 0:
		return v, true
	case to > from:
		if int(to-from) >= len(pow10) {
			return 0, false
		}
		f := pow10[to-from]
		if v > math.MaxInt64/f || v < -(math.MaxInt64/f) {
			return 0, false
		}
		return v * f, true
	default:
		if int(from-to) >= len(pow10) {
			return 0, false
		}
		f := pow10[from-to]
		return v / f, v%f == 0
	}
}

// AppendDecimal appends v as decimal text with exactly scale decimals.
func AppendDecimal(dst []byte, v int64, scale uint8) []byte {
	if scale == 0 {
		return strconv.AppendInt(dst, v, 10)
	}
	u := uint64(v)
	if v < 0 {
		dst = append(dst, '-')
		u = -u
	}
	f := uint64(pow10[min(int(scale), len(pow10)-1)])
	dst = strconv.AppendUint(dst, u/f, 10)
	dst = append(dst, '.')
	frac := u % f
	for f /= 10; f > 0; f /= 10 {
		dst = append(dst, byte('0'+frac/f%10))
	}
	return dst
}
