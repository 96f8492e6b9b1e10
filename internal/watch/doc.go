// Package watch shows live prices to a person at a terminal: as a table that repaints itself, or as one
// line for each event where the output goes to a file or a pipe.
//
// Table, Ladder, Candles and Lines turn what the client received into text and know neither sockets nor clocks. Run keeps
// them fed: it connects, subscribes, and comes back after a loss as the protocol's close codes ask.
package watch
