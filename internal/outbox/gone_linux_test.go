package outbox

import (
	"testing"

	"github.com/feedd/feedd/internal/outgoing"
)

// Whoever acknowledges is there, however little is read. (That one who does not is gone shows only where packets can be dropped:
// in the tests of faults.)
func TestWhoAcknowledgesIsThere(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	if p.out.Gone(0) {
		t.Error("an idle peer is gone")
	}
	p.block(t, 0)
	if p.out.Gone(0) {
		t.Error("a peer that reads nothing is gone")
	}
	if n := testing.AllocsPerRun(100, func() { p.out.Gone(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := p.out.Close(); err != nil {
		t.Fatal(err)
	}
	if p.out.Gone(0) {
		t.Error("a closed connection is gone")
	}
}

func BenchmarkGone(b *testing.B) {
	p := newPair(b, outgoing.Options{})
	for b.Loop() {
		p.out.Gone(0)
	}
}
