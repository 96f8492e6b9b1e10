// Package fleet is what nodes tell one another of themselves, so that each knows where else a client could go.
//
// Every node publishes its Load on feedd.nodes.<instance>, every two seconds and at once when it drains, and keeps a Roster of
// what others say. Nobody elects anybody and nothing is stored: a node that falls silent is counted out after three of its intervals, and
// told of for a while where it had not said that it drains. What a roster answers are hints, from which follow the nodes that clients are
// sent to, and how fast they may come back.
//
// The roster is a state machine without a clock or a goroutine; Run is its edge to NATS. A load of another revision, of a node that
// bears another's name, or from a clock that is off is kept, named and counted, and never sends a client anywhere that
// could not be trusted.
package fleet
