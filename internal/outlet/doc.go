// Package outlet takes frames, without ever waiting, for a stream whose writes do wait: the response of an HTTP
// request, a stream of HTTP/2 or QUIC. It is to those what outbox is to a socket.
//
// The workers that send the frames of all clients may not wait for one of them, and such streams have no write that
// says "not now". So a frame is kept, and one goroutine for each client, Run's, brings out what is kept. While more than
// a little is kept, further frames are refused: the sender will have a fresher one later. What is kept is bounded
// whatever the client does:
//
//   - Send is for the workers: it takes a frame while less than Room bytes are kept. Those stand for what a
//     kernel takes of a socket that is not full.
//   - Write is for answers, which must not be skipped: they queue behind what is kept, up to MaxQueued bytes. A client
//     that asks and does not read its answers runs into the bound and is ended.
//   - Finish is for the last frame.
//
// The stream's owner runs Run on a goroutine of its own, such as that of an HTTP handler, and gets back why it is
// over. A client that takes nothing for the write timeout is ended; one that is merely slow is not.
package outlet
