package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/feedd/feedd/transport/ws/wstest"
)

// newEchoRig serves what NewEcho makes.
func newEchoRig(t testing.TB) string {
	t.Helper()
	s, err := NewEcho(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(t.Context()) })
	return wstest.Serve(t, s, nil)
}

// testdata/conformance.txt says how its lines are to be read.
func TestConformance(t *testing.T) {
	text, err := os.ReadFile("testdata/conformance.txt")
	if err != nil {
		t.Fatal(err)
	}
	addr := newEchoRig(t)
	playAll(t, string(text), func(t *testing.T) *wstest.Client { return wstest.Dial(t, addr, wstest.Request{}) })
}

func playAll(t *testing.T, text string, dial func(t *testing.T) *wstest.Client) {
	t.Helper()
	cases := strings.Split(text, "\ncase ")[1:]
	for _, c := range cases {
		title, lines, _ := strings.Cut(c, "\n")
		t.Run(title, func(t *testing.T) {
			client := dial(t)
			for line := range strings.Lines(lines) {
				if line = strings.TrimSpace(line); line != "" {
					playLine(t, client, line)
				}
			}
			if f, err := client.Next(); err == nil {
				t.Errorf("frame %#x %.60q behind the last one", f.First, f.Payload)
			}
		})
	}
	if len(cases) < 200 {
		t.Errorf("only %d cases were read", len(cases))
	}
}

var chopped = regexp.MustCompile(`^chop (\d+) `)

func playLine(t *testing.T, client *wstest.Client, line string) {
	t.Helper()
	send, rest := strings.HasPrefix(line, "> "), line[2:]
	piece := 0
	if m := chopped.FindStringSubmatch(rest); m != nil {
		piece, _ = strconv.Atoi(m[1]) // digits
		rest = rest[len(m[0]):]
	}
	first, err := strconv.ParseUint(rest[:2], 16, 8)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	payload := payloadOf(t, rest[2:])
	if send {
		frame := wstest.Encode(byte(first), payload)
		if piece == 0 {
			piece = len(frame)
		}
		for len(frame) > 0 {
			n := min(piece, len(frame))
			client.Write(frame[:n])
			frame = frame[n:]
		}
		return
	}
	f := client.Read()
	if f.First != byte(first) || !bytes.Equal(f.Payload, payload) {
		t.Fatalf("got frame %#x %.80q of %d bytes, want %.80s", f.First, f.Payload, len(f.Payload), line)
	}
}

var payloadPart = regexp.MustCompile(`("(?:[^"\\]|\\.)*")(?:x(\d+))?|(\d+)`)

func payloadOf(t *testing.T, text string) (b []byte) {
	t.Helper()
	for _, m := range payloadPart.FindAllStringSubmatch(text, -1) {
		if m[3] != "" {
			code, err := strconv.ParseUint(m[3], 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			b = binary.BigEndian.AppendUint16(b, uint16(code))
			continue
		}
		part, err := strconv.Unquote(m[1])
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		times := 1
		if m[2] != "" {
			times, _ = strconv.Atoi(m[2]) // digits
		}
		b = append(b, strings.Repeat(part, times)...)
	}
	return b
}

// Group 9: messages up to 16 MiB, whole, in fragments and in pieces of any size, compressed or not.
func TestConformanceOfLargeMessages(t *testing.T) {
	addr := newEchoRig(t)
	for _, first := range []byte{frameText, frameBinary} {
		for _, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} {
			roundTrip(t, addr, "", first, size, size, 1<<20)
		}
		for _, fragment := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20} {
			roundTrip(t, addr, "", first, 1<<20, fragment, 1<<20)
		}
		for _, piece := range []int{64, 128, 256, 512, 1024, 2048} {
			roundTrip(t, addr, "", first, 256<<10, 256<<10, piece)
		}
		roundTrip(t, addr, deflateOffer, first, 1<<20, 64<<10, 1<<20)
	}
}

// roundTrip sends a message of size bytes in fragments, their bytes a piece at a time, and expects it back.
func roundTrip(t *testing.T, addr, offer string, first byte, size, fragment, piece int) {
	t.Run(fmt.Sprintf("%#x %d bytes in %d and %d %s", first, size, fragment, piece, offer), func(t *testing.T) {
		client := wstest.Dial(t, addr, wstest.Request{Extensions: offer})
		message := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			var wire []byte
			for at := 0; at < size; at += fragment {
				end := min(at+fragment, size)
				b := byte(0)
				if at == 0 {
					b = first & 0x0f
				}
				if end == size {
					b |= 0x80
				}
				wire = append(wire, wstest.Encode(b, message[at:end])...)
			}
			for len(wire) > 0 {
				n := min(piece, len(wire))
				if _, err := client.Conn().Write(wire[:n]); err != nil {
					t.Error(err)
					return
				}
				wire = wire[n:]
			}
		}()
		f := client.Read()
		<-sent
		if f.First&0x8f != first || !bytes.Equal(f.Payload, message) {
			t.Fatalf("frame %#x with %d bytes came back of %d", f.First, len(f.Payload), size)
		}
	})
}
