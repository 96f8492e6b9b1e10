package inbox

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflater decompresses messages, each by itself: no window outlives one.
type inflater struct {
	in  io.Reader
	src [2]bytes.Reader
	r   io.ReadCloser
	out []byte
}

// tail is what RFC 7692 has the sender leave out of a message, and an empty last block behind it.
var tail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

var inflaters = sync.Pool{New: func() any { return &inflater{r: flate.NewReader(nil)} }}

// inflate returns an inflater whose out is the message in packed, of limit bytes at most.
func inflate(packed []byte, limit int) (*inflater, error) {
	f := inflaters.Get().(*inflater)
	f.src[0].Reset(packed)
	f.src[1].Reset(tail)
	f.in = io.MultiReader(&f.src[0], &f.src[1])
	err := f.r.(flate.Resetter).Reset(f.in, nil)
	for err == nil && len(f.out) <= limit {
		if len(f.out) == cap(f.out) {
			f.out = append(f.out, 0)[:len(f.out)]
		}
		var n int
		n, err = f.r.Read(f.out[len(f.out):min(cap(f.out), limit+1)])
		f.out = f.out[:len(f.out)+n]
	}
	switch {
	case len(f.out) > limit:
		err = tooBig(limit)
	case err != io.EOF:
		err = errDeflate
	default:
		return f, nil
	}
	f.release()
	return nil, err
}

// release gives the inflater back, but not with a buffer that an exceptionally large message left behind.
func (f *inflater) release() {
	f.src[0].Reset(nil)
	if f.out = f.out[:0]; cap(f.out) > 64<<10 {
		f.out = nil
	}
	inflaters.Put(f)
}
