// Package wire writes the rows of feed.v1 by hand: it appends fragments, each a complete element (tag,
// length, body) of one of ServerFrame's repeated fields. A frame is a header with any number of
// fragments laid end to end, which any protobuf decoder reads, so a fragment is encoded once however
// many frames carry it.
//
// The arithmetic of differences is that of the comments in feed.proto. Tests hold every function
// against the generated code.
//
// The same rows exist as the text that the JSON subprotocol sends; TextFrame collects them.
package wire
