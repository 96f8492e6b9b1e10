package faults

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/feedd/feedd/transport/ws/wstest"
)

// handshake is what a client of the binary protocol says first, to a server at an address.
func handshake(address string) []byte {
	return fmt.Appendf(nil, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: feedd.v1.proto\r\n\r\n", address)
}

func encode(message []byte) []byte { return wstest.Encode(0x82, message) }

// rawClient connects and says hello and what lies behind it at once. What comes back is the caller's to read, or not.
func rawClient(r *trial, address string, buffer int, behind []byte) net.Conn {
	r.Helper()
	conn, err := dialRaw(address, buffer)
	if err == nil {
		_, err = conn.Write(append(handshake(address), behind...))
	}
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dialRaw connects; buffer is what the kernel holds of what is not read, 0 for as much as it likes.
func dialRaw(address string, buffer int) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second, Control: func(_, _ string, raw syscall.RawConn) error {
		if buffer == 0 {
			return nil
		}
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer)
		})
		return errors.Join(err, failed)
	}}
	return dialer.Dial("tcp", address)
}

// untilClosed reads until the server ends the connection.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
