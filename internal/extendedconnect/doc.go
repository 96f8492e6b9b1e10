// Package extendedconnect has the HTTP/2 servers of the process announce extended CONNECT (RFC 8441), with which a
// WebSocket begins on a stream of a connection that carries others too.
//
// net/http can do it, but only looks for http2xconnect=1 in GODEBUG when it is initialised, which is ahead of all settings:
// there is no field of http.Server for it, and a go:debug directive changes another thing than the environment. So this
// package writes it there. Initialisation takes packages in the order of their import paths as soon as what they import is
// initialised (the language's specification, "Package initialization"): this one imports os alone and its path lies ahead
// of net/http's, so it comes first. A test of transport/ws sees that it does.
//
// A server that should not announce it must not offer HTTP/2, as was the case before.
package extendedconnect
