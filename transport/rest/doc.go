// Package rest serves what a page asks for once rather than subscribes to, over HTTP:
//
//	GET /v1/instruments?q=btc&symbols=binance:*&limit=20
//	GET /v1/lists
//	GET /v1/snapshot?symbols=binance:BTCUSDT,@majors&channels=quote,book&depth=10
//
// Instruments finds instruments by symbol or description, NamedLists tells the named lists, and Snapshot gives out the
// rows that a subscription would begin with, in the very bytes that subscribers get. Errors are JSON: a status and one
// sentence that says what was wrong and what would be right.
package rest
