// Package contents says what a node puts into its checkpoints, and takes it out again: the state of the market, where in each
// feed ingest stands, and whose ticks these were. It joins the packages that know of them, which know nothing of each other.
//
// Ingest's places are noted first, and the state is written while ticks go on. So the state may be ahead of them, never behind;
// a position that the state itself carries counts where it is the later one, and no tick is applied twice.
package contents
