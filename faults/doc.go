// Package faults hurts feedd in every way that is known to hurt systems of its kind, and holds that clients see nothing wrong: no
// position goes back, the last values are the publisher's, every loss is told of, and nothing is left behind in the server. It
// holds tests only.
//
// Each row of the matrix (matrix_test.go) is a fault, what must come of it, and a function that brings it about and writes down
// figures. "go test" runs a short selection, once, with the race detector in the server. "make test-faults" runs all of it several
// times without, and writes benchmarks/results/faults.json and docs/faults.md. Both draw from a seed, which is printed.
package faults
