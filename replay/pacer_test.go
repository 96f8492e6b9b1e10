package replay

import (
	"testing"
	"time"
)

// Recorded times are moved as far forward as they can be without an event that comes ahead of its time.
func TestShiftEndsInThePresent(t *testing.T) {
	const first, last = int64(1_700_000_000_000_000_000), int64(1_700_000_600_000_000_000) // ten minutes
	start := time.Unix(1_800_000_000, 123_456_789)
	for name, c := range map[string]struct {
		speed float64
		want  time.Time // of the first event, moved
	}{
		"original pace":          {1, start},
		"ten times":              {10, start.Add(-9 * time.Minute)},
		"as fast as possible":    {0, start.Add(-10 * time.Minute)},
		"slow motion, not ahead": {0.5, start},
	} {
		p := pacer{speed: c.speed, first: first, start: start}
		shift := p.shift(last)
		if got := first/1000 + shift; got != c.want.Truncate(time.Millisecond).UnixMicro() {
			t.Errorf("%s: the first event moves to %v, want %v", name, time.UnixMicro(got), c.want)
		}
		for _, at := range []int64{first, (first + last) / 2, last} {
			if due := p.due(at); c.speed != 0 && at/1000+shift > due.UnixMicro() {
				t.Errorf("%s: an event is ahead of its time by %d µs", name, at/1000+shift-due.UnixMicro())
			}
		}
	}
}
