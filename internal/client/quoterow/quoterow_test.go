package quoterow

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func rows() *rapid.Generator[Row] {
	return rapid.Custom(func(t *rapid.T) Row {
		r := Row{
			Handle: rapid.Uint32().Draw(t, "handle"), Bid: rapid.Int64().Draw(t, "bid"), BidSize: rapid.Int64().Draw(t, "bid size"),
			Spread: rapid.Int64().Draw(t, "spread"), AskSize: rapid.Int64().Draw(t, "ask size"), AgeMs: rapid.Uint32().Draw(t, "age"),
			TransitMs: rapid.Int32().Draw(t, "transit"), Sequence: rapid.Uint64().Draw(t, "sequence"), Epoch: rapid.Uint64().Draw(t, "epoch"),
		}
		if rapid.Bool().Draw(t, "says what there is") {
			has := rapid.Uint32Range(0, 7).Draw(t, "has")
			r.Has = &has
		}
		return r
	})
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rows()).Draw(t, "rows")
		got, err := Read(Numbers(want...))
		if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v (%v), want %+v", got, err, want)
		}
	})
}

func TestNumbersOfLaterVersionsArePassedOver(t *testing.T) {
	numbers := []uint64{5, 1 | 1<<known | 1<<31, 2, 77, 88, 6, 1, 4}
	got, err := Read(numbers)
	if err != nil || len(got) != 2 || got[0] != (Row{Handle: 5, Bid: 1}) || got[1] != (Row{Handle: 6, Bid: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBrokenListsAreErrors(t *testing.T) {
	for _, numbers := range [][]uint64{{1}, {1, 1}, {1, 1 << 31}, {1 << 32, 0}, {1, 1 << 32, 9}, {1, 0, 2}} {
		if got, err := Read(numbers); err == nil || !strings.HasPrefix(err.Error(), "quotes: ") {
			t.Errorf("%v was read as %+v, %v", numbers, got, err)
		}
	}
	if got, err := Read(nil); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
