package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type part struct {
	kind    Kind
	payload string
}

// packed returns the bytes of a checkpoint with these parts.
func packed(t interface{ Fatal(...any) }, at int64, parts ...part) []byte {
	var b bytes.Buffer
	w, err := newWriter(&b, at)
	for _, p := range parts {
		if err == nil {
			err = w.Section(p.kind, []byte(p.payload))
		}
	}
	if err == nil {
		err = w.end()
	}
	if err != nil {
		t.Fatal(err)
	}
	if w.bytes != int64(b.Len()) {
		t.Fatal("a checkpoint of", b.Len(), "bytes is said to have", w.bytes)
	}
	return b.Bytes()
}

// unpacked returns the parts of a checkpoint, or why it is refused.
func unpacked(b []byte) (at int64, parts []part, err error) {
	r, err := newReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return 0, nil, err
	}
	for {
		kind, payload, err := r.Next()
		if err == io.EOF {
			return r.Time(), parts, nil
		} else if err != nil {
			return 0, nil, fmt.Errorf("accepted, and then: %w", err)
		}
		parts = append(parts, part{kind, string(payload)})
	}
}

func TestSectionsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64().Draw(t, "time")
		var parts []part
		for range rapid.IntRange(0, 10).Draw(t, "sections") {
			n := rapid.SampledFrom([]int{0, 1, 100, 70_000}).Draw(t, "size")
			parts = append(parts, part{Kind(rapid.IntRange(1, 255).Draw(t, "kind")), strings.Repeat("x", n)})
		}
		gotAt, got, err := unpacked(packed(t, at, parts...))
		if err != nil || gotAt != at || fmt.Sprint(got) != fmt.Sprint(parts) {
			t.Fatalf("%d sections at %d come back as %d at %d, %v", len(parts), at, len(got), gotAt, err)
		}
	})
}

// Whatever bit is turned and wherever the file is cut, all of it is refused.
func TestNoDamageGoesUnnoticed(t *testing.T) {
	whole := packed(t, 1700000000000000, part{1, "quotes"}, part{2, ""}, part{1, "books"})
	for i := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			if _, parts, err := unpacked(b); err == nil || parts != nil {
				t.Errorf("bit %d of byte %d turned: %v, %v", bit, i, parts, err)
			}
		}
		if _, parts, err := unpacked(whole[:i]); err == nil || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("cut to %d bytes: %v, %v", i, parts, err)
		}
	}
}

func TestReasonsForRefusal(t *testing.T) {
	whole := packed(t, 1, part{1, "a"}, part{2, "b"})
	section := func(kind byte, n uint32, payload string) []byte {
		b := binary.LittleEndian.AppendUint32([]byte{kind}, n)
		b = append(b, payload...)
		return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	}
	other := bytes.Clone(whole[:headerSize])
	other[len(magic)] = 3
	first := headerSize + headSize + 1 + crcSize
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"another file", []byte("#!/bin/sh\necho hello, world\n"), `not a checkpoint of feedd's: it begins with "#!/bin/s"`},
		{"another format", other, "checkpoint of format 3, this feedd reads 1"},
		{"header", append(append(bytes.Clone(whole[:12]), 9), whole[13:]...), "damaged at byte 0: the header's checksum"},
		{"payload", append(append(bytes.Clone(whole[:first-5]), 'x'), whole[first-4:]...), "damaged at byte 24: the checksum of the section"},
		{"no section is as long", append(bytes.Clone(whole[:headerSize]), section(1, MaxSection+1, "")...), "damaged at byte 24: a section of kind 1 with 8388609 bytes"},
		{"longer than the file", append(bytes.Clone(whole[:headerSize]), section(1, MaxSection, "a")...), "truncated: it ends at byte 34, where at least 8388607 more are due"},
		{"a section missing", append(bytes.Clone(whole[:headerSize]), whole[first:]...), "damaged at byte 34: the checksum of the whole"},
		{"more behind the end", append(bytes.Clone(whole), "more"...), "damaged at byte 57: 4 bytes follow the end"},
		{"no end", whole[:len(whole)-endSize], "truncated: it ends at byte 44"},
	} {
		_, parts, err := unpacked(c.b)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.name, parts, err, c.want)
		}
		var damage *Damage
		if errors.As(err, &damage) != (c.name != "another format") {
			t.Errorf("%s: damage or not? %v", c.name, err)
		}
	}
}

func TestSectionsThatAreNotPossible(t *testing.T) {
	w, err := newWriter(io.Discard, 0)
	if err != nil {
		t.Fatal(err)
	}
	if w.Section(0, nil) == nil {
		t.Error("a section of the end's kind is written")
	}
	if w.Section(1, make([]byte, MaxSection+1)) == nil {
		t.Error("a section is written that no reader would take")
	}
}

// A file that shrinks or fails while it is read is an error like any other.
func TestFileThatChangesUnderTheReader(t *testing.T) {
	whole := packed(t, 1, part{1, "a"})
	_, err := newReader(bytes.NewReader(whole[:30]), int64(len(whole)))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(magic))
	f.Add(packed(f, 1))
	f.Add(packed(f, 1700000000000000, part{1, "quotes"}, part{200, strings.Repeat("b", 300)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		at, parts, err := unpacked(b)
		if err != nil {
			if strings.HasPrefix(err.Error(), "accepted") {
				t.Fatal(err)
			}
			return
		}
		if again := packed(t, at, parts...); !bytes.Equal(again, b) {
			t.Fatalf("%x is accepted, and written as %x", b, again)
		}
	})
}
