// Package ingest turns what publishers send over NATS into market events, in order and without doubles, and
// says so where something is missing.
//
// It has two halves. The core (core.go and the files it names) is a state machine without clock,
// goroutine or NATS: subjects and payloads go in with the time, calls of a Sink and requests for what is
// missing come out. The edge (feed.go and what follows) owns a NATS subscription and one goroutine that drives
// the core and the sink.
//
// What the core promises:
//
//   - Positions of an instrument and channel never go back. Repeats, and the slower of two lines of one
//     feed, are dropped; a larger epoch counts at once, and stragglers of a smaller one are dropped.
//   - Quotes and statuses hold their whole state, so the newest is taken whatever is missing before it.
//     Trades are held behind a gap until the slower line, the stream or the publisher's own memory brings
//     what is missing, for a few seconds at most; what nobody brings is reported as a gap.
//   - A loss that no later tick reveals is known from the positions in heartbeats.
//   - A source that is silent, ends, or cannot be heard since NATS is gone, is suspect until it is heard again.
//   - A value is converted to the scales that the node first saw of an instrument, exactly or not at all.
//   - What is malformed is refused for a reason, counted, logged at a limited rate, and stops nothing.
//
// Ticks without numbers (epoch 0), such as a person types, get numbers here, in epoch 0: the last one sent counts.
// Where an instrument and channel ever had numbered ticks they decide, and unnumbered ones are dropped as
// being of an epoch that has ended.
//
// Books and statistics are read and their numbers are followed, but nothing takes them up yet.
package ingest
