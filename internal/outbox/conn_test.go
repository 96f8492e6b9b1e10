package outbox

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
)

func TestAStalledReaderBlocksAndComesBack(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	next := p.block(t, 0)
	if !p.out.Blocked() || p.out.Pending() == 0 || p.stats.Blocked.Load() != 1 {
		t.Fatalf("after a refused frame: blocked %v, pending %d, gauge %d",
			p.out.Blocked(), p.out.Pending(), p.stats.Blocked.Load())
	}
	for want := range next {
		if got, err := readFrame(t, p.peer); err != nil || got != want {
			t.Fatalf("frame %d, %v; want %d", got, err, want)
		}
	}
	<-p.drained
	if p.out.Blocked() || p.out.Pending() != 0 || p.stats.Blocked.Load() != 0 {
		t.Fatalf("after the backlog: blocked %v, pending %d, gauge %d",
			p.out.Blocked(), p.out.Pending(), p.stats.Blocked.Load())
	}
	if !p.out.Send(frame(next, 100)) {
		t.Fatal("a drained connection takes no frame")
	}
	if got, err := readFrame(t, p.peer); err != nil || got != next {
		t.Fatalf("frame %d, %v; want %d", got, err, next)
	}
}

// Whatever the sizes, the stalls and the order of the two ways in: frames arrive whole, in the order in
// which they were taken, and none that was taken is missing.
func TestFramesArriveWholeAndInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPair(t, outgoing.Options{MaxQueued: 1 << 20})
		defer p.peer.Close()
		defer p.out.Close()
		var taken []uint32
		read := 0
		for number := range uint32(rapid.IntRange(1, 60).Draw(rt, "frames")) {
			b := frame(number, rapid.OneOf(rapid.IntRange(8, 300), rapid.IntRange(300, 40_000)).Draw(rt, "size"))
			if rapid.IntRange(0, 3).Draw(rt, "way") > 0 {
				if p.out.Send(b) {
					taken = append(taken, number)
				}
			} else if _, err := p.out.Write(b); err != nil {
				rt.Fatalf("write: %v", err)
			} else {
				taken = append(taken, number)
			}
			for n := rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(rt, "reads"); n > 0 && read < len(taken); n-- {
				if got, err := readFrame(t, p.peer); err != nil || got != taken[read] {
					rt.Fatalf("frame %d, %v; want %d", got, err, taken[read])
				}
				read++
			}
		}
		if !p.out.Finish(nil) {
			rt.Fatal("finish refused")
		}
		for ; read < len(taken); read++ {
			if got, err := readFrame(t, p.peer); err != nil || got != taken[read] {
				rt.Fatalf("frame %d, %v; want %d", got, err, taken[read])
			}
		}
		if _, err := readFrame(t, p.peer); !errors.Is(err, io.EOF) {
			rt.Fatalf("after the last frame: %v, want the end", err)
		}
	})
}

