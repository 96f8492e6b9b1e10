package soak

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScheduleIsSeededAndDoesNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		from := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "from"))
		until := from + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "long"))
		steps := Schedule(seed, from, until)
		if !slices.Equal(steps, Schedule(seed, from, until)) {
			t.Fatal("the same seed gives another schedule")
		}
		at, open := from, Fault("")
		seen := map[Fault]int{}
		for _, s := range steps {
			if s.At < at || s.At >= until {
				t.Fatalf("%v at %v, behind %v and before %v", s, s.At, at, until)
			}
			switch {
			case s.Ends && s.Fault != open:
				t.Fatalf("%v, and it had not begun", s)
			case s.Ends:
				open = ""
			case open != "":
				t.Fatalf("%v begins, and %s has not ended", s, open)
			case s.Lasts > 0:
				open = s.Fault
			}
			at = s.At
			if !s.Ends {
				seen[s.Fault]++
			}
		}
		if open != "" {
			t.Fatalf("%s never ends", open)
		}
		most, least := 0, len(steps)
		for _, f := range Faults {
			most, least = max(most, seen[f]), min(least, seen[f])
		}
		if most > least+1 {
			t.Fatalf("%v: not each once before any again", seen)
		}
	})
}

// series is an hour of samples, one a second: noise around what an hour and a connection add, with calm stretches of 15 s.
func series(seed uint64, perHour, perConnection, noise float64) []Sample {
	random := rand.New(rand.NewPCG(seed, 1))
	var all []Sample
	for s := range 3600 {
		at := time.Duration(s) * time.Second
		connections := 300 + float64(random.IntN(40))
		all = append(all, Sample{
			At: at, Connections: connections, Calm: s%30 < 15,
			Value: 1000 + perHour*at.Hours() + perConnection*connections + noise*random.NormFloat64(),
		})
	}
	return all
}

func TestSlopesAreFound(t *testing.T) {
	for _, c := range []struct {
		name           string
		perHour, noise float64
		want           Verdict
	}{
		{"steady", 0, 20, Zero},
		{"grows", 100, 20, Grows},
		{"shrinks", -100, 20, Zero},
		{"grows by little", 5, 1, Zero},
		{"noise", 0, 2000, Unclear},
	} {
		s, err := Fit(series(1, c.perHour, 2, c.noise))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := s.Judge(10, 50); got != c.want {
			t.Errorf("%s: %+v is %s, want %s", c.name, s, got, c.want)
		}
	}
	if _, err := Fit(series(1, 0, 0, 1)[:100]); err == nil {
		t.Error("a minute and a half tells a slope")
	}
}

// Of many steady series one in forty at most is held for one that grows, as the confidence promises, and the interval holds
// the slope.
func TestConfidenceIsWhatItSays(t *testing.T) {
	const runs = 400
	wrong, outside := 0, 0
	for seed := range uint64(runs) {
		s, err := Fit(series(seed, 30, 1, 50))
		if err != nil {
			t.Fatal(err)
		}
		if s.Low > 30 {
			wrong++
		}
		if s.Low > 30 || s.High < 30 {
			outside++
		}
	}
	if wrong > runs/20 || outside > runs/10 {
		t.Errorf("of %d intervals %d lie above the slope, and %d do not hold it", runs, wrong, outside)
	}
}
