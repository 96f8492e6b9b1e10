package client

import (
	"net"
	"sync"
	"sync/atomic"
)

// gate is the network connection below the WebSocket. It counts what was read and can stop reading, so
// that a test can be a client that has fallen asleep: what the server sends stays in the kernel.
type gate struct {
	net.Conn
	read atomic.Uint64

	mu      sync.Mutex
	moved   sync.Cond
	stalled bool
	closed  bool
}

func newGate(conn net.Conn) *gate {
	g := &gate{Conn: conn}
	g.moved.L = &g.mu
	return g
}

// Read waits on both sides of the read below: a reader that already waits in the kernel when the gate
// shuts must not hand on what it gets.
func (g *gate) Read(b []byte) (int, error) {
	g.wait()
	n, err := g.Conn.Read(b)
	g.read.Add(uint64(n))
	g.wait()
	return n, err
}

func (g *gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.stalled && !g.closed {
		g.moved.Wait()
	}
}

func (g *gate) setStalled(stalled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stalled = stalled
	g.moved.Broadcast()
}

func (g *gate) Close() error {
	g.mu.Lock()
	g.closed = true
	g.moved.Broadcast()
	g.mu.Unlock()
	return g.Conn.Close()
}
