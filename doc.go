// Package feedd is the root of the module. It holds no code, only the tests of its architecture: which
// package may import which, and which packages stay free of clocks and goroutines.
//
// Start at cmd/feedd for the program, publish to send ticks to it, and ARCHITECTURE.md for the map.
package feedd
