package floor

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/benchmarks/frame"
	"github.com/feedd/feedd/benchmarks/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEverySocketHasOneTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			Sockets: rapid.IntRange(1, 20_000).Draw(t, "sockets"), Interval: 250 * time.Millisecond, FrameBytes: 100,
			Spread: append(rapid.SliceOfN(rapid.Int64Range(0, 1000), 0, 300).Draw(t, "spread"), 1),
		}
		var sum int64
		for _, w := range p.Spread {
			sum += w
		}
		next, last := 0, time.Duration(-1)
		for _, turn := range p.turns() {
			if turn.from != next || turn.to <= turn.from || turn.at <= last || turn.at >= p.Interval {
				t.Fatalf("turn %+v behind socket %d and %v", turn, next, last)
			}
			slice := int(math.Round(float64(turn.at) / float64(p.Interval) * float64(len(p.Spread))))
			want := float64(p.Sockets) * float64(p.Spread[slice]) / float64(sum)
			if got := float64(turn.to - turn.from); math.Abs(got-want) > 1 {
				t.Fatalf("slice %d gets %v sockets, want %v", slice, got, want)
			}
			next, last = turn.to, turn.at
		}
		if next != p.Sockets {
			t.Fatalf("%d of %d sockets have a turn", next, p.Sockets)
		}
	})
}

func TestFramesAreOfTheSizeAsked(t *testing.T) {
	for _, size := range []int{2, 3, 100, 127, 128, 129, 130, 131, 300, 65_535, 65_540, 70_000} {
		b := zeros(size)
		// Where the header grows, two to six sizes cannot be built.
		if len(b) > size || len(b) < size-6 || size < 128 && len(b) != size {
			t.Errorf("asked for %d bytes, got %d", size, len(b))
		}
		var r frame.Reader
		p, rest, ok, err := r.Next(b)
		if err != nil || !ok || !p.End || len(rest) != 0 {
			t.Errorf("size %d: not one frame: %+v, %d bytes left, %v", size, p, len(rest), err)
		}
	}
}

func TestFloorWritesToAllAtItsPace(t *testing.T) {
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const sockets, size = 50, 200
	l, err := load.Start(load.Config{Address: s.Address().String(), Groups: []load.Group{{Speak: load.Raw, Sessions: sockets}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Stop()
	if _, err := l.Connect(load.Patience); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(Plan{Sockets: sockets, Interval: 5 * time.Millisecond, FrameBytes: size, Spread: Even(5)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(Plan{Sockets: 1, Interval: 1, FrameBytes: size, Spread: Even(1)}); err == nil {
		t.Error("two plans at once")
	}
	var frames, bytes int64
	for frames < 20*sockets {
		w, err := l.Mark()
		if err != nil {
			t.Fatal(err)
		}
		frames += w.Frames
		bytes += w.Bytes
		if len(w.Closed) > 0 {
			t.Fatalf("ended %v", w.Closed)
		}
	}
	s.Pause()
	count := s.Count()
	for frames < count.Frames { // what is on its way
		w, err := l.Mark()
		if err != nil {
			t.Fatal(err)
		}
		frames += w.Frames
		bytes += w.Bytes
	}
	if frames != count.Frames || count.Refused != 0 || bytes != frames*size {
		t.Errorf("got %d frames and %d bytes, written %+v", frames, bytes, count)
	}
}

func TestPlansThatMakeNoSense(t *testing.T) {
	good := Plan{Sockets: 1, Interval: time.Second, FrameBytes: 10, Spread: Even(2)}
	for name, change := range map[string]func(*Plan){
		"sockets":  func(p *Plan) { p.Sockets = 0 },
		"interval": func(p *Plan) { p.Interval = 0 },
		"bytes":    func(p *Plan) { p.FrameBytes = 1 },
		"spread":   func(p *Plan) { p.Spread = []int64{0, 0} },
		"weight":   func(p *Plan) { p.Spread = []int64{-1, 2} },
	} {
		p := good
		change(&p)
		if p.validate() == nil {
			t.Errorf("%s: accepted %+v", name, p)
		}
	}
}
