// Package fanout brings the state of the market to subscribers. Its cost depends on the frames sent,
// never on the rate of ticks: nothing is pushed into subscribers.
//
// A few workers share the subscribers among them; everything below belongs to one worker, whose goroutine is at it for a turn, and
// needs no lock besides. In each worker:
//
//   - A phase is one beat of a cadence: every 250 ms, say, at 40 ms past. When it is due it makes a cut:
//     the instruments that changed since its last cut are frozen together, at one moment. A cadence has
//     several phases, so that sessions are spread over time. The immediate cadence is a phase too; its
//     cuts follow the batches of ingest, which makes the small ones itself while the worker rests (immediate.go).
//   - A slot is a handle that a phase serves. Its view holds the frozen state, and hands out what a cut
//     changed as bytes that are encoded once for all who need them.
//   - A lane is a subscriber's subscriptions in one phase. Lanes with the same set of slots form a cohort:
//     their frame is assembled, wrapped up and compressed once.
//   - A lane that got every cut is in step and costs nothing but its share of the cohort's frames. One
//     that did not (new, moved from another cadence, or its connection was not ready) lags: it keeps a
//     mark for each slot, the count of ticks or the place in the log up to which it is informed. As soon
//     as its connection is ready it gets what its marks are behind on, whole and fresh, and is in step
//     again. That one rule is snapshots, conflation, slow consumers and recovery. Where there is room for less than all, slots and
//     lanes are served in turn (catchup.go).
//
// No queue exists that could grow: a subscriber is a cursor.
package fanout
