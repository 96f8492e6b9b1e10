package ws

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/feedd/feedd/fanout"
)

// framing puts payloads into WebSocket frames of one kind. It implements fanout.Framing; one value serves
// all connections of its kind.
type framing struct {
	encoding  fanout.Encoding
	first     byte // first byte of a frame that is not compressed
	threshold int  // payload in bytes from which compression is tried; 0: never
	deflated  *deflateStats
}

// deflateStats sums up the frames that were sent compressed.
type deflateStats struct {
	in, out atomic.Uint64 // bytes
	took    atomic.Int64  // nanoseconds, for all that was tried
}

// Encoding returns the encoding of the payloads.
func (f *framing) Encoding() fanout.Encoding { return f.encoding }

// AppendFrame appends payload to dst as one whole frame.
func (f *framing) AppendFrame(dst, payload []byte) []byte {
	if f.threshold > 0 && len(payload) >= f.threshold {
		if framed, smaller := f.appendDeflated(dst, payload); smaller {
			return framed
		}
	}
	return append(appendHeader(dst, f.first, len(payload)), payload...)
}

func (f *framing) appendDeflated(dst, payload []byte) (framed []byte, smaller bool) {
	d := deflaters.Get().(*deflater)
	defer d.release()
	begun := time.Now()
	packed := d.deflate(payload)
	f.deflated.took.Add(int64(time.Since(begun)))
	if len(packed) >= len(payload) {
		return dst, false
	}
	f.deflated.in.Add(uint64(len(payload)))
	f.deflated.out.Add(uint64(len(packed)))
	return append(appendHeader(dst, f.first|bitDeflated, len(packed)), packed...), true
}

// appendHeader appends the header of a frame with n bytes of payload.
func appendHeader(dst []byte, first byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, first, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(n))
	}
}

// deflater compresses messages, each by itself: without a window that outlives the message, frames can be
// shared by connections, and connections hold no window.
type deflater struct {
	w   *flate.Writer
	out []byte
}

var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	var err error
	if d.w, err = flate.NewWriter(d, flate.BestSpeed); err != nil {
		panic(err) // only for a level that does not exist
	}
	return d
}}

// Write takes what the compressor puts out.
func (d *deflater) Write(b []byte) (int, error) {
	d.out = append(d.out, b...)
	return len(b), nil
}

// deflate returns payload as RFC 7692 wants it: a flushed stream without the four bytes that end a flush.
// The result is valid until the next call.
func (d *deflater) deflate(payload []byte) []byte {
	d.out = d.out[:0]
	d.w.Reset(d)
	_, _ = d.w.Write(payload) // neither fails, as d.Write does not
	_ = d.w.Flush()
	return d.out[:len(d.out)-4]
}

// release gives the deflater back, but not with a buffer that an exceptionally large message left behind.
func (d *deflater) release() {
	if cap(d.out) > 256<<10 {
		d.out = nil
	}
	deflaters.Put(d)
}
