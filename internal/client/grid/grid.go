// Package grid tells when cuts were due. The cuts of a session lie on a grid, one at each beat of its cadence. A server that stalls
// stamps its cuts late as well, so that the stamps alone would not show it: but the earliest cut that was seen tells the place of the
// grid, and so how late all others are.
package grid

// Grid is that of one session. Times are in microseconds.
type Grid struct {
	cadence int64
	anchor  int64 // a beat
	seen    int   // cuts on this grid; below 0: those to come that lie on none
}

// offGrid is how many cuts behind a grant may lie beside the grid: first rows come at once, and so may what they missed.
const offGrid = 2

// settled is how many cuts tell the place of the grid for certain.
const settled = 4

// New returns a grid of a cadence, on which the next cut lies.
func New(cadence int64) Grid { return Grid{cadence: cadence} }

// Granted returns the grid of a cadence that was granted just now.
func Granted(cadence int64) Grid { return Grid{cadence: cadence, seen: -offGrid} }

// Known reports whether there were cuts enough to tell beats that are missing.
func (g *Grid) Known() bool { return g.seen > 1 }

// Settled reports whether the place of the grid is certain.
func (g *Grid) Settled() bool { return g.seen >= settled }

// Place returns the beat that a cut belongs to.
func (g *Grid) Place(cut int64) int64 {
	if g.seen++; g.seen <= 1 {
		g.anchor = cut
		return cut
	}
	off := (cut - g.anchor) % g.cadence
	if off < 0 {
		off += g.cadence
	}
	// A cut ahead of the grid shows that all seen so far were late by as much. Later on a cut that seems to be far
	// ahead is one that is very late.
	early := g.cadence / 8
	if g.seen <= settled {
		early = g.cadence / 2
	}
	if g.cadence-off < early {
		off = 0
	}
	g.anchor = cut - off
	return g.anchor
}
