// Package rest serves what a page asks for once rather than subscribes to, as plain JSON over HTTP:
//
//	GET /v1/instruments?q=btc&limit=20
//
// finds instruments by symbol or description. Errors are JSON too: a status and one sentence that says
// what was wrong and what would be right.
package rest
