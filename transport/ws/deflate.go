package ws

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/feedd/feedd/fanout"
)

// Deflate says which frames are compressed, of connections that agreed on it.
type Deflate uint8

// What Options.Deflate may be.
const (
	DeflateAuto   Deflate = iota // those for which it pays
	DeflateOff                   // none: it is not agreed on
	DeflateAlways                // all that become smaller, whatever it costs
)

const (
	// deflateLeast is the payload in bytes below which auto compresses nothing: there is hardly anything to find twice.
	deflateLeast = 128
	// deflateWorth is how many bytes a microsecond must save, over all who get the frame. Of recorded data, snapshots of
	// quotes save 15 bytes a microsecond for a single reader, JSON 170, differences and books for a single reader 1 to 25.
	// Sending moves some 35 bytes a microsecond.
	deflateWorth = 10
	// deflateLessons is how many frames of a class are compressed to learn what that saves and costs.
	deflateLessons = 16
	// deflateAgain is how many frames of a class go out as they are, since compressing did not pay, ahead of one that
	// tells whether it still does not.
	deflateAgain = 256
	// deflateBurst is for how long compressing may take a core of its own before it is held to its share.
	deflateBurst = time.Second
)

// deflatePolicy decides what to compress. It learns by class of frames (their encoding, what they are for, and their
// size) what compressing saves and costs, and it keeps to a share of the processor. All connections share one; its
// methods may be called from any goroutine, and none waits.
type deflatePolicy struct {
	mode    Deflate
	share   float64 // of a core, over time
	classes [2][fanout.Uses][deflateSizes]deflateClass
	busy    atomic.Int64 // until when the share is spent, on the caller's clock in nanoseconds

	stats deflateStats
}

// deflateSizes is how many classes of sizes there are: by powers of two, up to 16 KB and all above.
const deflateSizes = 16

// deflateClass is what was learnt of a class.
type deflateClass struct {
	seen   atomic.Uint64 // frames
	saves  atomic.Int64  // bytes of a thousand; below 0: it becomes larger
	costs  atomic.Int64  // nanoseconds for a thousand bytes
	taught atomic.Int64  // frames that were compressed
}

// deflateStats sums up what was done.
type deflateStats struct {
	in, out atomic.Uint64 // bytes of the frames that were sent compressed
	took    atomic.Int64  // nanoseconds, for all that was tried
	held    atomic.Uint64 // frames that would have paid, but for the share
}

func (p *deflatePolicy) class(e fanout.Encoding, use fanout.Use, size int) *deflateClass {
	return &p.classes[e][use][min(bits.Len(uint(size)), deflateSizes-1)]
}

// wants reports whether to compress a payload of so many bytes for so many readers at a time in nanoseconds.
func (p *deflatePolicy) wants(c *deflateClass, size, readers int, now int64) bool {
	switch {
	case p.mode != DeflateAuto:
		return p.mode == DeflateAlways
	case size < deflateLeast:
		return false
	}
	n := c.seen.Add(1)
	learn := c.taught.Load() < deflateLessons || n%deflateAgain == 0
	if !learn && c.saves.Load()*int64(readers)*1000 < c.costs.Load()*deflateWorth {
		return false
	}
	if p.busy.Load()-now > int64(deflateBurst) {
		p.stats.held.Add(1)
		return false
	}
	return true
}

// learn takes in what compressing a payload came to.
func (p *deflatePolicy) learn(c *deflateClass, size, packed int, took time.Duration, now int64) {
	p.stats.took.Add(int64(took))
	if size > 0 {
		c.taught.Add(1)
		learnt(&c.saves, int64(size-packed)*1000/int64(size))
		learnt(&c.costs, int64(took)*1000/int64(size))
	}
	// Of several at a time one may go missing here, which matters little to a share.
	p.busy.Store(max(p.busy.Load(), now) + int64(float64(took)/p.share))
}

// learnt moves a mean an eighth of the way to what was seen last.
func learnt(mean *atomic.Int64, seen int64) {
	was := mean.Load()
	if was == 0 {
		mean.Store(seen)
		return
	}
	mean.Store(was + (seen-was)/8)
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
