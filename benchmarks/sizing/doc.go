// Package sizing says what a fleet of feedd nodes needs, and how it behaves on a bad day: it multiplies costs that were
// measured, and runs a discrete-event model of reconnect waves and rolling restarts over them.
//
// The model has no clock and no goroutine; time is a number, and chance comes from a seed, so a run is the same every time. It
// uses the real rules where it can: the server's own rate limiter, overload levels and reconnect window are called, and
// the SDK's back-off is held against a list that the SDK's tests read too. What a join or a frame costs comes from
// results that benchmarks left; what nobody has measured is named an assumption, in the output as well.
package sizing
