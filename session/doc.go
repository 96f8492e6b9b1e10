// Package session is the client protocol as a state machine: it takes a connection's messages, answers
// them, and tells the engine what the connection is to be sent. PROTOCOL.md describes the same from the
// client's side.
//
// A Session knows neither sockets nor NATS. The connection gives it the client's messages one at a time
// (Receive) and tells it when the socket has drained (Wake) and when all is over (End); somebody's clock
// calls Tick about once a second. Sessions start no goroutine and read no clock but the one in Env.
//
// What a session says of itself (welcome, answers, grants, goaway) is written with the generated protobuf
// code through Conn.SendControl. Rows, gaps, losses and heartbeats come from the engine, straight to the
// connection; they never pass through here. The order between both is kept by one rule: an answer is handed
// to the connection before the engine is asked for the rows that it announces.
//
// All that a client can make grow is bounded: subscriptions by the policy, answers by being sent in parts
// while the connection drains, searches by the same allowance that bounds its requests.
package session
