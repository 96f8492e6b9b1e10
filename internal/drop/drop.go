// Package drop is the one list of reasons for which feedd refuses, discards, merges or loses something.
// Nothing is lost in silence: whoever drops adds to a counter here, and the metrics show every reason
// from the start, at zero.
package drop

import "sync/atomic"

// Reason is why something was dropped. Its String is the metric label and the word in logs.
type Reason uint8

// Reasons, grouped by who drops.
const (
	// Ingest: ticks that are not applied.
	BadSubject         Reason = iota // a subject that is not md.<venue>.<symbol>.<channel>
	UnknownChannel                   // a channel that this version does not know
	MalformedProtobuf                // a payload that is not a TickBatch
	MalformedJSON                    // a payload that starts as JSON and is not a tick
	WrongKind                        // a batch with ticks of another channel than its subject's
	BadValue                         // a number out of its range: size below 0, scale beyond MaxScale
	Undefined                        // a numbered tick ahead of its epoch's definition, or a change of a book ahead of its image
	ScaleLoss                        // a value that the instrument's scale cannot hold
	Duplicate                        // a number seen before: a repeat, or the slower of two lines
	StaleEpoch                       // a straggler of an epoch that has ended
	TooManyInstruments               // a definition beyond the node's limit
	SlowIngest                       // messages that the NATS client dropped because ingest fell behind
	MissedTicks                      // numbers that never arrived and could not be fetched from the stream
	CrossedBook                      // times that a book's best bid came to be at or above its best ask
	BookResync                       // times that a book was rebuilt from an image, since changes of it were missing

	// State.
	TrimmedLevels // levels of a book beyond MaxLevels a side, the furthest from the market
	LateTrade     // trades too old for any bar that is held: they count in no bar and no statistics
	BadCheckpoint // checkpoints that were damaged, too old or of another version, and so not read
	UnsavedState  // checkpoints that could not be written

	// Fan-out.
	Conflated     // ticks merged into a later row of the same instrument
	MissedCuts    // frames that a lane had to leave because its connection was not ready; it lags from then on
	ContendedCuts // the same because another goroutine was at its connection just then, with an answer above all; it catches up at once
	MeteredCuts   // frames that a lane had to leave because its session's ceiling of bytes was reached
	LostEvents    // events overwritten in the log before a lane read them

	// Sessions and connections.
	RefusedRequest   // a request answered with an error
	RefusedSymbol    // a symbol of a subscribe that was refused
	RefusedHandshake // an HTTP request that was not upgraded
	NoDescriptors    // a connection closed ahead of everything, since the process may open no more
	GuardedFrame     // a WebSocket frame refused ahead of the WebSocket library
	ControlOverflow  // a connection ended because it does not read its answers
	WriteTimeout     // a connection ended because it made no progress
	PongTimeout      // a connection ended because it answers no ping
	IdleCut          // a connection that something on the way to the client ended, as others before, for being silent
	PollTimeout      // a connection ended because its client did not come to poll
	RequestFlood     // a connection ended because it asks too often
	RefusedToken     // a token that is no good, or none where one is needed
	NotEntitled      // a pair of symbol and channel that its user may not have, at subscribe or since
	ExpiredToken     // a session ended because its token was not renewed
	RevokedSession   // a session ended because its user was shut out
	TooManySessions  // a session refused because its user has as many as allowed
	ShedSession      // a session ended since the node has more to carry than it can
	BadNodeLoad      // what another node said of its load, and cannot be used
	HandlerPanic     // a connection ended because its handling failed; always a bug

	// Reasons is how many there are.
	Reasons
)

var names = [Reasons]string{
	BadSubject: "bad_subject", UnknownChannel: "unknown_channel", MalformedProtobuf: "malformed_protobuf",
	MalformedJSON: "malformed_json", WrongKind: "wrong_kind", BadValue: "bad_value", Undefined: "undefined",
	ScaleLoss: "scale_loss", Duplicate: "duplicate", StaleEpoch: "stale_epoch", TooManyInstruments: "too_many_instruments",
	SlowIngest: "slow_ingest", MissedTicks: "missed_ticks", CrossedBook: "crossed_book", BookResync: "book_resync",
	TrimmedLevels: "trimmed_levels", LateTrade: "late_trade", BadCheckpoint: "bad_checkpoint", UnsavedState: "unsaved_state",
	Conflated: "conflated", MissedCuts: "missed_cuts", ContendedCuts: "contended_cuts", MeteredCuts: "metered_cuts", LostEvents: "lost_events",
	RefusedRequest: "refused_request", RefusedSymbol: "refused_symbol", RefusedHandshake: "refused_handshake",
	NoDescriptors: "no_descriptors", GuardedFrame: "guarded_frame", ControlOverflow: "control_overflow", WriteTimeout: "write_timeout",
	RefusedToken: "refused_token", NotEntitled: "not_entitled", ExpiredToken: "expired_token", RevokedSession: "revoked_session",
	TooManySessions: "too_many_sessions", ShedSession: "shed_session", BadNodeLoad: "bad_node_load", PongTimeout: "pong_timeout", IdleCut: "idle_cut", PollTimeout: "poll_timeout", RequestFlood: "request_flood", HandlerPanic: "handler_panic",
}

// String returns the reason as one lower-case word.
func (r Reason) String() string {
	if r < Reasons {
		return names[r]
	}
	return "invalid"
}

// Counters counts drops by reason. The zero value is ready, and all methods may be called from any
// goroutine. Paths that run per tick keep a plain count of their own and add it once per batch.
type Counters struct {
	n [Reasons]atomic.Uint64
}

// Add counts n drops for reason r.
func (c *Counters) Add(r Reason, n uint64) {
	if n != 0 {
		c.n[r].Add(n)
	}
}

// Count returns the drops for reason r so far.
func (c *Counters) Count(r Reason) uint64 { return c.n[r].Load() }
