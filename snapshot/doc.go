// Package snapshot holds the latest state of every instrument: its quote, its book, its status, its bars and
// statistics, and a log of its last trades; and the directory of instruments itself.
//
// One goroutine writes, as ingest's sink: Begin, any number of changes, Commit. Readers see each batch
// whole or not at all. A tick costs one copy into one record, however many subscribers there are; what
// changed is found out when a reader looks, by comparing counts. What a reader follows is in the journal too, a
// ring of the keys that changed last, and a batch that adds to it wakes those who watch.
//
// Events are kept as encoded rows in a bounded ring for each instrument, with a cursor for each reader
// that falls behind. A cursor that the ring has overtaken is told what it lost, never nothing.
//
// Checkpoint writes the state a few instruments at a time while ticks go on, and Restore takes it in again at the start.
//
// Memory is bounded by Options: so many instruments, and so many events for each.
package snapshot
