package listen

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

func TestSomeDescriptorsAreKept(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	// What is open by now, and room for two ends of each of three connections.
	probe, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	ceiling := int(probe.Fd()) + 6
	_ = probe.Close()
	refused := make(chan struct{}, 100)
	l := Reserve(inner, ceiling, func() { refused <- struct{}{} })
	accepted := make(chan net.Conn, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	var open []net.Conn
	for range 20 {
		conn := dial()
		open = append(open, conn)
		select {
		case in := <-accepted:
			open = append(open, in)
			continue
		case <-refused:
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a refused connection reads %v, want its end", err)
		}
		break
	}
	if len(open) < 3 || len(open) > 8 {
		t.Fatalf("%d ends are open below a ceiling for six", len(open))
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	last := dial()
	_ = (<-accepted).Close() // there is room again
	_ = last.Close()
	_ = inner.Close()
	<-done
	if Reserve(inner, 0, nil) != inner {
		t.Error("without a ceiling something was put on the listener")
	}
}
