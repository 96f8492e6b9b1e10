package crowd

import (
	"fmt"
	"net"
	"time"

	"github.com/feedd/feedd/benchmarks/frame"
)

// garbage is what clients send that are none: each piece on a connection of its own, some of them behind a handshake.
func garbage(host string) [][]byte {
	upgrade := fmt.Sprintf("GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: feedd.v1.proto\r\n\r\n", host)
	behind := func(b ...byte) []byte { return append([]byte(upgrade), b...) }
	return [][]byte{
		{},
		[]byte("\x16\x03\x01\x02\x00\x01\x00"),
		[]byte("GET / HTTP/1.1\r\nX: "),
		[]byte(upgrade[:40]),
		behind(),
		behind(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),      // the top bit of a length
		behind(0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff),         // 2 GB, and then nothing
		behind(0xf2, 0x80, 0, 0, 0, 0),                                 // reserved bits
		behind(0x82, 0x01, 0),                                          // no mask
		behind(0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28),                     // text that is none
		behind(frame.AppendClient(nil, frame.Binary, []byte{0xff})...), // protobuf that is none
		behind(frame.AppendClient(nil, frame.Binary, []byte{0x08, 0x01, 0x12, 0x7f})...),
	}
}

// Garbage opens a connection for each piece of garbage, sends it, and hangs up a moment later, whatever the server says. It
// returns how many there were.
func (c *Crowd) Garbage(host string) (int, error) {
	const moment = 200 * time.Millisecond
	all := garbage(host)
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	for i, piece := range all {
		from := &net.TCPAddr{IP: net.IPv4(127, 3, 0, byte(1+i))}
		conn, err := (&net.Dialer{LocalAddr: from, Timeout: time.Second}).Dial("tcp", host)
		if err != nil {
			return len(open), err
		}
		open = append(open, conn)
		_, _ = conn.Write(piece) // a server that has hung up already is right to
	}
	time.Sleep(moment)
	return len(all), nil
}
