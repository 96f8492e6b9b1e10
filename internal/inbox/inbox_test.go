package inbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/guard"
)

// log is a Receiver that writes down what it gets.
type log []string

func (l *log) Message(text bool, payload []byte) {
	*l = append(*l, fmt.Sprintf("%t %x", text, payload))
}

func (l *log) Ping(payload []byte) { *l = append(*l, fmt.Sprintf("ping %x", payload)) }

// frame encodes a client's frame; first holds its flags and opcode.
func frame(first byte, payload []byte) []byte {
	mask := [4]byte{0x12, 0x34, 0x56, byte(len(payload)) | 1}
	var b []byte
	switch n := len(payload); {
	case n < 126:
		b = []byte{first, 0x80 | byte(n)}
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	default:
		b = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(n))
	}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func deflated(payload []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(payload)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// feed gives b to x in pieces that end at cuts, in copies, as what is fed is changed.
func feed(x *Inbox, b []byte, cuts []int, to Receiver) error {
	b = bytes.Clone(b)
	from := 0
	for _, cut := range append(cuts, len(b)) {
		if err := x.Feed(b[from:cut:cut], to); err != nil {
			return err
		}
		from = cut
	}
	return nil
}

// However frames are cut into pieces and messages into frames, the same messages come out, and nothing is kept behind the
// last one.
func TestMessagesComeWholeHoweverTheyArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want log
		for range rapid.IntRange(1, 6).Draw(t, "messages") {
			text, packed := rapid.Bool().Draw(t, "text"), rapid.Bool().Draw(t, "packed")
			size := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(100, 300), rapid.IntRange(60_000, 70_000)).Draw(t, "size")
			payload := bytes.Repeat([]byte("añb"), size/4+1)
			payload = payload[:len(payload)/4*4]
			want = append(want, fmt.Sprintf("%t %x", text, payload))
			body, first := payload, byte(opBinary)
			if text {
				first = opText
			}
			if packed {
				body, first = deflated(payload), first|0x40
			}
			for parts := rapid.IntRange(1, 4).Draw(t, "fragments"); parts > 1; parts-- {
				n := rapid.IntRange(0, len(body)).Draw(t, "fragment")
				stream = append(stream, frame(first, body[:n])...)
				body, first = body[n:], opContinuation
				if rapid.Bool().Draw(t, "ping") {
					stream = append(stream, frame(0x80|opPing, []byte("hi"))...)
					// Pings between fragments are answered ahead of the message.
					want = append(want[:len(want)-1], "ping 6869", want[len(want)-1])
				}
			}
			stream = append(append(stream, frame(0x80|first, body)...), frame(0x8a, []byte("pong"))...)
		}
		cuts := rapid.SliceOfNDistinct(rapid.IntRange(0, len(stream)), 0, 40, rapid.ID[int]).Draw(t, "cuts")
		for i := range cuts {
			for j := i; j > 0 && cuts[j] < cuts[j-1]; j-- {
				cuts[j], cuts[j-1] = cuts[j-1], cuts[j]
			}
		}
		var got log
		x := Inbox{Limit: 1 << 20}
		if err := feed(&x, stream, cuts, &got); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("got %d messages, want %d", len(got), len(want))
		}
		if x.partial != nil {
			t.Fatal("something is kept behind the last message")
		}
	})
}

