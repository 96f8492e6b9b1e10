// Package ws serves feedd's client protocol over WebSocket: it lets clients in, reads their messages, puts
// frames around what is sent to them, and sees each connection off with a close code that says why.
//
// A connection is a stack, each layer with one task:
//
//	handler   what the messages mean; see conns.Handler
//	inbox     puts messages together: unmasking, fragments, inflating, UTF-8
//	guard     lets only allowed frames through to that
//	TLS       where it is used
//	outbox    takes what is sent without ever blocking
//	TCP
//
// Everything on the wire towards the client is written by this package straight into the outbox: data frames by
// Conn.Send, answers by Conn.SendControl, pongs, and the one close frame. That keeps frames whole and in order, lets a
// frame be built and compressed once for many connections (Framing), and leaves the choice of the close code in one
// place.
//
// Who may come in is decided by a gate that the transports share, and what they have in common is in conns. Over HTTP/2 a WebSocket is a
// stream (stream.go), where an outlet takes the place of the outbox.
//
// One goroutine per connection reads; none writes. While nothing comes it holds 2 KB of stack and no buffer. One more, for
// the whole Server, sends pings and ends the connections that do not answer. Both are gone when Shutdown returns.
//
// The http.Server around a Server must set ReadHeaderTimeout (5 s is plenty) and MaxHeaderBytes (16 KiB), as
// a handshake that never ends is out of this package's sight.
package ws
