// Package guard follows the headers of the WebSocket frames that a client sends, ahead of the WebSocket
// library, and refuses those that must not reach it.
//
// The library takes the declared size of a frame at its word: a size with the top bit set makes it panic,
// and any other makes it allocate before a byte of payload has arrived. It also lets reserved bits through
// once compression is negotiated, and cannot know how many control frames and tiny fragments are too many.
// All of this can be told from headers alone, so the guard buffers no payload: it counts the bytes of a
// frame past and looks at the next header.
//
// Parser is the state machine, without clock or I/O. Conn puts it between a connection and its reader.
package guard
