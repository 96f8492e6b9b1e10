// Package admin answers the operator: is the node alive, is it ready, what is it doing. It serves
//
//	/livez /readyz /startupz   200 or 503 with a line; ?verbose=1 lists the checks
//	/metrics                   Prometheus
//	/debug/pprof/              Go's profiler
//
// It belongs on a listener of its own that the public does not reach. Nothing in here knows the parts of
// feedd: what to check and what to count is passed in as functions and plain values.
package admin
