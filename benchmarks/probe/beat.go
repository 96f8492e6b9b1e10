package probe

import (
	"fmt"

	"github.com/feedd/feedd/internal/client/grid"
)

// beat follows when a session gets its cuts. A server that stalls stamps its cuts late as well, and then makes fewer
// of them: lateness from the stamp alone would show one late frame where a second of them is missing. So lateness
// counts from the beat: the cuts of a session lie on a grid, of which the earliest cut seen tells the place.
type beat struct {
	cadence int64 // microseconds; 0: at once, without a grid
	busy    bool  // every beat brings something
	last    int64 // the last cut, in microseconds since the Unix epoch; 0: none yet
	grid    grid.Grid
	due     int64 // the beat of the last cut
	slack   int64 // how far the next cut may go back: behind a change of the cadence
}

// newBeat returns one whose next cut lies on the grid.
func newBeat(cadence int64, busy bool) beat {
	return beat{cadence: cadence, busy: busy, grid: grid.New(cadence)}
}

// granted takes a grant. What stands still has no beat.
func (b *beat) granted(cadence int64, paused bool) {
	if paused {
		cadence = 0
	}
	if cadence != b.cadence && b.last != 0 {
		b.slack = max(b.cadence, cadence)
	}
	if cadence != b.cadence || b.last == 0 {
		b.grid, b.due = grid.Granted(cadence), 0
	}
	b.cadence = cadence
}

// cut takes a cut that arrived at received, both in microseconds since the Unix epoch.
func (b *beat) cut(r *Record, received, cut int64) error {
	var err error
	if cut < b.last-b.slack {
		err = fmt.Errorf("cut time %d after %d", cut, b.last)
	}
	if b.last != 0 && cut > b.last {
		record(r.interval, cut-b.last)
		b.slack = 0
	}
	b.last = max(b.last, cut)
	if b.cadence == 0 {
		record(r.lateness, received-cut)
		return err
	}
	due := b.grid.Place(cut)
	record(r.lateness, received-due)
	if b.busy && b.grid.Known() {
		for missed := b.due + b.cadence; missed < due; missed += b.cadence {
			r.missed++
			record(r.lateness, received-missed)
		}
	}
	b.due = due
	return err
}
