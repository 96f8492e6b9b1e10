// Package client is a client of feedd's own protocol in Go. "feedd watch", the end-to-end tests and the
// benchmarks use it.
//
// It is the oracle of those tests, so it is written to be obviously right rather than fast: frames are
// decoded by the generated protobuf code, and Model applies full rows and differences by the rules in
// feed.proto and nothing else. What breaks a promise of the protocol (a difference without a full row
// before it, a trade that is neither next nor flagged as missing, a position that goes back, rows that
// nobody granted) is a ProtocolError, never mended in silence.
//
// Model is pure: it takes frames and says what changed. Client is its edge: one connection, whose read
// goroutine applies frames as they come.
package client
