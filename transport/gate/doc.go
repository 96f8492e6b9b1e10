// Package gate decides who may come in. All transports share one Gate, so that its bounds hold for a node's clients together,
// whatever they came over.
//
// A client comes in by Enter, which gives it an Entry: its place, until it leaves. In this order it is asked whether
//
//	the node takes anybody             draining, overload, the pace of all handshakes together     503
//	there is room                      connections, and those of whom it is not known who they are 503
//	its address has not had its share  connections and handshakes of one IPv4 address or IPv6 /64  429
//	its token is good, if it has one                                                               401
//
// Whoever is turned away gets a Refusal: a status, a line that says what would be right, and where waiting helps a time of its own
// to come back, so that a crowd does not return as one. Pages of other origins are told by CheckOrigin, which transports ask first.
//
// The package starts no goroutine and reads no socket; what it remembers of addresses is bounded, and let go of as others come.
package gate
