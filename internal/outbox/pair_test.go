package outbox

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is an outbox over TCP and its peer, with a small receive buffer so that a backlog comes soon.
type pair struct {
	out     *Conn
	peer    *net.TCPConn
	drops   *drop.Counters
	stats   *outgoing.Stats
	drained chan struct{} // one token for each call of drained; sized so that no test overruns it
}

func newPair(t testing.TB, opt outgoing.Options) *pair {
	t.Helper()
	near, far := tcpPair(t)
	p := &pair{peer: far, drops: new(drop.Counters), stats: new(outgoing.Stats), drained: make(chan struct{}, 1<<16)}
	opt.Drops, opt.Stats = p.drops, p.stats
	p.out = New(near)
	if err := p.out.Start(&opt, func() { p.drained <- struct{}{} }); err != nil {
		t.Fatalf("socket options: %v", err)
	}
	t.Cleanup(func() { _ = p.out.Close(); _ = far.Close() })
	return p
}

func tcpPair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if far, err = net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if near, err = ln.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	// Smaller ones still would make the kernel wait for its own timers at each refill.
	if err := far.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// block sends frames of 4 KiB, numbered from first, until the connection is blocked, and returns the
// number of the next one.
func (p *pair) block(t testing.TB, first uint32) uint32 {
	t.Helper()
	for ; first < 1<<16; first++ {
		if !p.out.Send(frame(first, 4<<10)) {
			return first
		}
	}
	t.Fatal("the kernel takes everything although nobody reads")
	return 0
}

// frame is a frame of size bytes with a header of number and size, whose other bytes follow from the number.
func frame(number uint32, size int) []byte {
	size = max(size, 8)
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, number)
	binary.BigEndian.PutUint32(b[4:], uint32(size))
	for i := 8; i < size; i++ {
		b[i] = byte(number*31 + uint32(i))
	}
	return b
}

// readFrame reads one frame and checks every byte of it.
func readFrame(t testing.TB, r io.Reader) (number uint32, err error) {
	t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	number = binary.BigEndian.Uint32(head[:])
	size := binary.BigEndian.Uint32(head[4:])
	if size < 8 || size > 1<<20 {
		t.Fatalf("frame %d claims %d bytes: the stream is torn", number, size)
	}
	got := append(head[:], make([]byte, size-8)...)
	if _, err := io.ReadFull(r, got[8:]); err != nil {
		return 0, err
	}
	want := frame(number, int(size))
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("frame %d differs at byte %d of %d", number, i, size)
		}
	}
	return number, nil
}
