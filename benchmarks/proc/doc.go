// Package proc starts the processes of a benchmark, pins each to its cores, talks to them, and reads from
// the operating system what they cost.
//
// A benchmark is several processes because their costs must not mix: the server under test, the floor
// that it is compared with, the generator of load and the source of ticks. Those that belong to the
// benchmark are the same executable started again with a role as its first argument. They answer requests,
// one JSON object a line, and end when their standard input does, so that none outlives the benchmark.
package proc
