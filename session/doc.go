// Package session is the client protocol as a state machine: it takes a connection's messages, answers
// them, and tells the engine what the connection is to be sent. PROTOCOL.md describes the same from the
// client's side.
//
// A Session knows neither sockets nor NATS. The connection gives it the client's messages one at a time
// (Receive) and tells it when the socket has drained (Wake) and when all is over (End); somebody's clock
// calls Tick about once a second, and a Watcher, one for all sessions, has them look at what is new in the
// directory (Refresh). Sessions start no goroutine and read no clock but the one in Env, apart from a
// timeout on fetching old trades.
//
// What a session says of itself (welcome, answers, joins, grants, goaway) is written with the generated protobuf
// code through Conn.SendControl. Rows, gaps, losses and heartbeats come from the engine, straight to the
// connection, with one exception: trades older than the engine's log, which a client that resumes there is sent
// from here before the engine goes on. The order between both is kept by one rule: an answer is handed to the
// connection before the engine is asked for the rows that it announces.
//
// All that a client can make grow is bounded: subscriptions and live patterns by limits, answers by being sent in
// parts while the connection drains, joins by waiting for a connection that is ready, searches by the same
// allowance that bounds its requests, and fetched trades by how many sessions may hold some at a time.
//
// A snapshot (Env.Snapshot) is a subscribe by somebody who stays only for the beginning.
package session
