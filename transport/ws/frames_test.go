package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/inbox"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/ws/wstest"
)

func join(ff ...[]byte) []byte { return bytes.Join(ff, nil) }

// many returns n copies of a frame.
func many(n int, frame []byte) []byte { return bytes.Repeat(frame, n) }

// What a client may send that the Autobahn suite tests, and what it does not: each ends that connection alone,
// with the right code, while another goes on.
func TestFramesFromClients(t *testing.T) {
	const limit = 16 << 10
	enc, text := wstest.Encode, func(s string) []byte { return wstest.Encode(frameText, []byte(s)) }
	deflated := func(first byte, s string) []byte { return enc(first, wstest.Deflate([]byte(s))) }
	bye := wstest.EncodeClose(1000, "")
	code := func(c uint16) []byte { return wstest.EncodeClose(c, "") }

	r := newRig(t, Options{})
	bystander := wstest.Dial(t, r.addr, wstest.Request{})
	<-r.came
	for _, c := range []struct {
		name    string
		offer   string
		in      []byte
		echo    []string // messages that come back first
		pongs   []string
		code    uint16
		says    string // in the reason
		guarded int
	}{
		// Messages and their sizes.
		{name: "sizes around the forms of the header", in: join(text(""), text(strings.Repeat("a", 125)), text(strings.Repeat("b", 126)),
			text(strings.Repeat("c", 127)), text(strings.Repeat("d", 128)), text(strings.Repeat("e", limit)), bye),
			echo: []string{"", strings.Repeat("a", 125), strings.Repeat("b", 126), strings.Repeat("c", 127),
				strings.Repeat("d", 128), strings.Repeat("e", limit)}, code: 1000},
		{name: "a byte too many", in: text(strings.Repeat("e", limit+1)), code: 1009, says: "16384", guarded: 1},
		{name: "a size that is only declared", in: []byte{frameText, 0xff, 0, 0, 0, 0, 1, 0, 0, 0}, code: 1009, guarded: 1},
		{name: "too many bytes in fragments", in: join(enc(0x01, make([]byte, limit)), enc(0x80, []byte("x"))), code: 1009, guarded: 1},
		{name: "binary on the text protocol", in: enc(frameBinary, []byte("x")), code: 1003, says: "takes text"},
		// The frame that would end the process if it reached the library.
		{name: "size with the top bit set", in: []byte{frameText, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, code: 1002, guarded: 1},
		{name: "the same in a continuation", in: join(enc(0x01, nil), []byte{0x80, 0xff, 0xff, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4}), code: 1002, guarded: 1},
		{name: "a size in more bytes than needed", in: []byte{frameText, 0xfe, 0, 1, 1, 2, 3, 4, 5}, code: 1002, guarded: 1},

		// Pings and pongs.
		{name: "pings", in: join(enc(framePing, nil), enc(framePing, []byte("hello")), enc(framePing, make([]byte, 125)), bye),
			pongs: []string{"", "hello", string(make([]byte, 125))}, code: 1000},
		{name: "a pong that nobody asked for", in: join(enc(framePong, []byte("x")), text("on"), bye), echo: []string{"on"}, code: 1000},
		{name: "a ping of 126 bytes", in: enc(framePing, make([]byte, 126)), code: 1002, guarded: 1},
		{name: "ten pings", in: join(many(10, enc(framePing, []byte("x"))), bye), pongs: strings.Split("x x x x x x x x x x", " "), code: 1000},

		// Reserved bits and opcodes.
		{name: "RSV1 without compression", in: join(text("ok"), enc(0xc1, nil)), echo: []string{"ok"}, code: 1002, guarded: 1},
		{name: "RSV2", in: enc(0xa1, nil), code: 1002, guarded: 1},
		{name: "RSV2 with compression", offer: deflateOffer, in: enc(0xa1, nil), code: 1002, guarded: 1},
		{name: "RSV3 with compression", offer: deflateOffer, in: enc(0x91, nil), code: 1002, guarded: 1},
		{name: "RSV1 on a ping", offer: deflateOffer, in: enc(0xc9, nil), code: 1002, guarded: 1},
		{name: "RSV1 on a close frame", offer: deflateOffer, in: enc(0xc8, nil), code: 1002, guarded: 1},
		{name: "data opcode 3", in: enc(0x83, nil), code: 1002, guarded: 1},
		{name: "data opcode 7", in: enc(0x87, nil), code: 1002, guarded: 1},
		{name: "control opcode 11", in: enc(0x8b, nil), code: 1002, guarded: 1},
		{name: "control opcode 15", in: enc(0x8f, nil), code: 1002, guarded: 1},
		{name: "no mask", in: []byte{frameText, 1, 'x'}, code: 1002, says: "mask", guarded: 1},

		// Fragments.
		{name: "fragments with a ping between", in: join(enc(0x01, []byte("frag")), enc(framePing, []byte("p")), enc(0x00, nil), enc(0x80, []byte("ment")), bye),
			pongs: []string{"p"}, echo: []string{"fragment"}, code: 1000},
		{name: "a character across fragments", in: join(enc(0x01, []byte("\xe2\x82")), enc(0x80, []byte("\xac")), bye), echo: []string{"€"}, code: 1000},
		{name: "a fragmented ping", in: enc(0x09, []byte("x")), code: 1002, guarded: 1},
		{name: "an orphan continuation", in: enc(0x80, []byte("x")), code: 1002, guarded: 1},
		{name: "a message within fragments", in: join(enc(0x01, []byte("x")), text("y")), code: 1002, guarded: 1},
		{name: "a flood of fragments of one byte", in: join(enc(0x01, []byte("x")), many(2000, enc(0x00, []byte("x")))), code: 4501},
		{name: "a flood of pings", in: many(1000, enc(framePong, nil)), code: 4501, says: "control frames"},

		// Text.
		{name: "text that is not UTF-8", in: enc(frameText, []byte("\xff")), code: 1007, says: "UTF-8"},
		{name: "a surrogate in UTF-8", in: enc(frameText, []byte("\xed\xa0\x80")), code: 1007},
		{name: "half a character", in: join(enc(0x01, []byte("\xe2\x82")), enc(0x80, nil)), code: 1007},

		// Compression.
		{name: "compressed messages", offer: deflateOffer, in: join(deflated(0xc1, "one"), text("two"), deflated(0xc1, ""), bye),
			echo: []string{"one", "two", ""}, code: 1000},
		{name: "compressed over fragments", offer: deflateOffer, in: func() []byte {
			d := wstest.Deflate([]byte(strings.Repeat("packed ", 100)))
			return join(enc(0x41, d[:3]), enc(0x80, d[3:]), bye)
		}(), echo: []string{strings.Repeat("packed ", 100)}, code: 1000},
		{name: "a bomb", offer: deflateOffer, in: deflated(0xc1, strings.Repeat("\x00", 8<<20)), code: 1009, says: "16384"},
		{name: "compressed bytes that are none", offer: deflateOffer, in: enc(0xc1, []byte{0xff, 0xff, 0xff, 0xff}), code: 1007, says: "decompressed"},

		// The end.
		{name: "close without a code", in: enc(frameClose, nil), code: 0},
		{name: "close with half a code", in: enc(frameClose, []byte{3}), code: 1002},
		{name: "close with a reason", in: wstest.EncodeClose(1001, "leaving"), code: 1001},
		{name: "close with the longest reason", in: wstest.EncodeClose(1000, strings.Repeat("x", 123)), code: 1000},
		{name: "close with a reason too long", in: wstest.EncodeClose(1000, strings.Repeat("x", 124)), code: 1002, guarded: 1},
		{name: "close with a reason that is not UTF-8", in: wstest.EncodeClose(1000, "\xff"), code: 1007},
		{name: "a code of the client's own", in: code(3999), code: 3999},
		{name: "messages behind close", in: join(text("before"), bye, text("after"), bye), echo: []string{"before"}, code: 1000},
		{name: "rubbish behind close", in: join(bye, []byte{0x83, 0}), code: 1000},
		{name: "close code 0", in: code(0), code: 1002},
		{name: "close code 999", in: code(999), code: 1002},
		{name: "close code 1005", in: code(1005), code: 1002},
		{name: "close code 1006", in: code(1006), code: 1002},
		{name: "close code 1015", in: code(1015), code: 1002},
		{name: "close code 1100", in: code(1100), code: 1002},
		{name: "close code 2999", in: code(2999), code: 1002},
		{name: "close code 5000", in: code(5000), code: 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			guarded := r.drops.Count(drop.GuardedFrame)
			client := wstest.Dial(t, r.addr, wstest.Request{Extensions: c.offer})
			h := <-r.came
			client.Write(c.in)
			var echo, pongs []string
			for {
				f := client.Read()
				if f.First == frameClose {
					got := uint16(0)
					if len(f.Payload) >= 2 {
						got = binary.BigEndian.Uint16(f.Payload)
					}
					if got != c.code {
						t.Fatalf("close code %d %q, want %d", got, f.Payload, c.code)
					}
					if !strings.Contains(string(f.Payload), c.says) {
						t.Fatalf("reason %q, want %q in it", f.Payload, c.says)
					}
					break
				}
				if f.First == framePong {
					pongs = append(pongs, string(f.Payload))
				} else {
					echo = append(echo, string(f.Payload))
				}
			}
			if fmt.Sprintf("%q %q", echo, pongs) != fmt.Sprintf("%q %q", c.echo, c.pongs) {
				t.Fatalf("messages %.60q and pongs %.60q, want %.60q and %.60q", echo, pongs, c.echo, c.pongs)
			}
			if f, err := client.Next(); err == nil {
				t.Fatalf("frame %#x behind the close frame", f.First)
			}
			<-h.ended
			if got := r.drops.Count(drop.GuardedFrame) - guarded; got != uint64(c.guarded) {
				t.Errorf("%d guarded frames are counted, want %d", got, c.guarded)
			}
			same(t, bystander, c.name)
		})
	}
	if n := r.drops.Count(drop.HandlerPanic); n != 0 {
		t.Errorf("%d panics", n)
	}
}

// Close frames of clients are counted under few codes, however many they invent.
func TestCodesOfClientsAreBounded(t *testing.T) {
	seen := make(map[uint16]bool)
	for code := range 1 << 16 {
		reply := uint16(code)
		if code < 1000 || code >= 5000 || code > 1015 && code < 3000 {
			reply = conns.CodeProtocol
		}
		seen[countPeer(&inbox.Closed{Code: uint16(code), Reply: reply})] = true
	}
	if len(seen) > 20 {
		t.Errorf("%d counts", len(seen))
	}
}
