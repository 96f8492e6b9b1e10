// Package outbox is a net.Conn that never blocks on write.
//
// A few workers write the frames of all connections. None of them may wait for a client, so a frame goes
// straight into the kernel with a non-blocking write, and what the kernel does not take is kept: at most
// the rest of one frame. While anything is kept, further frames are refused (the sender will have a fresher
// one later) and a short-lived goroutine brings the rest out, then tells the owner. A connection without a
// backlog owns no buffer and no goroutine.
//
// There are two ways in, and frames of the two never interleave:
//
//   - Send is for the workers: it takes a frame only when nothing is kept.
//   - Write is for answers and control frames, which must not be skipped: they queue behind what is kept,
//     up to a bound. A client that asks and does not read its answers runs into the bound and is ended.
//
// With TLS the outbox lies underneath: TLS writes its records into Write, and a Sender gives the workers
// the same never-blocking Send through it. A Listener puts an outbox under each accepted connection; until
// Start it passes everything through, so that an HTTP server can run its handshake on it.
//
// The kernel is told to keep its own backlog small (TCP_NOTSENT_LOWAT): what a slow client has not
// taken should be dropped and replaced by fresher values, and that can only be done on this side of the kernel.
package outbox
