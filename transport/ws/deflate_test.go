package ws

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// lesson has a policy judge frames of one class, and learn of those that it compresses.
type lesson struct {
	size, packed, readers int
	took                  time.Duration
}

// run returns how many of n frames were compressed, one every step.
func (l lesson) run(p *deflatePolicy, use fanout.Use, n int, now *int64, step time.Duration) (compressed int) {
	c := p.class(fanout.Proto, use, l.size)
	for range n {
		*now += int64(step)
		if p.wants(c, l.size, l.readers, *now) {
			compressed++
			p.learn(c, l.size, l.packed, l.took, *now)
		}
	}
	return compressed
}

func TestCompressionFollowsWhatItSavesAndCosts(t *testing.T) {
	const frames, plenty = 10_000, 10 * time.Millisecond
	again := frames/deflateAgain + deflateLessons
	for _, c := range []struct {
		name string
		lesson
		all bool
	}{
		{"a snapshot that halves", lesson{4096, 2048, 1, 40 * time.Microsecond}, true},
		{"a difference for one reader", lesson{317, 290, 1, 6 * time.Microsecond}, false},
		{"the same for a hundred", lesson{317, 290, 100, 6 * time.Microsecond}, true},
		{"what becomes larger", lesson{4096, 4100, 100, 40 * time.Microsecond}, false},
	} {
		var now int64
		p := &deflatePolicy{share: 1}
		n := c.run(p, fanout.UseCatchUp, frames, &now, plenty)
		if c.all && n != frames || !c.all && (n < deflateLessons || n > again) {
			t.Errorf("%s: %d of %d frames were compressed", c.name, n, frames)
		}
	}
}

func TestCompressionChangesItsMind(t *testing.T) {
	var now int64
	p := &deflatePolicy{share: 1}
	bad, good := lesson{2000, 1990, 1, 30 * time.Microsecond}, lesson{2000, 500, 1, 30 * time.Microsecond}
	bad.run(p, fanout.UseCut, 5000, &now, time.Millisecond)
	if n := good.run(p, fanout.UseCut, 20*deflateAgain, &now, time.Millisecond); n < 10*deflateAgain {
		t.Errorf("%d frames were compressed since it pays", n)
	}
	// Other uses and sizes have learnt nothing of all this.
	if n := good.run(p, fanout.UseCatchUp, 1, &now, 0); n != 1 {
		t.Error("the first frame of a class was not tried")
	}
}

func TestCompressionKeepsToItsShare(t *testing.T) {
	const share = 0.25
	var now int64
	p := &deflatePolicy{share: share}
	l := lesson{4096, 1000, 1, 100 * time.Microsecond}
	n := l.run(p, fanout.UseCatchUp, 200_000, &now, 100*time.Microsecond) // 20 s, in which all of it would take 20 s
	took := time.Duration(n) * l.took
	if most := time.Duration(share*float64(now)) + deflateBurst; took > most || took < most/2 {
		t.Errorf("compressing took %v of %v, want up to %v", took, time.Duration(now), most)
	}
	if held := p.stats.held.Load(); int(held) != 200_000-n {
		t.Errorf("%d frames were held back, and counted %d", 200_000-n, held)
	}
	now += int64(time.Minute)
	if l.run(p, fanout.UseCatchUp, 100, &now, 0) != 100 {
		t.Error("after a quiet minute not all was compressed")
	}
}

func TestWhatIsCompressed(t *testing.T) {
	noise := make([]byte, 2000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, c := range []struct {
		name   string
		d      Deflate
		in     []byte
		packed bool
	}{
		{"off", DeflateOff, []byte(strings.Repeat("a", 512)), false},
		{"auto, short", DeflateAuto, []byte(strings.Repeat("a", deflateLeast-1)), false},
		{"auto, long", DeflateAuto, []byte(strings.Repeat("a", 512)), true},
		{"auto, random", DeflateAuto, noise, false},
		{"always, short", DeflateAlways, []byte(strings.Repeat("a", deflateLeast-1)), true},
		{"always, random", DeflateAlways, noise, false},
		{"always, nothing", DeflateAlways, nil, false},
	} {
		b := NewFraming(fanout.JSON, c.d, 1).AppendFrame(nil, c.in, fanout.UseCatchUp, 1)
		got, err := wstest.Decode(bufio.NewReader(bytes.NewReader(b)))
		if err != nil || !bytes.Equal(got.Payload, c.in) {
			t.Fatalf("%s: %v", c.name, err)
		}
		if packed := got.First == frameText|bitDeflated; packed != c.packed || packed != (got.Size < len(c.in)) {
			t.Errorf("%s: first byte %#x with %d bytes", c.name, got.First, got.Size)
		}
	}
}

func TestBytesBeforeAndAfterAreCounted(t *testing.T) {
	f := NewFraming(fanout.Proto, DeflateAlways, 1)
	plain := bytes.Repeat([]byte("ab"), 300)
	n := len(f.AppendFrame(nil, plain, fanout.UseCut, 5))
	st := &f.(*framing).deflate.stats
	if st.in.Load() != 600 || int(st.out.Load()) != n-2 || st.took.Load() <= 0 {
		t.Errorf("%d bytes before and %d after in %d ns, for a frame of %d", st.in.Load(), st.out.Load(), st.took.Load(), n)
	}
}
