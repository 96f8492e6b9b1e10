// Package conns is what the connections of all transports have in common, whatever carries their frames:
//
//	Handler    what a client's messages are for: the session
//	Handling   a connection's handler, between its beginning and its end
//	Ending     why a connection ends: the first reason counts
//	Set        the connections of a server, from which it takes its leave: all at once, or in slices
//	Cuts       whether something on the way to clients ends connections for being silent
//	Totals     what the connections of one kind have brought and taken; Stats is a reading of it
//
// and the close codes that transports send or count by themselves.
//
// A connection has one goroutine that handles what the client says, and lives like this: added to the Set, its handler is made and
// begins; messages come; somebody claims its end with a code; its last words go out; the handler ends; it is removed, and its
// goroutine has ended.
package conns
