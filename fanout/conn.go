package fanout

import "github.com/feedd/feedd/market"

// Handle is the number that rows carry on the wire.
type Handle = market.Handle

// Encoding is the form of a frame's rows.
type Encoding uint8

// Encodings.
const (
	// Proto frames are feed.v1.ServerFrame in protobuf; rows are differences where they can be.
	Proto Encoding = iota
	// JSON frames are the proto3 JSON of feed.v1.ServerFrame; rows are whole and readable.
	JSON
	encodings
)

// Framing puts payloads into the frames of a kind of connection: WebSocket binary frames, with or
// without deflate, WebSocket text frames, events of an event stream. One value serves all connections
// of its kind, so that a frame is built, and compressed, once for all that get the same bytes. Methods
// may be called from any goroutine.
type Framing interface {
	Encoding() Encoding
	// AppendFrame appends payload, wrapped up whole and ready for the socket, to dst. use and the number of readers who
	// get these very bytes tell whether compressing them pays.
	AppendFrame(dst, payload []byte, use Use, readers int) []byte
}

// Use is what a frame is for. Frames of one use, encoding and size are alike, which is what tells how well they
// compress.
type Use uint8

// Uses.
const (
	UseCut     Use = iota // what a cut changed
	UseCatchUp            // what somebody was behind on, mostly whole rows: snapshots above all
	UseControl            // answers, heartbeats
	Uses
)

// Conn is what the engine needs of a connection.
type Conn interface {
	// Send hands one frame to the socket without ever waiting. What the kernel does not take at once
	// stays pending inside the connection, which drains it by itself and calls Subscriber.Wake when it
	// is gone. Send returns false, and takes nothing, while an earlier frame is pending or when the
	// connection has ended; also, ready as it is, while another goroutine is at it, which then calls Wake. An engine calls Send from one
	// goroutine at a time; engines with other delays may call it at the same time.
	// b is valid only during the call.
	Send(b []byte) bool
	// Ready tells whether Send would take a frame, at the price of looking. The engine looks at several connections
	// ahead of their turn, so that what they are is in the cache by then.
	Ready() bool
}

// Item is one subscription as the engine sees it.
type Item struct {
	Handle Handle
	// History is how many past events an Event channel begins with; State channels ignore it.
	History int
	// After resumes an Event channel behind this position instead; the zero Position does not resume.
	After market.Position
}
