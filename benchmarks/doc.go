// Command benchmarks measures what feedd costs, beside the least that it could cost, in one run on one
// machine. README.md tells how, and how to read the figures.
package main
