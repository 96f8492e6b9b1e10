package bystand

import (
	"slices"
	"testing"
)

func TestCutsThatAreLeftOutAreLate(t *testing.T) {
	const start, cadence = 1_700_000_000_000_000, 250_000
	b := newBeat(cadence)
	var late []int64
	note := func(us int64) { late = append(late, us) }
	for _, at := range []int64{-70_000, -10_000, 0, cadence, 2 * cadence, 3 * cadence} {
		b.cut(start+at, start+at+1000, note)
	}
	late = nil
	b.cut(start+6*cadence+20_000, start+6*cadence+21_000, note) // two beats have none
	if want := []int64{2*cadence + 21_000, cadence + 21_000, 21_000}; !slices.Equal(late, want) {
		t.Errorf("late by %v, want %v", late, want)
	}
}

func TestSpread(t *testing.T) {
	var us []int32
	for i := range int32(100) {
		us = append(us, (99-i)*1000)
	}
	s := spread(us)
	if s.Count != 100 || s.P50.Milliseconds() != 50 || s.P99.Milliseconds() != 99 || s.Max.Milliseconds() != 99 {
		t.Errorf("%+v", s)
	}
	if spread(nil) != (Spread{}) {
		t.Error("something of nothing")
	}
}
