// Package usage counts who holds what for how long, as exchanges ask of those who pass their data on: for each user,
// venue, channel and delay the instruments held, the most at a time, and instrument-seconds, day by day (UTC).
//
// An instrument's channel counts once in each session, in however many views it is held. The memory is bounded: users
// beyond MaxLines lines are added up under Others. A day is kept in a file of its own, which is written again and again
// while it lasts, so that what a node counted outlives it.
package usage
