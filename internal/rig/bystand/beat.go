package bystand

import "github.com/feedd/feedd/internal/client/grid"

// beat follows the cuts of one client, which follows so much that every one of them brings something. Times are in microseconds.
type beat struct {
	cadence int64
	grid    grid.Grid
	due     int64 // of the last cut
}

func newBeat(cadence int64) beat { return beat{cadence: cadence, grid: grid.Granted(cadence)} }

// cut takes a cut that came at arrived, and calls late with how late it was, and with that of each before it that was left out.
func (b *beat) cut(at, arrived int64, late func(us int64)) {
	due := b.grid.Place(at)
	if b.grid.Settled() {
		for missed := b.due + b.cadence; missed < due; missed += b.cadence {
			late(arrived - missed)
		}
		late(arrived - due)
	}
	b.due = due
}
