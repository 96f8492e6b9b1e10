// Package params reads the parameters of requests over HTTP: each at most once, none that is unknown, and with an error that
// says what would be right.
package params
