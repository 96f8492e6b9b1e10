package guard

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// script is a net.Conn that only reads.
type script struct {
	net.Conn
	io.Reader
}

func (s script) Read(b []byte) (int, error) { return s.Reader.Read(b) }

func still() int64 { return 0 }

func TestReadGivesWhatCameAheadOfTheRefusal(t *testing.T) {
	good := frames(client(0x82, []byte("hello")), client(0x89, nil))
	in := frames(good, client(0x83, []byte("bad")))
	for early := 0; early <= len(good); early++ { // wherever the guard was put in
		for name, r := range map[string]io.Reader{
			"at once":      bytes.NewReader(in[early:]),
			"byte by byte": iotest.OneByteReader(bytes.NewReader(in[early:])),
		} {
			c := New(script{Reader: r}, &plain, false, in[:early], still)
			got, err := io.ReadAll(c)
			var refused *RefusedError
			if !errors.As(err, &refused) || refused != errOpcode || c.Refused() != refused {
				t.Fatalf("%s, %d early: ended with %v", name, early, err)
			}
			if !bytes.HasPrefix(got, good) || len(got) > len(good)+1 {
				t.Fatalf("%s, %d early: read % x, want % x", name, early, got, good)
			}
			if _, err := c.Read(make([]byte, 10)); !errors.Is(err, refused) {
				t.Fatalf("a read after the refusal: %v", err)
			}
		}
	}
}

func TestReadPassesTheEndOn(t *testing.T) {
	c := New(script{Reader: bytes.NewReader(client(0x82, []byte("x")))}, &plain, false, nil, still)
	if got, err := io.ReadAll(c); err != nil || len(got) != 7 || c.Refused() != nil {
		t.Fatalf("%d bytes, %v, refused %v", len(got), err, c.Refused())
	}
}
