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

// A line is "seconds heap cpu late-ms level refuses"; figures hold until the next line.
const story = `
1    0.10 0.20   0  open      false
2    0.69 0.99   0  open      false  # busy, but on time
3    0.70 0.20   0  refusing  true   # memory counts at once
4    0.69 0.20   0  refusing  true   # within the slack
40   0.66 0.20   0  refusing  true   # still
41   0.64 0.20   0  refusing  true   # calm begins
55   0.64 0.20   0  refusing  true
56   0.64 0.20   0  open      false  # after 15 s
57   0.95 0.20   0  shedding  true   # as far as it must
58   0.10 0.20   0  shedding  true
73   0.10 0.20   0  slowing   true   # and back one at a time
87   0.10 0.20   0  slowing   true
88   0.10 0.20   0  slowing   false  # newcomers first
102  0.10 0.20   0  slowing   false
103  0.10 0.20   0  open      false
110  0.81 0.20   0  slowing   true   # up again, soon
111  0.10 0.20   0  slowing   true
126  0.10 0.20   0  slowing   false
155  0.10 0.20   0  slowing   false  # so rows stay slow for longer
156  0.10 0.20   0  open      false
400  0.10 0.92 200  open      false  # the processor has to go on with it
404  0.10 0.92 200  open      false
405  0.10 0.92 200  slowing   true
406  0.10 0.46  20  slowing   true   # slow rows make room: calm begins
411  0.10 0.46  20  slowing   true   # they left the half of it
421  0.10 0.46  20  slowing   false  # who comes is let in
600  0.10 0.46  20  slowing   false  # but rows at their full rate would take 92 % again
601  0.10 0.80  20  slowing   false
602  0.10 0.99 200  slowing   false
606  0.10 0.99 200  slowing   false
607  0.10 0.99 200  shedding  true
608  0.10 0.40   0  shedding  true
623  0.10 0.40   0  slowing   true
638  0.10 0.40   0  slowing   false
652  0.10 0.40   0  slowing   false
653  0.10 0.40   0  open      false  # 80 % at their full rate
`

func TestStory(t *testing.T) {
	m := New(DefaultLimits())
	for line := range strings.Lines(strings.TrimSpace(story)) {
		line, _, _ = strings.Cut(line, "#")
		var at, late int64
		var f Figures
		var want string
		var refuses bool
		if _, err := fmt.Sscan(line, &at, &f.Heap, &f.CPU, &late, &want, &refuses); err != nil {
			t.Fatal(err)
		}
		f.Late = time.Duration(late) * time.Millisecond
		before := m.taken
		changed := m.Step(at*second, f)
		if m.Level().String() != want || m.Refuses() != refuses || changed != (m.taken != before) {
			t.Fatalf("%s: %v, refuses %v, changed %v", strings.TrimSpace(line), m.Level(), m.Refuses(), changed)
		}
		if (m.Why() == "") != (m.Level() == Open) {
			t.Fatalf("%s: because %q", strings.TrimSpace(line), m.Why())
		}
	}
}

// Whatever the figures, what memory asks for is done at once, a measure at a time is given up, and never before it was calm for
// long enough; and nobody is let in while sessions are sent away.
func TestMeasuresFollowTheirRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := DefaultLimits()
		m := New(l)
		now := int64(1)
		var since [Levels]int64
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, 10*second).Draw(t, "pause")
			f := Figures{
				Heap: rapid.Float64Range(0, 1.2).Draw(t, "heap"), CPU: rapid.Float64Range(0, 1.2).Draw(t, "cpu"),
				Late: time.Duration(rapid.Int64Range(0, 300).Draw(t, "late")) * time.Millisecond,
			}
			before := m.taken
			changed := m.Step(now, f)
			left := 0
			for level := Refusing; level < Levels; level++ {
				if f.Heap >= l.Heap[level] && !m.taken[level] {
					t.Fatalf("heap %v without %v", f.Heap, level)
				}
				if before[level] && !m.taken[level] {
					if left++; now-since[level] < l.Calm.Microseconds() {
						t.Fatalf("%v given up after %d us", level, now-since[level])
					}
				}
				if m.taken[level] != before[level] {
					since[level] = now
				}
			}
			if left > 1 || changed != (before != m.taken) || m.taken[Shedding] && !m.Refuses() {
				t.Fatalf("from %v to %v, changed %v", before, m.taken, changed)
			}
		}
	})
}

// A node whose clients are too many for their full rate does not go back and forth: rows become slow, newcomers are let in, and slow
// they stay for as long as those clients are there.
func TestANodeDoesNotSway(t *testing.T) {
	m := New(DefaultLimits())
	changes := 0
	for now := int64(1); now < 3600; now++ {
		f := Figures{Heap: 0.2, CPU: 1, Late: 300 * time.Millisecond} // 1.2 of what there is
		if m.Slows() {
			f.CPU, f.Late = 0.5, 4*time.Millisecond
		}
		if m.Step(now*second, f) {
			changes++
		}
	}
	// Slow rows seem to leave one half, and leave less, so that they are not given up.
	if !m.Slows() || m.Refuses() || changes > 3 {
		t.Errorf("slows %v, refuses %v after %d changes", m.Slows(), m.Refuses(), changes)
	}
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
		seen    float64
		cores   int
		admits  float64
		peers   int
		want    time.Duration
	}{
		{10_000, 1000, 1, 0, 1, 20 * time.Second},
		{10_000, 1000, 1, 0, 4, 5 * time.Second},
		{6_000, 0, 1, 0, 1, 20 * time.Second}, // never seen a crowd
		{6_000, 0, 0, 0, 1, 20 * time.Second}, // nor said what it runs on
		{9_600, 0, 16, 0, 1, 2 * time.Second},
		{9_600, 0, 16, 480, 1, 40 * time.Second}, // lets in no more
		{3, 1000, 1, 0, 1, time.Second},
		{0, 0, 0, 0, 1, time.Second},
		{10_000_000, 200, 1, 0, 1, 5 * time.Minute},
	} {
		if got := Window(c.clients, Able(c.seen, c.cores, c.admits)*float64(c.peers)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
