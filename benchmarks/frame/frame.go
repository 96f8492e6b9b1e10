package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes (RFC 6455, section 5.2). From Close up they are control frames.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xa
)

// Reader follows the frames that a server sends through reads of any size, without keeping their payload.
// The zero value is ready.
type Reader struct {
	// Deflate says that permessage-deflate was agreed on: messages may be packed.
	Deflate bool

	head [10]byte // header so far
	have uint8    // bytes in it
	op   byte
	fin  bool
	pack bool   // the message is packed
	body bool   // the header is complete
	left uint64 // payload still to come
}

// Piece is a run of payload of one frame.
type Piece struct {
	Op      byte
	Fin     bool // the frame is its message's last
	Start   bool // the piece is its frame's first
	End     bool // the piece is its frame's last
	Packed  bool // the message is compressed: set on all frames of it
	Payload []byte
}

var (
	errMasked   = errors.New("the server masks a frame")
	errReserved = errors.New("the server sets a reserved bit")
)

// Next consumes the front of b, which must not be empty. With ok it returns a piece (of no bytes for an
// empty frame); without, b ended inside a header and rest is empty. Call it until rest is empty.
func (r *Reader) Next(b []byte) (p Piece, rest []byte, ok bool, err error) {
	start := false
	if !r.body {
		if b, ok, err = r.header(b); !ok || err != nil {
			return Piece{}, nil, false, err
		}
		start = true
	}
	n := uint64(len(b))
	if n > r.left {
		n = r.left
	}
	r.left -= n
	p = Piece{Op: r.op, Fin: r.fin, Start: start, End: r.left == 0, Packed: r.pack && r.op < Close, Payload: b[:n]}
	if p.End {
		r.body, r.have = false, 0
	}
	return p, b[n:], true, nil
}

// header takes bytes until a header is whole.
func (r *Reader) header(b []byte) (rest []byte, ok bool, err error) {
	for {
		need := r.size()
		if int(r.have) == need {
			break
		}
		if len(b) == 0 {
			return nil, false, nil
		}
		n := copy(r.head[r.have:need], b)
		r.have += uint8(n)
		b = b[n:]
	}
	if r.head[1]&0x80 != 0 {
		return nil, false, errMasked
	}
	const rsv1, reserved = 0x40, 0x70
	r.op, r.fin = r.head[0]&0xf, r.head[0]&0x80 != 0
	switch packed := r.head[0] & reserved; {
	case packed == rsv1 && r.Deflate && (r.op == Text || r.op == Binary):
		r.pack = true
	case packed != 0:
		return nil, false, errReserved
	case r.op == Text || r.op == Binary:
		r.pack = false
	}
	switch n := r.head[1] & 0x7f; n {
	case 126:
		r.left = uint64(binary.BigEndian.Uint16(r.head[2:]))
	case 127:
		r.left = binary.BigEndian.Uint64(r.head[2:])
	default:
		r.left = uint64(n)
	}
	const most = 64 << 20
	if r.left > most {
		return nil, false, fmt.Errorf("the server sends a frame of %d bytes", r.left)
	}
	r.body = true
	return b, true, nil
}

// size is how long the header is, as far as can be told from its first two bytes.
func (r *Reader) size() int {
	if r.have < 2 {
		return 2
	}
	switch r.head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// AppendHeader appends the header of an unmasked, unfragmented binary frame of n bytes: what a server
// writes.
func AppendHeader(dst []byte, n int) []byte {
	dst = append(dst, 0x80|Binary)
	return appendLength(dst, n, 0)
}

// AppendClient appends a whole masked frame: what a client writes. The mask is zero, which leaves the
// payload as it is; a benchmark has no proxy to protect.
func AppendClient(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	dst = appendLength(dst, len(payload), 0x80)
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}

func appendLength(dst []byte, n int, mask byte) []byte {
	switch {
	case n < 126:
		return append(dst, mask|byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, mask|126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, mask|127), uint64(n))
}
