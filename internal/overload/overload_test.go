package overload

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = int64(time.Second / time.Microsecond)

// A line is "seconds heap cpu late-ms level"; figures hold until the next line.
const story = `
1    0.10 0.20   0  open
2    0.69 0.99   0  open       # busy, but on time
3    0.70 0.20   0  refusing   # memory counts at once
4    0.69 0.20   0  refusing   # within the slack
40   0.66 0.20   0  refusing   # still
41   0.64 0.20   0  refusing   # calm begins
55   0.64 0.20   0  refusing
56   0.64 0.20   0  open       # after 15 s
57   0.95 0.20   0  shedding   # as far as it must
58   0.10 0.20   0  shedding
73   0.10 0.20   0  slowing    # and back one at a time
87   0.10 0.20   0  slowing
88   0.10 0.20   0  refusing
95   0.81 0.20   0  slowing    # up again
96   0.10 0.20   0  slowing
111  0.10 0.20   0  refusing
126  0.10 0.20   0  open
130  0.10 0.92 200  open       # the processor has to go on with it
134  0.10 0.92 200  open
135  0.10 0.92 200  slowing
136  0.10 0.92  20  slowing    # on time: calm begins
140  0.10 0.99 200  slowing    # not any more
144  0.10 0.99 200  slowing
145  0.10 0.99 200  shedding
146  0.10 0.20   0  shedding
161  0.10 0.20   0  slowing
`

func TestStory(t *testing.T) {
	m := New(DefaultLimits())
	for line := range strings.Lines(strings.TrimSpace(story)) {
		line, _, _ = strings.Cut(line, "#")
		var at, late int64
		var f Figures
		var want string
		if _, err := fmt.Sscan(line, &at, &f.Heap, &f.CPU, &late, &want); err != nil {
			t.Fatal(err)
		}
		f.Late = time.Duration(late) * time.Millisecond
		before := m.Level()
		changed := m.Step(at*second, f)
		if m.Level().String() != want || changed != (m.Level() != before) {
			t.Fatalf("%s: %v, changed %v", strings.TrimSpace(line), m.Level(), changed)
		}
		if (m.Why() == "") != (m.Level() == Open) {
			t.Fatalf("%s: because %q", strings.TrimSpace(line), m.Why())
		}
	}
}

// Whatever the figures, the level is at least what memory asks for, falls by one at a time, and never before it was calm
// for long enough.
func TestLevelsFollowTheirRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := DefaultLimits()
		m := New(l)
		now, changedAt := int64(1), int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, 10*second).Draw(t, "pause")
			f := Figures{
				Heap: rapid.Float64Range(0, 1.2).Draw(t, "heap"), CPU: rapid.Float64Range(0, 1.2).Draw(t, "cpu"),
				Late: time.Duration(rapid.Int64Range(0, 300).Draw(t, "late")) * time.Millisecond,
			}
			before := m.Level()
			m.Step(now, f)
			for level := Refusing; level < Levels; level++ {
				if f.Heap >= l.Heap[level] && m.Level() < level {
					t.Fatalf("heap %v at level %v", f.Heap, m.Level())
				}
			}
			if m.Level() < before && (m.Level() != before-1 || now-changedAt < l.Calm.Microseconds()) {
				t.Fatalf("from %v to %v after %d us", before, m.Level(), now-changedAt)
			}
			if m.Level() != before {
				changedAt = now
			}
		}
	})
}

func TestFiguresThatAreNone(t *testing.T) {
	m := New(DefaultLimits())
	if m.Step(1, Figures{Heap: math.NaN(), CPU: math.NaN()}); m.Level() != Open {
		t.Errorf("no figures: %v", m.Level())
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		clients int
		accepts float64
		peers   int
		want    time.Duration
	}{
		{10_000, 1000, 1, 20 * time.Second},
		{10_000, 1000, 4, 5 * time.Second},
		{5_000, 0, 1, 50 * time.Second}, // never seen a crowd
		{3, 1000, 1, time.Second},
		{0, 0, 0, time.Second},
		{10_000_000, 200, 1, 5 * time.Minute},
	} {
		if got := Window(c.clients, c.accepts, c.peers); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
