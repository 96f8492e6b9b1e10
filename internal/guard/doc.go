// Package guard follows the headers of the WebSocket frames that a client sends, ahead of whatever reads its messages,
// and refuses those that must not reach that: frames that RFC 6455 forbids, more bytes than a message may have, and more
// control frames and tiny fragments than anybody needs.
//
// All of this can be told from headers alone, so the guard buffers no payload: it counts the bytes of a
// frame past and looks at the next header.
//
// Parser is the state machine, without clock or I/O. Conn puts it between a connection and its reader.
package guard
