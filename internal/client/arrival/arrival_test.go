package arrival

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// What was sent long before it is read arrived then.
func TestTheKernelTellsWhenBytesCame(t *testing.T) {
	if !Supported {
		t.SkipNow()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = near.Close() }()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	raw, err := near.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) { err = Note(int(fd)) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	// The kernel begins a moment after the first socket has asked.
	const tries, grain = 100, 1000 // grain in microseconds
	for range tries {
		before := time.Now().UnixMicro()
		if _, err := far.Write([]byte("row")); err != nil {
			t.Fatal(err)
		}
		after := time.Now().UnixMicro()
		time.Sleep(20 * time.Millisecond)
		buf, n, at := make([]byte, 16), 0, int64(0)
		if cerr := raw.Read(func(fd uintptr) bool { n, at, err = Receive(int(fd), buf); return err != syscall.EAGAIN }); cerr != nil || err != nil {
			t.Fatal(cerr, err)
		}
		if n != 3 || at < before-grain {
			t.Fatalf("%d bytes arrived %d µs ahead of their sending", n, before-at)
		}
		if at <= after+grain {
			return
		}
	}
	t.Errorf("no bytes of %d tries arrived when they were sent", tries)
}
