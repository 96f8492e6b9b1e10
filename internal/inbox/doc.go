// Package inbox puts a client's WebSocket messages together, out of frames that a guard has let through: it unmasks,
// joins fragments, inflates, and checks text. It judges no header; that is the guard's part, which must lie ahead.
//
// Between two messages an Inbox holds nothing, so that a client who is silent, as clients are nearly always, costs
// nothing here. What comes whole is handed on where it lies, without a copy.
//
// It is a state machine without I/O: bytes go in by Feed, messages come out at a Receiver.
package inbox
