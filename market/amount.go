package market

import (
	"math/big"
	"math/bits"
)

// Amount is a sum of price times size, exact in 128 bits: a day's turnover of a busy instrument outgrows 64.
// Its scale is the sum of the price's and the size's. The zero value is 0.
type Amount struct {
	hi int64
	lo uint64
}

// Times returns price times size.
func Times(price, size int64) Amount {
	hi, lo := bits.Mul64(uint64(price), uint64(size))
	// The product of the same bits taken as unsigned is too large by 2^64 times the other factor for each
	// negative one.
	h := int64(hi)
	if price < 0 {
		h -= size
	}
	if size < 0 {
		h -= price
	}
	return Amount{h, lo}
}

// Plus returns a+b.
func (a Amount) Plus(b Amount) Amount {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	return Amount{a.hi + b.hi + int64(carry), lo}
}

// Minus returns a-b.
func (a Amount) Minus(b Amount) Amount {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	return Amount{a.hi - b.hi - int64(borrow), lo}
}

// Over returns the mean price of an amount that was made with size: a divided by it, rounded to the nearest, halves
// away from zero. It is 0 where size is not above 0.
func (a Amount) Over(size int64) int64 {
	if size <= 0 {
		return 0
	}
	negative := a.hi < 0
	if negative {
		a = Amount{}.Minus(a)
	}
	hi, lo := uint64(a.hi), a.lo
	lo, carry := bits.Add64(lo, uint64(size)/2, 0)
	hi += carry
	if hi >= uint64(size) {
		return 0 // no mean of prices comes here: the quotient would not fit 64 bits
	}
	q, _ := bits.Div64(hi, lo, uint64(size))
	if negative {
		return -int64(q)
	}
	return int64(q)
}

// Words returns the two halves of a, for storage; AmountOf puts them together again.
func (a Amount) Words() (hi int64, lo uint64) { return a.hi, a.lo }

// AmountOf is the reverse of Amount.Words.
func AmountOf(hi int64, lo uint64) Amount { return Amount{hi, lo} }

// AppendText appends a as a decimal number with scale digits behind the point.
func (a Amount) AppendText(dst []byte, scale uint8) []byte {
	if v := int64(a.lo); a.hi == v>>63 && scale <= MaxScale {
		return AppendDecimal(dst, v, scale)
	}
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(a.hi), 64), new(big.Int).SetUint64(a.lo))
	if n.Sign() < 0 {
		dst = append(dst, '-')
		n.Neg(n)
	}
	digits := n.Append(nil, 10)
	for len(digits) <= int(scale) {
		digits = append([]byte{'0'}, digits...)
	}
	dst = append(dst, digits[:len(digits)-int(scale)]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-int(scale):]...)
	}
	return dst
}
