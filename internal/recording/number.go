package recording

import (
	"fmt"
	"math"

	"github.com/feedd/feedd/market"
)

// number is decimal text as an integer and the number of decimals that it needs: "0.2500" is {25, 2}.
type number struct {
	value    int64
	decimals uint8
}

// parseNumber reads digits with at most one point. Exchanges pad with zeros behind the point; those are
// dropped, so that decimals is what the value needs and not what the exchange prints. Nothing is below
// zero in a recording, so a sign is an error.
func parseNumber(text []byte) (number, error) {
	var n number
	zeros, digits, point := 0, 0, false
	for _, c := range text {
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return number{}, fmt.Errorf("number %q: unexpected %q, want digits and at most one point", text, c)
		}
		digits++
		if point && c == '0' {
			zeros++
			continue
		}
		for ; zeros > 0; zeros-- {
			if !n.push(0) {
				return number{}, errSize(text)
			}
			n.decimals++
		}
		if !n.push(int64(c - '0')) {
			return number{}, errSize(text)
		}
		if point {
			n.decimals++
		}
	}
	if digits == 0 {
		return number{}, fmt.Errorf("number %q: no digits", text)
	}
	if n.decimals > market.MaxScale {
		return number{}, fmt.Errorf("number %q: %d decimals, at most %d are supported", text, n.decimals, market.MaxScale)
	}
	return n, nil
}

func (n *number) push(digit int64) bool {
	if n.value > (math.MaxInt64-digit)/10 {
		return false
	}
	n.value = n.value*10 + digit
	return true
}

func errSize(text []byte) error {
	return fmt.Errorf("number %q: does not fit 63 bits", text)
}

// Grid is the coarsest grid that holds all numbers seen so far: multiples of Step at Scale.
type Grid struct {
	Scale   uint8 // decimals
	Step    int64 // in scaled units; 0: nothing but zeros seen
	Largest int64 // of the numbers, in scaled units: it bounds how far Scale can still rise
}

// add refines the grid so that it holds n. It reports false where no grid of 63 bits does.
func (g *Grid) add(n number) bool {
	if n.decimals > g.Scale {
		step, _ := market.Rescale(g.Step, g.Scale, n.decimals) // not above Largest: fits if that does
		largest, ok := market.Rescale(g.Largest, g.Scale, n.decimals)
		if !ok {
			return false
		}
		g.Step, g.Largest, g.Scale = step, largest, n.decimals
	}
	v, ok := market.Rescale(n.value, n.decimals, g.Scale)
	if !ok {
		return false
	}
	g.Largest = max(g.Largest, v)
	if g.Step == 1 {
		return true // the finest grid of this scale: nearly every number ends here
	}
	for v != 0 {
		g.Step, v = v, g.Step%v
	}
	return true
}

// join refines g so that it holds all that o holds.
func (g *Grid) join(o Grid) bool {
	return g.add(number{o.Step, o.Scale}) && g.add(number{o.Largest, o.Scale})
}
