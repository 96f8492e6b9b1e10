package ws

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/transport/ws/wstest"
)

var _ fanout.Framing = (*framing)(nil)

func TestFramesOfAllSizes(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70_000} {
		f := &framing{first: frameBinary}
		in := payload(n)[:0]
		for len(in) < n {
			in = append(in, payload(len(in))...)
		}
		in = in[:n]
		b := f.AppendFrame([]byte("ahead"), in, fanout.UseCatchUp, 1)
		br := bufio.NewReader(bytes.NewReader(b[5:]))
		got, err := wstest.Decode(br)
		if err != nil || got.First != frameBinary || !bytes.Equal(got.Payload, in) || br.Buffered() != 0 || !bytes.HasPrefix(b, []byte("ahead")) {
			t.Errorf("%d bytes: %v, %#x, %d bytes back", n, err, got.First, len(got.Payload))
		}
	}
}

// Every frame stands for itself: no frame needs one before it to be read, and any run of them reads back.
func TestFramesReadBack(t *testing.T) {
	f := NewFraming(fanout.Proto, DeflateAlways, 1)
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want [][]byte
		for range rapid.IntRange(1, 5).Draw(t, "frames") {
			word := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "word")
			in := bytes.Repeat(word, rapid.IntRange(0, 200).Draw(t, "times"))
			want = append(want, in)
			stream = f.AppendFrame(stream, in, fanout.UseCatchUp, 1)
		}
		br := bufio.NewReader(bytes.NewReader(stream))
		for i, in := range want {
			got, err := wstest.Decode(br)
			if err != nil || !bytes.Equal(got.Payload, in) || got.Size > len(in) {
				t.Fatalf("frame %d: %v, %d bytes for %d", i, err, got.Size, len(in))
			}
		}
		if _, err := br.ReadByte(); err != io.EOF {
			t.Fatal("bytes behind the last frame")
		}
	})
}

func BenchmarkAppendFrame(b *testing.B) {
	row := []byte(strings.Repeat(`{"symbol":"test:FAKE","bid":"100.25","ask":"100.30"},`, 40))
	for name, d := range map[string]Deflate{"plain": DeflateOff, "deflate": DeflateAlways} {
		b.Run(name, func(b *testing.B) {
			f := NewFraming(fanout.JSON, d, 1)
			var dst []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(row)))
			for b.Loop() {
				dst = f.AppendFrame(dst[:0], row, fanout.UseCatchUp, 1)
			}
		})
	}
}

// One framing serves all workers: what one of them compresses does not come out in another's frame.
func TestFramesMadeAtTheSameTimeAreTheirOwn(t *testing.T) {
	f := NewFraming(fanout.Proto, DeflateAlways, 1)
	var workers sync.WaitGroup
	for n := range 8 {
		workers.Go(func() {
			var dst []byte
			for i := range 300 {
				in := bytes.Repeat([]byte{byte(n), byte(i), 7}, 50+i)
				dst = f.AppendFrame(dst[:0], in, fanout.UseCut, 1)
				if got, err := wstest.Decode(bufio.NewReader(bytes.NewReader(dst))); err != nil || !bytes.Equal(got.Payload, in) {
					t.Errorf("worker %d, frame %d: %v, or other bytes", n, i, err)
					return
				}
			}
		})
	}
	workers.Wait()
}
