// Package tick reads what publishers send: a TickBatch in protobuf, or one tick in JSON. It knows the
// form of a payload and the range of its values, not what came before it: numbering, scales and liveness are
// the business of package ingest.
//
// The protobuf reader is written by hand, since it runs for every tick: it reuses its memory and takes
// a fraction of the time of the generated code. It accepts and refuses exactly what the generated code
// does, with the same values; tests and a fuzz function hold the two against each other.
package tick
