package outlet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outgoing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is one end of a stream on which Run writes to the other.
type client struct {
	*Conn
	end   net.Conn
	rooms atomic.Int64 // how often drained was called
	over  chan error   // what Run returned
}

func newClient(opt *outgoing.Options) *client {
	c := &client{over: make(chan error, 1)}
	c.Conn = New(opt, func() { c.rooms.Add(1) })
	return c
}

// run starts Run.
func (c *client) run() {
	var ours net.Conn
	ours, c.end = net.Pipe()
	go func() {
		c.over <- c.Run(ours)
		ours.Close()
	}()
}

// rest is what the client gets until the stream ends.
func (c *client) rest() []byte {
	b, _ := io.ReadAll(c.end)
	return b
}

func TestFramesAndAnswersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(&outgoing.Options{})
		if !c.Send([]byte("one ")) { // ahead of Run
			t.Error("Send refused the first frame")
		}
		c.Write([]byte("two "))
		c.run()
		var got []byte
		done := make(chan struct{})
		go func() { got = c.rest(); close(done) }()
		synctest.Wait()
		if !c.Ready() || c.Pending() != 0 || !c.Drained() {
			t.Errorf("with nothing left: ready %t, pending %d", c.Ready(), c.Pending())
		}
		c.Send([]byte("three "))
		c.Finish([]byte("end"))
		if c.Send([]byte("late")) || c.Ready() || c.Drained() {
			t.Error("something is taken behind the last frame")
		}
		if _, err := c.Write([]byte("late")); !errors.Is(err, outgoing.ErrFinished) {
			t.Errorf("Write behind the last frame: %v", err)
		}
		if c.Finish([]byte("late")) {
			t.Error("a second last frame was taken")
		}
		if err := <-c.over; err != nil || c.Cause() != nil {
			t.Errorf("Run returned %v, cause %v", err, c.Cause())
		}
		<-done
		if string(got) != "one two three end" {
			t.Errorf("got %q", got)
		}
		if sent := c.Sent(); sent != (outgoing.Sent{Frames: 4, Bytes: uint64(len(got))}) {
			t.Errorf("counted %+v", sent)
		}
	})
}

func TestRefusesFramesWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stats := new(outgoing.Stats)
		c := newClient(&outgoing.Options{Stats: stats})
		c.run()
		frame := bytes.Repeat([]byte("f"), 1000)
		taken := 0
		for c.Send(frame) {
			taken++
		}
		synctest.Wait()
		if most := Room + len(frame); c.Pending() >= most || c.Pending() < Room {
			t.Errorf("a client that reads nothing has %d bytes waiting; want %d to %d", c.Pending(), Room, most)
		}
		if c.Ready() || !c.Blocked() || stats.Blocked.Load() != 1 || stats.Stalls.Load() != 1 {
			t.Errorf("full: ready %t, %d blocked, %d stalls", c.Ready(), stats.Blocked.Load(), stats.Stalls.Load())
		}
		waited := make(chan bool)
		go func() { waited <- c.Drained() }()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("Drained did not wait for room")
		default:
		}
		if _, err := io.ReadFull(c.end, make([]byte, taken*len(frame))); err != nil {
			t.Fatal(err)
		}
		if !<-waited {
			t.Error("Drained says that the connection is over")
		}
		synctest.Wait()
		if c.rooms.Load() != 1 || !c.Ready() || stats.Blocked.Load() != 0 {
			t.Errorf("once read: drained %d times, ready %t, %d blocked", c.rooms.Load(), c.Ready(), stats.Blocked.Load())
		}
		c.Close()
		if err := <-c.over; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestAnswersUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drops := new(drop.Counters)
		c := newClient(&outgoing.Options{MaxQueued: 100, Drops: drops})
		c.run()
		if _, err := c.Write(make([]byte, 150)); err != nil {
			t.Errorf("a large answer with none waiting: %v", err)
		}
		if _, err := c.Write(make([]byte, 1)); !errors.Is(err, outgoing.ErrOverflow) || !errors.Is(c.Cause(), outgoing.ErrOverflow) {
			t.Errorf("an answer too many: %v, cause %v", err, c.Cause())
		}
		if c.Send([]byte("f")) || drops.Count(drop.ControlOverflow) != 1 {
			t.Errorf("after an overflow frames are taken; counted %d", drops.Count(drop.ControlOverflow))
		}
		if !c.Finish([]byte("end")) {
			t.Error("the last frame is not taken after an overflow")
		}
		if got := c.rest(); len(got) != 153 {
			t.Errorf("got %d bytes, want what was taken and the last frame", len(got))
		}
		<-c.over
	})
}

func TestStuckClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drops, stats := new(drop.Counters), new(outgoing.Stats)
		c := newClient(&outgoing.Options{WriteTimeout: 5 * time.Second, Drops: drops, Stats: stats})
		c.run()
		for c.Send(make([]byte, piece)) {
		}
		for range 4 { // slow, but not stuck: each piece that is taken whole renews the time
			time.Sleep(4 * time.Second)
			if _, err := io.ReadFull(c.end, make([]byte, piece)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for c.Send(make([]byte, piece)) {
			}
		}
		began := time.Now()
		waited := make(chan bool)
		go func() { waited <- c.Drained() }()
		if err := <-c.over; !errors.Is(err, outgoing.ErrWriteTimeout) || time.Since(began) > 10*time.Second {
			t.Errorf("Run returned %v after %v", err, time.Since(began))
		}
		if <-waited || c.Pending() != 0 || c.Send([]byte("f")) || c.Finish([]byte("end")) {
			t.Error("the connection goes on")
		}
		if drops.Count(drop.WriteTimeout) != 1 || stats.Blocked.Load() != 0 {
			t.Errorf("counted %d; %d are blocked still", drops.Count(drop.WriteTimeout), stats.Blocked.Load())
		}
	})
}

func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(&outgoing.Options{})
		c.run()
		c.Write(make([]byte, Room))
		synctest.Wait() // Run waits in its write
		c.Close()
		c.Close()
		if err := <-c.over; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run returned %v", err)
		}
		idle := newClient(&outgoing.Options{})
		idle.run()
		synctest.Wait() // Run has nothing to write
		idle.Close()
		if err := <-idle.over; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run of an idle connection returned %v", err)
		}
		never := newClient(&outgoing.Options{})
		never.Send([]byte("f"))
		never.Close()
		if err := never.Run(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run after Close returned %v", err)
		}
	})
}

func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(&outgoing.Options{})
		c.run()
		c.end.Close()
		c.Send([]byte("f"))
		if err := <-c.over; !errors.Is(err, io.ErrClosedPipe) || !errors.Is(c.Cause(), io.ErrClosedPipe) {
			t.Errorf("Run returned %v, cause %v", err, c.Cause())
		}
	})
}

// Many send and one is slow to read: what arrives is what was taken, whole and in the order of each sender.
func TestConcurrentSenders(t *testing.T) {
	c := newClient(&outgoing.Options{})
	c.run()
	var taken [4][]byte
	var senders sync.WaitGroup
	for n := range taken {
		senders.Go(func() {
			frame := bytes.Repeat([]byte{byte(n)}, 100+n)
			for range 2000 {
				if c.Drained() && c.Send(frame) {
					taken[n] = append(taken[n], frame...)
				}
			}
		})
	}
	go func() { senders.Wait(); c.Finish(nil) }()
	var got [4]int
	for b := c.rest(); len(b) > 0; {
		n := int(b[0])
		if frame := bytes.Repeat(b[:1], 100+n); !bytes.HasPrefix(b, frame) {
			t.Fatal("a frame is torn")
		}
		got[n] += 100 + n
		b = b[100+n:]
	}
	if err := <-c.over; err != nil {
		t.Error(err)
	}
	for n := range taken {
		if got[n] != len(taken[n]) || got[n] == 0 {
			t.Errorf("sender %d: %d bytes taken, %d arrived", n, len(taken[n]), got[n])
		}
	}
}

func BenchmarkSend(b *testing.B) {
	c := New(&outgoing.Options{}, func() {})
	frame := make([]byte, 200)
	done := make(chan error)
	go func() { done <- c.Run(discard{}) }()
	b.ReportAllocs()
	for b.Loop() {
		for !c.Send(frame) {
			c.Drained()
		}
	}
	c.Close()
	<-done
}

type discard struct{}

func (discard) Write(b []byte) (int, error)      { return len(b), nil }
func (discard) SetWriteDeadline(time.Time) error { return nil }
