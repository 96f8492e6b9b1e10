package outbox

import (
	"testing"

	"github.com/feedd/feedd/internal/outgoing"
)

// Whoever is at the connection may have lost the processor: a worker does not wait for that, and hears of it when it is over.
func TestSendDoesNotWaitForOthers(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	p.out.mu.Lock()
	if p.out.Send(frame(0, 100)) {
		t.Fatal("a frame was taken by a connection in other hands")
	}
	if !p.out.Ready() {
		t.Error("it looks like one that is full")
	}
	p.out.unlock()
	<-p.drained
	if !p.out.Send(frame(1, 100)) {
		t.Fatal("a connection that is free takes no frame")
	}
	if got, err := readFrame(t, p.peer); err != nil || got != 1 {
		t.Fatalf("frame %d, %v; want 1", got, err)
	}
	if p.out.Blocked() || p.out.missed.Load() {
		t.Error("something is left of it")
	}
}
