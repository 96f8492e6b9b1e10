// Package replay publishes recorded market data to NATS with the pauses that it had, faster, or as fast
// as NATS takes it, so that dashboards, tests and benchmarks can be shown a real market at will.
//
//	r, err := replay.Open(replay.Config{Files: files, Speed: 1})
//	...
//	tallies, err := r.Run(ctx, nc)
//
// Open reads every file from end to end: it finds the instruments and their scales, and names the first
// broken line before anything is published. Run merges the files by time of arrival and publishes quotes,
// trades and books under the recorded venue and symbol; each round of a loop is an epoch of its own.
// A book begins with the first snapshot in the files. Changes that have none ahead of them mean nothing by
// themselves, so a file that only continues another one shows its book only when both are replayed; what was
// left out is told at the end.
//
// The parts are small and know nothing of each other: timeline merges files, joiner makes one contiguous
// book of a snapshot and the changes around it, pacer says when an event is due, progress tells how far
// things are. Only Run waits and reads a clock.
package replay
