// Package market is feedd's vocabulary as plain values: instruments, quotes, trades, statuses, and
// the numbers that identify and order them. It knows nothing of NATS, sockets, clocks or protobuf,
// and imports nothing of feedd's.
//
// Two rules hold everywhere:
//
//   - A price or a size is an integer: its decimal value times ten to the power of the instrument's
//     scale. No floating-point number touches one.
//   - A time is an int64 in microseconds since the Unix epoch, and says so in its name only where a
//     reader could doubt it. Zero means that the time is not known.
package market
