// Package webtransport serves feedd's client protocol over WebTransport, a protocol of HTTP/3: over QUIC, where a lost packet
// holds up only what it carried, and a client that moves to another network stays connected.
//
// A client connects to /v1/webtransport and opens one bidirectional stream. On it the messages of both sides follow one another,
// each behind its length, as package stream carries them, which does all the rest. At the end the client gets the close code
// and the reason twice: in the last message, and then as those of the session.
//
// Datagrams are not used: differences must arrive, and in order.
package webtransport
