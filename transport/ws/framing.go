package ws

import (
	"encoding/binary"
	"time"

	"github.com/feedd/feedd/fanout"
)

// framing puts payloads into WebSocket frames of one kind. It implements fanout.Framing; one value serves
// all connections of its kind.
type framing struct {
	encoding fanout.Encoding
	first    byte           // first byte of a frame that is not compressed
	deflate  *deflatePolicy // nil: nothing is compressed
}

// NewFraming returns the Framing of connections that agreed on compression, or of others where d is DeflateOff: for
// those who want to know what it costs. share is Options.DeflateShare.
func NewFraming(e fanout.Encoding, d Deflate, share float64) fanout.Framing {
	f := &framing{encoding: e, first: frameBinary}
	if e == fanout.JSON {
		f.first = frameText
	}
	if d != DeflateOff {
		f.deflate = &deflatePolicy{mode: d, share: share}
	}
	return f
}

// Encoding returns the encoding of the payloads.
func (f *framing) Encoding() fanout.Encoding { return f.encoding }

// AppendFrame appends payload to dst as one whole frame.
func (f *framing) AppendFrame(dst, payload []byte, use fanout.Use, readers int) []byte {
	if f.deflate != nil {
		if framed, smaller := f.appendDeflated(dst, payload, use, readers); smaller {
			return framed
		}
	}
	return append(appendHeader(dst, f.first, len(payload)), payload...)
}

// zero is where the policy's clock begins.
var zero = time.Now()

func (f *framing) appendDeflated(dst, payload []byte, use fanout.Use, readers int) (framed []byte, smaller bool) {
	p := f.deflate
	c, begun := p.class(f.encoding, use, len(payload)), time.Since(zero)
	if !p.wants(c, len(payload), readers, int64(begun)) {
		return dst, false
	}
	d := deflaters.Get().(*deflater)
	defer d.release()
	packed := d.deflate(payload)
	now := time.Since(zero)
	p.learn(c, len(payload), len(packed), now-begun, int64(now))
	if len(packed) >= len(payload) {
		return dst, false
	}
	p.stats.in.Add(uint64(len(payload)))
	p.stats.out.Add(uint64(len(packed)))
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
