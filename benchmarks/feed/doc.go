// Package feed is the market of a benchmark: a NATS server and a publisher of quotes whose values can be
// checked at the far end.
//
// Ticks come in bursts, as on an exchange: the bursts of each instrument arrive at random (exponential
// gaps), and each holds a geometric number of ticks that travel in one message. Everything follows from a
// seed, apart from the times of day.
//
// Every quote obeys a relation between its fields and its instrument (see Check), so a reader that saw
// one row, or applied a thousand differences, can tell whether it holds the fields of one tick of the
// right instrument. When publishing stops, the publisher tells its last quotes, to which every reader must
// have converged.
package feed
