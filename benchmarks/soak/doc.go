// Package soak is what a soak knows beside its processes: which faults come when, all from one seed, and whether a series of
// samples has a slope. It is pure: no clock, no files, no processes.
package soak
