// Package probe is a client that believes nothing: it decodes every frame with the generated protobuf
// code, applies it by the rules of feed.v1 to the model that feedd's own tests trust, checks each quote
// against the market's relation, and records how old and how late what it got was.
//
// A probe reads no clock: the time of arrival comes in with each frame.
package probe
