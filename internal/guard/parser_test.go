package guard

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/drop"
)

// client is a masked frame as a client sends it; first is its first byte, payload stands for itself.
func client(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, 1, 2, 3, 4)
	return append(b, payload...)
}

func frames(ff ...[]byte) []byte { return bytes.Join(ff, nil) }

var plain = DefaultLimits(16 << 10)

func TestWhatIsRefused(t *testing.T) {
	hello := client(0x82, []byte("hello"))
	for _, c := range []struct {
		name    string
		deflate bool
		in      []byte
		want    *RefusedError
		allowed int
	}{
		{name: "a message", in: hello},
		{name: "an empty message", in: client(0x81, nil)},
		{name: "a message in the middle form", in: client(0x82, make([]byte, 126))},
		{name: "a message at the limit", in: client(0x82, make([]byte, 16<<10))},
		{name: "a fragmented message with a ping inside", in: frames(client(0x01, []byte("a")), client(0x89, nil), client(0x80, []byte("b")), hello)},
		{name: "a compressed message", deflate: true, in: client(0xc2, []byte("hello"))},
		{name: "a compressed fragmented message", deflate: true, in: frames(client(0x41, nil), client(0x80, nil))},
		{name: "the largest control frame", in: client(0x8a, make([]byte, 125))},

		{name: "size with the top bit set", in: []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, want: errNegative},
		{name: "size of all ones", in: []byte{0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255}, want: errNegative},
		{name: "reserved bit 2", in: client(0xa2, nil), want: errReservedBits},
		{name: "reserved bit 2 with compression", deflate: true, in: client(0xa2, nil), want: errReservedBits},
		{name: "reserved bit 3 with compression", deflate: true, in: client(0x92, nil), want: errReservedBits},
		{name: "compressed without having agreed on it", in: client(0xc1, nil), want: errNotNegotiated},
		{name: "compressed ping", deflate: true, in: client(0xc9, nil), want: errCompressed},
		{name: "compressed close", deflate: true, in: client(0xc8, nil), want: errCompressed},
		{name: "compressed continuation", deflate: true, in: frames(client(0x41, nil), client(0xc0, nil)), want: errCompressed, allowed: 6},
		{name: "no mask", in: []byte{0x82, 0x00}, want: errUnmasked},
		{name: "a control opcode that does not exist", in: client(0x8b, nil), want: errOpcode},
		{name: "a data opcode that does not exist", in: client(0x83, nil), want: errOpcode},
		{name: "fragmented ping", in: client(0x09, nil), want: errSplitControl},
		{name: "ping of 126 bytes", in: client(0x89, make([]byte, 126)), want: errLongControl},
		{name: "orphan continuation", in: client(0x80, nil), want: errOrphan},
		{name: "a second continuation with FIN", in: frames(client(0x02, nil), client(0x80, nil), client(0x80, nil)), want: errOrphan, allowed: 12},
		{name: "message within a fragmented one", in: frames(client(0x01, nil), client(0x81, nil)), want: errInterrupted, allowed: 6},
		{name: "small size in the middle form", in: []byte{0x82, 0xfe, 0, 125}, want: errNotMinimal},
		{name: "middle size in the long form", in: []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255}, want: errNotMinimal},
		{name: "message over the limit", in: []byte{0x82, 0xfe, 0x40, 0x01}, want: tooBig(16 << 10)},
		{name: "message over the limit in the long form", in: []byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}, want: tooBig(16 << 10)},
		{name: "the largest positive size", in: []byte{0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255}, want: tooBig(16 << 10)},
		{name: "fragments over the limit together", in: frames(client(0x02, make([]byte, 16<<10)), client(0x80, []byte("x"))), want: tooBig(16 << 10), allowed: 8 + 16<<10},
		{name: "a good message ahead of a bad one", in: frames(hello, client(0x83, nil)), want: errOpcode, allowed: len(hello)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == nil {
				c.allowed = len(c.in)
			}
			p := NewParser(&plain, c.deflate)
			allowed, got := p.Feed(c.in, 0)
			if allowed != c.allowed || !same(got, c.want) {
				t.Fatalf("allowed %d bytes, refused %v; want %d, %v", allowed, got, c.allowed, c.want)
			}
			if got != nil && got.Drop != drop.GuardedFrame {
				t.Errorf("counted as %v", got.Drop)
			}
		})
	}
}

func TestFloods(t *testing.T) {
	limits := Limits{MaxMessage: 1 << 20, Controls: Rate{PerSecond: 2, Burst: 5}, Fragments: Rate{PerSecond: 10, Burst: 20}}
	for _, c := range []struct {
		name  string
		frame []byte
		burst int
		every int64 // microseconds between two frames that may go on for ever
		want  *RefusedError
	}{
		{"pings", client(0x89, nil), 5, 500_000, errControlFlood},
		{"pongs", client(0x8a, []byte("x")), 5, 500_000, errControlFlood},
		{"tiny fragments", client(0x00, []byte("x")), 20, 100_000, errTinyFlood},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewParser(&limits, false)
			if c.want == errTinyFlood { // the first fragment takes from the bucket, too, unless it is large
				p.Feed(client(0x01, make([]byte, TinyFragment)), 0)
			}
			now := int64(1_000_000_000)
			for i := range c.burst {
				if _, refused := p.Feed(c.frame, now); refused != nil {
					t.Fatalf("frame %d of the burst: %v", i, refused)
				}
			}
			for i := range 100 {
				now += c.every
				if _, refused := p.Feed(c.frame, now); refused != nil {
					t.Fatalf("frame %d at the allowed rate: %v", i, refused)
				}
			}
			_, refused := p.Feed(c.frame, now)
			if refused != c.want || refused.Code != CodeFlood || refused.Drop != drop.RequestFlood {
				t.Fatalf("one more: %v", refused)
			}
		})
	}
}

