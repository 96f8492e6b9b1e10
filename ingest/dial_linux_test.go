package ingest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// The connection to NATS reads like any other: what was sent, the end, deadlines, a connection that was closed; and a read
// allocates nothing.
func TestTheConnectionToNATSReadsLikeAnyOther(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // nobody is left
	dial := func() (near, far net.Conn) {
		near, err := new(dialer).Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := near.(*socket); !ok {
			t.Fatalf("a %T was dialled", near)
		}
		if far, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = near.Close(), far.Close() }) // some are closed
		return near, far
	}
	write := func(c net.Conn, b []byte) {
		if _, err := c.Write(b); err != nil {
			t.Error(err)
		}
	}

	near, far := dial()
	sent := bytes.Repeat([]byte("tick"), 100_000)
	go write(far, sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(near, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%v, or other bytes than were sent", err)
	}
	buf := make([]byte, 64)
	if n := testing.AllocsPerRun(100, func() {
		write(far, sent[:4])
		if n, err := near.Read(buf); err != nil || n == 0 {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each read", n)
	}
	if n, err := near.Read(nil); n != 0 || err != nil {
		t.Errorf("a read of nothing: %d, %v", n, err)
	}
	if err := near.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	if err := errors.Join(near.SetReadDeadline(time.Time{}), far.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(buf); err != io.EOF {
		t.Errorf("behind the end: %v", err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("of a closed connection: %v", err)
	}

	near, far = dial()
	read := make(chan error)
	go func() {
		_, err := near.Read(make([]byte, 1))
		read <- err
	}()
	if err := far.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = far.Close() // with a reset
	if err := <-read; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("of a connection that was reset: %v", err)
	}
}

// A read that looks for itself now and then is one that waits, for as long as somebody asked for.
func TestTheConnectionToNATSWaits(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // nobody is left
	near, err := new(dialer).Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	buf := make([]byte, 8)
	asked := time.Now().Add(4 * lookEvery)
	if err := near.SetDeadline(asked); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Now().Before(asked) {
		t.Fatalf("%v, %v ahead of the deadline", err, time.Until(asked))
	}
	if err := near.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(4*lookEvery, func() { _, _ = far.Write([]byte("tick")) })
	if n, err := near.Read(buf); err != nil || string(buf[:n]) != "tick" {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	time.AfterFunc(4*lookEvery, func() { _ = near.SetReadDeadline(time.Now()) })
	if _, err := near.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("interrupted: %v", err)
	}
}
