// Package ingest turns what publishers send over NATS into market events, in order and without doubles, and
// says so where something is missing.
//
// It has two halves. The core (core.go and the files it names) is a state machine without clock,
// goroutine or NATS: subjects and payloads go in with the time, calls of a Sink and requests for what is
// missing come out. The edge (feed.go and what follows) owns a NATS subscription and one goroutine that drives
// the core and the sink; in its place, between two reads, the goroutine that reads the connection (direct.go).
//
// What the core promises:
//
//   - Positions of an instrument and channel never go back. Repeats, and the slower of two lines of one
//     feed, are dropped; a larger epoch counts at once, and stragglers of a smaller one are dropped.
//   - Quotes, statuses and statistics hold their whole state, so the newest is taken whatever is missing before it.
//     Trades are held behind a gap until the slower line, the stream or the publisher's own memory brings
//     what is missing, for a few seconds at most; what nobody brings is reported as a gap.
//   - A book begins with an image and takes every change behind it. A hole is never passed over: what is missing is
//     fetched as trades are, or a newer image mends the book; until then the instrument is syncing. A book that is
//     crossed while there is continuous trading is suspect, and an image is asked for.
//   - A loss that no later tick reveals is known from the positions in heartbeats.
//   - A source that is silent, ends, or cannot be heard since NATS is gone, is suspect until it is heard again.
//   - A value is converted to the scales that the node first saw of an instrument, exactly or not at all, and is never
//     larger than what a client in JavaScript can hold.
//   - What is malformed is refused for a reason, counted, logged at a limited rate, and stops nothing.
//
// Ticks without numbers (epoch 0), such as a person types, get numbers here, in epoch 0: the last one sent counts.
// Where an instrument and channel ever had numbered ticks they decide, and unnumbered ones are dropped as
// being of an epoch that has ended. Changes of a book without numbers apply in the order in which they come.
//
// A feed carries everything, or what somebody holds: then an instrument that is held for the first time is warmed up, its past read from
// the stream and joined to what is live, and one that nobody holds any more is let go of (demand.go, warmup.go). A delayed
// feed is the same core, driven by the stream at now minus the delay (delayed.go).
//
// A node that is stopped can tell its past (past.go): where each instrument stands, for the next run to read the stream
// from there. A client that was away for longer than the node's memory reaches gets its trades from the stream
// (backfill.go).
package ingest