func TestLargeFragmentsAreNoFlood(t *testing.T) {
	limits := Limits{MaxMessage: 1 << 30, Controls: Rate{1, 1}, Fragments: Rate{1, 1}}
	p := NewParser(&limits, false)
	p.Feed(client(0x02, make([]byte, TinyFragment)), 0)
	for i := range 1000 {
		if _, refused := p.Feed(client(0x00, make([]byte, TinyFragment)), 0); refused != nil {
			t.Fatalf("fragment %d: %v", i, refused)
		}
	}
}

// However the stream is cut into calls, the same frames pass and the same one is refused.
func TestCutsMakeNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawStream(t)
		deflate := rapid.Bool().Draw(t, "deflate")
		wholeParser := NewParser(&plain, deflate)
		allowed, refused := wholeParser.Feed(in, 0)
		p := NewParser(&plain, deflate)
		for at := 0; at < len(in); {
			n := rapid.IntRange(1, len(in)-at).Draw(t, "cut")
			passed, got := p.Feed(in[at:at+n], 0)
			if got != nil {
				if !same(got, refused) || at+passed < allowed || at+passed > allowed+10 {
					t.Fatalf("in pieces: %v after %d; at once: %v after %d", got, at+passed, refused, allowed)
				}
				return
			}
			if passed != n {
				t.Fatalf("%d of %d bytes passed without a refusal", passed, n)
			}
			at += n
		}
		if refused != nil {
			t.Fatalf("at once refused with %v, in pieces not at all", refused)
		}
	})
}

// drawStream is a run of frames, most of them good.
func drawStream(t *rapid.T) []byte {
	var in []byte
	for range rapid.IntRange(1, 8).Draw(t, "frames") {
		first := rapid.OneOf(rapid.SampledFrom([]byte{0x81, 0x82, 0x89, 0x8a, 0x01, 0x02, 0x00, 0x80, 0xc1, 0x41}), rapid.Byte()).Draw(t, "first")
		size := rapid.OneOf(rapid.IntRange(0, 130), rapid.IntRange(65530, 65540)).Draw(t, "size")
		in = append(in, client(first, make([]byte, size))...)
	}
	return in
}

// FuzzParser holds the parser against a reading of the whole stream at once, written the plain way.
func FuzzParser(f *testing.F) {
	f.Add(frames(client(0x01, []byte("a")), client(0x89, nil), client(0x80, []byte("b"))), true)
	f.Add([]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, false)
	f.Add(client(0xc2, make([]byte, 70_000)), true)
	f.Add(frames(client(0x41, nil), client(0xc0, nil)), true)
	f.Fuzz(func(t *testing.T, in []byte, deflate bool) {
		p := NewParser(&plain, deflate)
		allowed, refused := p.Feed(in, 0)
		if want := plainly(in, deflate); (refused == nil) != (want < 0) || (want >= 0 && allowed != want) {
			t.Fatalf("allowed %d bytes, refused %v; the plain reading refuses at %d", allowed, refused, want)
		}
		if refused != nil && (len(refused.Text) > 123 || refused.Code == 0) {
			t.Fatalf("a refusal that no close frame can hold: %+v", refused)
		}
	})
}

// plainly returns where the first bad frame begins, or -1.
func plainly(in []byte, deflate bool) int {
	at, open, declared, controls, tiny := 0, false, uint64(0), int64(0), int64(0)
	for len(in)-at >= 2 {
		b := in[at:]
		fin, rsv, op, masked := b[0]>>7 == 1, b[0]>>4&7, b[0]&15, b[1]>>7 == 1
		if !masked || rsv&3 != 0 || (rsv == 4 && (!deflate || op == 0 || op > 2)) || (op > 2 && op < 8) || op > 10 {
			return at
		}
		control := op >= 8
		if control && (!fin || b[1]&127 > 125) || op == 0 && !open || (op == 1 || op == 2) && open {
			return at
		}
		size, head := uint64(b[1]&127), 2
		switch size {
		case 126:
			if head = 4; len(b) < head {
				return -1
			}
			if size = uint64(binary.BigEndian.Uint16(b[2:])); size < 126 {
				return at
			}
		case 127:
			if head = 10; len(b) < head {
				return -1
			}
			if size = binary.BigEndian.Uint64(b[2:]); size < 1<<16 || size >= 1<<63 {
				return at
			}
		}
		if control {
			controls++
		} else {
			if (open || !fin) && size < TinyFragment {
				tiny++
			}
			declared += size
			if declared > uint64(plain.MaxMessage) {
				return at
			}
			if open = !fin; fin {
				declared = 0
			}
		}
		if controls > plain.Controls.Burst || tiny > plain.Fragments.Burst {
			return at
		}
		if uint64(len(b)) < uint64(head)+4+size {
			return -1
		}
		at += head + 4 + int(size)
	}
	return -1
}

func same(a, b *RefusedError) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func TestFollowingFramesAllocatesNothing(t *testing.T) {
	in := frames(client(0x01, make([]byte, 300)), client(0x80, make([]byte, 300)), client(0x82, make([]byte, 1000)))
	p := NewParser(&plain, true)
	if n := testing.AllocsPerRun(100, func() {
		if _, refused := p.Feed(in, 0); refused != nil {
			t.Fatal(refused)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkFeed(b *testing.B) {
	in := client(0x82, make([]byte, 60))
	p := NewParser(&plain, true)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, refused := p.Feed(in, 0); refused != nil {
			b.Fatal(refused)
		}
	}
}
