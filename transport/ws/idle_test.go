//go:build !race

package ws

import (
	"runtime"
	"testing"

	"github.com/feedd/feedd/transport/ws/wstest"
)

// What a silent client costs is bounded: the stack of its goroutine is the smallest that there is. (The race detector
// makes larger ones.)
func TestASilentConnectionHoldsTheSmallestStack(t *testing.T) {
	const conns, smallest = 400, 2 << 10
	r := newRig(t, Options{})
	stacks := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // the first one keeps the stacks that were given back
		runtime.ReadMemStats(&m)
		return m.StackInuse
	}
	before := stacks()
	for range conns {
		c := wstest.Dial(t, r.addr, wstest.Request{})
		c.Text("hello")
		if got := string(c.Read().Payload); got != "hello" {
			t.Fatalf("got %q", got)
		}
	}
	if each := (stacks() - before) / conns; each > smallest+smallest/4 {
		t.Errorf("%d bytes of stack for each connection", each)
	}
}
