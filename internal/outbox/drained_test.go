package outbox

import (
	"testing"

	"github.com/feedd/feedd/internal/outgoing"
)

func TestDrainedWaitsForThePeerOrTheEnd(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	if !p.out.Drained() {
		t.Fatal("an idle connection is not drained")
	}
	next := p.block(t, 0)
	answer := make(chan bool)
	go func() { answer <- p.out.Drained() }()
	select {
	case <-answer:
		t.Fatal("drained while bytes are pending")
	default:
	}
	for range next {
		if _, err := readFrame(t, p.peer); err != nil {
			t.Fatal(err)
		}
	}
	if !<-answer {
		t.Fatal("not drained although everything was read")
	}
	<-p.drained

	p.block(t, next)
	go func() { answer <- p.out.Drained() }()
	_ = p.out.Close()
	if <-answer || p.out.Drained() {
		t.Fatal("drained although the connection has ended")
	}
}
