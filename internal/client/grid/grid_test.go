package grid

import (
	"testing"

	"pgregory.net/rapid"
)

const start, quarter = 1_700_000_000_000_000, 250_000

func TestTheGridHoldsUnderLateCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := New(quarter)
		for k := range int64(settled) {
			g.Place(start + k*quarter)
		}
		for k := int64(settled); k < 30; k++ {
			late := rapid.Int64Range(0, quarter*7/8).Draw(t, "late")
			if got := g.Place(start + k*quarter + late); got != start+k*quarter {
				t.Fatalf("a cut %d µs late was counted %d µs late", late, start+k*quarter+late-got)
			}
		}
	})
}

func TestFirstRowsTellNothing(t *testing.T) {
	g := Granted(quarter)
	for _, at := range []int64{start - 100_000, start - 10_000, start, start + quarter} {
		if g.Settled() {
			t.Fatal("settled by rows beside the grid")
		}
		g.Place(at)
	}
	if got := g.Place(start + 2*quarter + 5000); got != start+2*quarter {
		t.Errorf("place %d µs off", got-start-2*quarter)
	}
}