func TestWhatCannotBeRead(t *testing.T) {
	code := func(c uint16, reason string) []byte {
		return frame(0x88, append(binary.BigEndian.AppendUint16(nil, c), reason...))
	}
	for _, c := range []struct {
		name  string
		in    []byte
		code  uint16 // of an Error; 0: a Closed
		gave  uint16
		reply uint16
	}{
		{name: "text that is not UTF-8", in: frame(0x81, []byte("a\xff")), code: CodeBadText},
		{name: "the same in fragments", in: append(frame(0x01, []byte("\xc3")), frame(0x80, []byte("\x28"))...), code: CodeBadText},
		{name: "what does not inflate", in: frame(0xc2, []byte("\xff\xff\xff")), code: CodeBadText},
		{name: "what inflates beyond the limit", in: frame(0xc2, deflated(make([]byte, 1001))), code: CodeTooBig},
		{name: "close", in: frame(0x88, nil)},
		{name: "close with half a code", in: frame(0x88, []byte{3}), gave: 3, reply: CodeProtocol},
		{name: "close 1000", in: code(1000, "bye"), gave: 1000, reply: 1000},
		{name: "close 1005", in: code(1005, ""), gave: 1005, reply: CodeProtocol},
		{name: "close 1016", in: code(1016, ""), gave: 1016, reply: CodeProtocol},
		{name: "close 4999", in: code(4999, ""), gave: 4999, reply: 4999},
		{name: "close 5000", in: code(5000, ""), gave: 5000, reply: CodeProtocol},
		{name: "close with a reason that is not UTF-8", in: code(1000, "\xff"), gave: 1000, reply: CodeBadText},
	} {
		var got log
		x := Inbox{Limit: 1000}
		err := feed(&x, c.in, nil, &got)
		var unreadable *Error
		var closed *Closed
		switch {
		case len(got) > 0:
			t.Errorf("%s: %v came out", c.name, got)
		case errors.As(err, &unreadable):
			if unreadable.Code != c.code || unreadable.Text == "" {
				t.Errorf("%s: %+v", c.name, unreadable)
			}
		case !errors.As(err, &closed) || c.code != 0 || closed.Code != c.gave || closed.Reply != c.reply:
			t.Errorf("%s: %v, %+v", c.name, err, closed)
		}
	}
}

func TestALimitIsReachedAndNotPassed(t *testing.T) {
	for size, ok := range map[int]bool{0: true, 999: true, 1000: true, 1001: false, 1 << 20: false} {
		var got log
		x := Inbox{Limit: 1000}
		if err := feed(&x, frame(0xc2, deflated(make([]byte, size))), nil, &got); (err == nil) != ok || (len(got) == 1) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestAWholeMessageAllocatesNothing(t *testing.T) {
	b := append(frame(0x82, make([]byte, 300)), frame(0x8a, nil)...)
	x := Inbox{Limit: 1000}
	if n := testing.AllocsPerRun(100, func() {
		if err := x.Feed(b, nobody{}); err != nil {
			t.Error(err)
		}
		b[0] = 0x82
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type nobody struct{}

func (nobody) Message(bool, []byte) {}
func (nobody) Ping([]byte)          {}

// Whatever comes and however it is cut: what the guard lets through breaks nothing, and no message is beyond the limit.
func FuzzFeed(f *testing.F) {
	f.Add([]byte{}, uint8(1))
	f.Add(frame(0x81, []byte("hello")), uint8(3))
	f.Add(append(frame(0x41, deflated([]byte("hello hello hello"))), frame(0x80, nil)...), uint8(2))
	f.Add(append(frame(0x02, []byte("a")), append(frame(0x89, []byte("b")), frame(0x80, []byte("c"))...)...), uint8(7))
	f.Add(frame(0x88, []byte{3, 0xe8}), uint8(5))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		const limit = 512
		limits := guard.DefaultLimits(limit)
		p := guard.NewParser(&limits, true)
		x := Inbox{Limit: limit}
		for len(b) > 0 {
			n := min(len(b), int(step)+1)
			piece := bytes.Clone(b[:n])
			allowed, refused := p.Feed(piece, 0)
			if x.Feed(piece[:allowed], bounded{t, limit}) != nil || refused != nil {
				return
			}
			b = b[n:]
		}
	})
}

type bounded struct {
	t     *testing.T
	limit int
}

func (r bounded) Message(_ bool, payload []byte) {
	if len(payload) > r.limit {
		r.t.Fatalf("a message of %d bytes", len(payload))
	}
}

func (r bounded) Ping(payload []byte) {
	if len(payload) > 125 {
		r.t.Fatalf("a ping of %d bytes", len(payload))
	}
}
