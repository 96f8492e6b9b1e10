package frame

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

type sent struct {
	op      byte
	payload []byte
}

// collect feeds stream to a reader in the sizes given, over and over, and puts the pieces together again.
func collect(t *rapid.T, stream []byte, sizes []int) []sent {
	var r Reader
	var all []sent
	for i := 0; len(stream) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(stream))
		b := stream[:n]
		stream = stream[n:]
		for len(b) > 0 {
			p, rest, ok, err := r.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			if ok && p.Start {
				all = append(all, sent{op: p.Op})
			}
			if ok {
				last := &all[len(all)-1]
				last.payload = append(last.payload, p.Payload...)
			}
			b = rest
		}
	}
	return all
}

func TestReaderPutsFramesTogetherFromReadsOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.OneOf(rapid.IntRange(0, 300), rapid.SampledFrom([]int{125, 126, 127, 65535, 65536, 70000}))
		var stream []byte
		var want []sent
		for i, n := range rapid.SliceOfN(lengths, 1, 8).Draw(t, "lengths") {
			payload := bytes.Repeat([]byte{byte(i + 1)}, n)
			stream = append(AppendHeader(stream, n), payload...)
			want = append(want, sent{Binary, payload})
		}
		got := collect(t, stream, rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 5).Draw(t, "reads"))
		if len(got) != len(want) {
			t.Fatalf("%d frames, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].op != want[i].op || !bytes.Equal(got[i].payload, want[i].payload) {
				t.Fatalf("frame %d differs", i)
			}
		}
	})
}

func TestReaderRefusesWhatNoServerMaySend(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"masked":   {AppendClient(nil, Binary, []byte("x")), errMasked},
		"reserved": {[]byte{0xc2, 1, 0}, errReserved},
		"huge":     {[]byte{0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var r Reader
			_, _, ok, err := r.Next(c.bytes)
			if ok || err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("ok %v, error %v", ok, err)
			}
		})
	}
}
