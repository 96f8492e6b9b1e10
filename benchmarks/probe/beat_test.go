package probe

import "testing"

// run cuts at the times given, each of which arrives 1 ms later.
func run(b *beat, cuts ...int64) Figures {
	r := NewRecord()
	for _, c := range cuts {
		if err := b.cut(r, c+1000, c); err != nil {
			r.problem("%v", err)
		}
	}
	return r.Take()
}

const ms, quarter = 1000, 250_000

func TestAStallCountsForEveryBeatThatItSwallows(t *testing.T) {
	beats := func(busy bool) Figures {
		b := newBeat(quarter, busy)
		// The fifth is a second late: it stands for three beats that have none, and its own.
		return run(&b, cut, cut+quarter, cut+2*quarter, cut+3*quarter, cut+7*quarter+40*ms)
	}
	f := beats(true)
	if f.MissedBeats != 3 || f.Lateness.Count != 8 {
		t.Fatalf("%+v", f)
	}
	if late := f.Lateness.Max; late < 790*ms || late > 792*ms {
		t.Errorf("the first beat missed waited %d µs, want 791,000", late)
	}
	if f := beats(false); f.MissedBeats != 0 || f.Lateness.Count != 5 || f.Lateness.Max < 40*ms || f.Lateness.Max > 42*ms {
		t.Errorf("a quiet market misses nothing: %+v", f)
	}
}

func TestGridIsThatOfTheEarliestCut(t *testing.T) {
	b := newBeat(quarter, true)
	f := run(&b, cut+30*ms, cut+quarter, cut+2*quarter+10*ms, cut+3*quarter)
	if f.Lateness.Max < 10*ms || f.Lateness.Max > 12*ms || f.MissedBeats != 0 {
		t.Errorf("%+v", f)
	}
}

func TestFirstRowsLieOnNoGrid(t *testing.T) {
	b := beat{busy: true}
	b.granted(quarter, false)
	if f := run(&b, cut-100*ms, cut-10*ms, cut, cut+quarter, cut+2*quarter); f.Lateness.Max > 2*ms || f.MissedBeats != 0 {
		t.Errorf("%+v", f)
	}
}

func TestCutsMayGoBackOnlyBehindAChangeOfCadence(t *testing.T) {
	b := newBeat(quarter, false)
	if f := run(&b, cut, cut+quarter, cut); f.Problems != 1 {
		t.Errorf("%+v", f)
	}
	b.granted(1000*ms, false)
	if f := run(&b, cut, cut+1000*ms); f.Problems != 0 {
		t.Errorf("%+v", f)
	}
}
