// Package stream serves feedd's client protocol over plain HTTP, for those whom a WebSocket does not reach: proxies that know
// nothing of it, programs that have no client for it, and people with curl. The messages are the same, and so is what handles
// them; see Handler. There are three ways:
//
//	GET  /v1/sse?symbols=…      an event stream: what is wanted stands in the URL, and the answer never ends
//	POST /v1/stream             the first messages of the client are the request, and the answer never ends
//	POST /v1/stream/{secret}    further messages of that client
//	POST /v1/poll               the first messages of the client are the request, and what there is then is the answer
//	POST /v1/poll/{secret}      further messages, if any, and again what there is
//
// DELETE of what has a secret ends it. Whole conversations are in testdata.
//
// Each client has a Conn. What is sent to it goes into an outlet, which never waits, and from there into the response: the HTTP
// handler's goroutine writes, one more handles the client's messages. Between two polls a client is not ready, like one whose
// socket is full: it misses cuts and catches up with fresh rows, so nothing grows while it is away.
//
// Streams of other protocols than HTTP are carried in the same way: see Carry.
//
// Who may come in is decided by a gate that the transports share: see package gate.
package stream