func TestManyWritersDoNotInterleave(t *testing.T) {
	const writers, each = 8, 200
	p := newPair(t, outgoing.Options{MaxQueued: 64 << 20})
	var wg sync.WaitGroup
	for w := range uint32(writers) {
		wg.Go(func() {
			for i := range uint32(each) {
				b := frame(w<<16|i, int(8+(w*131+i*977)%5000))
				if w == 0 {
					p.out.Send(b) // may be refused
				} else if _, err := p.out.Write(b); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	go func() { wg.Wait(); p.out.Finish(nil) }()
	seen, last := 0, [writers]int{}
	for {
		number, err := readFrame(t, p.peer)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		w, i := number>>16, int(number&0xffff)+1
		if i <= last[w] {
			t.Fatalf("writer %d: frame %d after %d", w, i, last[w])
		}
		last[w] = i
		if w > 0 {
			seen++
		}
	}
	if seen != (writers-1)*each {
		t.Fatalf("%d frames arrived of %d that Write took", seen, (writers-1)*each)
	}
}

func TestAnswersNotReadEndTheConnectionWithALastFrame(t *testing.T) {
	p := newPair(t, outgoing.Options{MaxQueued: 10_000})
	next := p.block(t, 0)
	answers := uint32(0)
	for ; ; answers++ {
		if _, err := p.out.Write(frame(next+answers, 1000)); err != nil {
			if !errors.Is(err, outgoing.ErrOverflow) {
				t.Fatalf("write: %v", err)
			}
			break
		}
	}
	// Ten fit the bound; a few more when the kernel took something meanwhile.
	if answers < 10 {
		t.Fatalf("%d answers were taken, the bound is worth 10", answers)
	}
	if n := p.drops.Count(drop.ControlOverflow); n != 1 || !errors.Is(p.out.Cause(), outgoing.ErrOverflow) {
		t.Fatalf("%d overflows, cause %v", n, p.out.Cause())
	}
	if _, err := p.out.Write(frame(0, 8)); !errors.Is(err, outgoing.ErrOverflow) {
		t.Fatalf("a write after the overflow: %v", err)
	}
	if !p.out.Finish(frame(next+answers, 20)) || p.out.Finish(nil) {
		t.Fatal("the last frame must be taken once")
	}
	for want := range next + answers + 1 {
		if got, err := readFrame(t, p.peer); err != nil || got != want {
			t.Fatalf("frame %d, %v; want %d", got, err, want)
		}
	}
	if _, err := readFrame(t, p.peer); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last frame: %v, want the end", err)
	}
	if n := len(p.drained); n != 0 {
		t.Fatalf("a finished connection was called drained %d times", n)
	}
}

// A big frame that waits must not make the first answer behind it an overflow.
func TestTheRestOfAFrameDoesNotCountAsAnswers(t *testing.T) {
	p := newPair(t, outgoing.Options{MaxQueued: 1000})
	if !p.out.Send(frame(0, 1<<20)) {
		t.Fatal("frame refused")
	}
	if p.out.Pending() < 100_000 {
		t.Fatalf("only %d bytes wait", p.out.Pending())
	}
	if _, err := p.out.Write(frame(1, 500)); err != nil {
		t.Fatalf("an answer behind a big frame: %v", err)
	}
	if _, err := p.out.Write(frame(2, 1<<20)); !errors.Is(err, outgoing.ErrOverflow) {
		t.Fatalf("an answer of 1 MiB: %v", err)
	}
}

func TestAPeerThatTakesNothingIsGivenUp(t *testing.T) {
	p := newPair(t, outgoing.Options{WriteTimeout: 10 * time.Millisecond})
	p.block(t, 0)
	if _, err := p.out.Read(make([]byte, 1)); err == nil {
		t.Fatal("read: want the end of the connection")
	}
	if !errors.Is(p.out.Cause(), outgoing.ErrWriteTimeout) || p.drops.Count(drop.WriteTimeout) != 1 {
		t.Fatalf("cause %v, %d timeouts", p.out.Cause(), p.drops.Count(drop.WriteTimeout))
	}
	if p.out.Send(frame(0, 8)) || p.out.Finish(nil) || p.stats.Blocked.Load() != 0 {
		t.Fatal("a connection that was given up takes frames")
	}
}

// Over a pipe time can be simulated: progress renews the timeout, silence does not.
func TestProgressRenewsTheWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		drops, drained := new(drop.Counters), 0
		out := New(near)
		if err := out.Start(&outgoing.Options{Drops: drops}, func() { drained++ }); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		out.Send(make([]byte, 10_000))
		for range 10 { // 1,000 bytes every 19 s
			time.Sleep(19 * time.Second)
			if _, err := io.ReadFull(far, make([]byte, 1000)); err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		}
		synctest.Wait()
		if drained != 1 || out.Blocked() {
			t.Fatalf("drained %d times, blocked %v", drained, out.Blocked())
		}
		start = time.Now()
		out.Send(make([]byte, 10))
		if _, err := out.Read(make([]byte, 1)); err == nil {
			t.Fatal("read: want the end of the connection")
		}
		if took := time.Since(start); took != new(outgoing.Options).Timeout() || !errors.Is(out.Cause(), outgoing.ErrWriteTimeout) {
			t.Fatalf("given up after %v for %v", took, out.Cause())
		}
		if drops.Count(drop.WriteTimeout) != 1 {
			t.Fatal("the timeout is not counted")
		}
		_, _ = out.Close(), far.Close()
	})
}

func TestCloseDuringADrainLeavesNothingBehind(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	p.block(t, 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _ = p.out.Close() })
	}
	wg.Wait()
	if p.out.Pending() != 0 || p.stats.Blocked.Load() != 0 || !errors.Is(p.out.Cause(), net.ErrClosed) {
		t.Fatalf("pending %d, gauge %d, cause %v", p.out.Pending(), p.stats.Blocked.Load(), p.out.Cause())
	}
	if _, err := p.out.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("write after close: %v", err)
	}
}

func TestAPeerThatResetsIsNoticed(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	p.block(t, 0)
	if err := p.peer.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = p.peer.Close()
	if _, err := p.out.Read(make([]byte, 1)); err == nil {
		t.Fatal("read: want an error")
	}
	for p.out.Cause() == nil { // the drain goroutine learns it from the kernel by itself
		runtime.Gosched()
	}
	if p.out.Send(frame(0, 8)) {
		t.Fatal("a frame was taken for a peer that is gone")
	}
}

func TestAFrameThatFitsAllocatesNothing(t *testing.T) {
	p := newPair(t, outgoing.Options{})
	b := frame(1, 200)
	buf := make([]byte, 200)
	if n := testing.AllocsPerRun(200, func() {
		if !p.out.Send(b) {
			t.Fatal("refused")
		}
		if _, err := io.ReadFull(p.peer, buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations for a frame", n)
	}
}

// An idle connection must own no buffer; the socket itself is not counted.
func TestIdleConnectionsAreSmall(t *testing.T) {
	const n = 1000
	opt := new(outgoing.Options)
	conns := make([]*Conn, n)
	near, far := tcpPair(t)
	defer near.Close()
	defer far.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range conns {
		conns[i] = New(near)
		if err := conns[i].Start(opt, nil); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	t.Logf("%d bytes for an idle outbox", each)
	if each > 1024 {
		t.Errorf("%d bytes for an idle outbox: it holds more than its fields", each)
	}
	runtime.KeepAlive(conns)
}

func BenchmarkSend(b *testing.B) {
	p := newPair(b, outgoing.Options{})
	f := frame(1, 200)
	go func() { _, _ = io.Copy(io.Discard, p.peer) }()
	b.ReportAllocs()
	for b.Loop() {
		for !p.out.Send(f) {
			runtime.Gosched()
		}
	}
	b.StopTimer()
	_, _ = p.out.Close(), p.peer.Close()
}
