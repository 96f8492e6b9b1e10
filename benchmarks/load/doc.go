// Package load is the clients of a benchmark: thousands of sessions in one thread over epoll, cheap enough
// to leave the machine to the server.
//
// A session connects from an address of 127.0.0.0/8, upgrades to WebSocket, subscribes, and is live when
// its first row has come. From then on frames are counted by their headers and nothing is decoded, except
// on a few sessions, the probes, which decode and check everything (package probe).
//
// The same loop reads the sockets of the floor (Raw), which speak WebSocket frames from the first byte,
// so that reading costs the same whatever is measured.
//
// Frames are counted where they start to arrive, and bytes as the socket gives them, headers included.
package load
