package probe

import "fmt"

// beat follows when a session gets its cuts. A server that stalls stamps its cuts late as well, and then makes fewer
// of them: lateness from the stamp alone would show one late frame where a second of them is missing. So lateness
// counts from the beat: the cuts of a session lie on a grid, of which the earliest cut seen tells the place.
type beat struct {
	cadence int64 // microseconds; 0: at once, without a grid
	busy    bool  // every beat brings something
	last    int64 // the last cut, in microseconds since the Unix epoch; 0: none yet
	anchor  int64 // a beat of the grid
	seen    int   // cuts on this grid; below 0: those to come that lie on none
	due     int64 // the beat of the last cut
	slack   int64 // how far the next cut may go back: behind a change of the cadence
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
		b.seen, b.due = -offGrid, 0
	}
	b.cadence = cadence
}

// offGrid is how many cuts behind a grant may lie beside the grid: first rows come at once, and so may what they
// missed.
const offGrid = 2

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
	due := b.place(cut)
	record(r.lateness, received-due)
	if b.busy && b.seen > 1 {
		for missed := b.due + b.cadence; missed < due; missed += b.cadence {
			r.missed++
			record(r.lateness, received-missed)
		}
	}
	b.due = due
	return err
}

// settled is how many cuts tell the place of the grid for certain.
const settled = 4

// place returns the beat that a cut belongs to.
func (b *beat) place(cut int64) int64 {
	if b.seen++; b.seen <= 1 {
		b.anchor = cut
		return cut
	}
	off := (cut - b.anchor) % b.cadence
	if off < 0 {
		off += b.cadence
	}
	// A cut ahead of the grid shows that all seen so far were late by as much. Later on a cut that seems to be far
	// ahead is one that is very late.
	early := b.cadence / 8
	if b.seen <= settled {
		early = b.cadence / 2
	}
	if b.cadence-off < early {
		off = 0
	}
	b.anchor = cut - off
	return b.anchor
}
