// Package natstest is for tests whose NATS server goes away and comes back.
package natstest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports from here to there are not handed out by Linux to whoever asks for any, nor to outgoing connections. So one that a
// server gave up a moment ago is still there for it, however many other tests run on the machine.
const lowest, highest = 20_000, 32_767

// Port returns a port of 127.0.0.1 that is free, and stays so while nobody chooses it by its number.
func Port(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := lowest + rand.IntN(highest-lowest+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			_ = l.Close() // nothing was ever accepted on it
			return port
		}
	}
	t.Fatalf("no free port from %d to %d: %v", lowest, highest, err)
	return 0
}
