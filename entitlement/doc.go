// Package entitlement says who a session is and what it may have: a Set of rules over symbols, channels, depth and
// timeliness. Nothing is allowed that no rule allows. Everything here is plain values and pure functions.
//
// A rule is a line of text, the same in tokens, in configuration and on the command line:
//
//	PATTERN [CHANNEL,CHANNEL…] [depth=N] [delayed[=15m]]
//
//	nyse:*                              all channels of all instruments of a venue, in real time
//	binance:*USDT quote,trade           two channels
//	binance:* book depth=10             books of at most ten levels a side
//	* quote delayed                     quotes of everything, from a delayed feed
//	lse:* delayed=20m                   no earlier than 20 minutes after the fact
//
// Timeliness is a delay: 0 is real time, and who may have something with one delay may have it with any longer one.
package entitlement
