// Package report is what a benchmark says: figures computed from what was measured, as JSON, as a table,
// and as the difference between two saved results.
package report
