package listen

import (
	"net"
	"testing"
)

func TestBehindAcceptsWhatComes(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Behind(ln)
	defer func() { _ = l.Close() }()
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		s, err := l.Accept()
		if err != nil || s.RemoteAddr().String() != c.LocalAddr().String() {
			t.Fatalf("%v, %v", s, err)
		}
		_ = s.Close()
	}
}
