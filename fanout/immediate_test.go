package fanout

import (
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

// promptly returns a world with readers that have a quote at once and are in step, whose worker rests.
func promptly(readers int) (*world, []*reader, []*Subscriber) {
	w := newWorld(1, 64, Options{})
	w.quote(0)
	var rs []*reader
	var subs []*Subscriber
	for range readers {
		r := newReader(Proto)
		s := w.attach(r)
		s.Subscribe(w.items(market.ChannelQuote, 0), throttle.Immediate)
		w.worker.turn()
		rs, subs = append(rs, r), append(subs, s)
	}
	w.worker.turn()
	w.now += 10 * longHold
	w.worker.woken.Store(false)
	w.rests = true
	return w, rs, subs
}

func frames(readers []*reader) (n int) {
	for _, r := range readers {
		n += r.frames
	}
	return n
}

// While the worker rests, a few readers have what was committed when Commit returns, and the worker is not woken for it.
func TestACommitIsSentByWhoeverCommits(t *testing.T) {
	w, readers, _ := promptly(manyFrames - 1)
	for n := range 3 {
		before := frames(readers)
		w.quote(0)
		if got := frames(readers) - before; got != len(readers) {
			t.Fatalf("commit %d: %d frames with its end, want %d", n, got, len(readers))
		}
		w.now++
	}
	check(t, readers...)
	if w.worker.woken.Load() || w.worker.dirty.Load() {
		t.Error("the worker was woken for what was done")
	}
	if got := w.engine.Stats().Frames; got != uint64(frames(readers)) {
		t.Errorf("%d frames counted, %d read", got, frames(readers))
	}
	before := frames(readers)
	w.worker.turn()
	if frames(readers) != before {
		t.Error("the worker sent it again")
	}
}

// While the worker is at a turn, nobody waits: it is told, and makes the cut.
func TestACommitDuringATurnIsTheWorkers(t *testing.T) {
	w, readers, _ := promptly(2)
	w.rests = false
	before := frames(readers)
	w.quote(0)
	if frames(readers) != before || !w.worker.woken.Load() {
		t.Fatal("sent in the midst of a turn, or the worker was not told")
	}
	w.worker.turn()
	if frames(readers) != before+2 {
		t.Error("not sent with the worker's turn")
	}
	check(t, readers...)
}

// A worker that comes to its turn while ingest is at a cut is woken behind that.
func TestAWorkerThatFindsItsTurnTakenIsWoken(t *testing.T) {
	w, _, _ := promptly(1)
	late := w.engine.Attach(sendFunc(func([]byte) bool {
		if w.worker.begin() {
			t.Error("a turn in the midst of a cut")
		}
		return true
	}), bare(Proto))
	w.worker.turn()
	late.Subscribe(w.items(market.ChannelQuote, 0), throttle.Immediate)
	w.worker.turn()
	w.now += 10 * longHold
	w.worker.woken.Store(false)
	w.quote(0)
	if !w.worker.woken.Load() || w.worker.missed.Load() {
		t.Error("it was not woken")
	}
}

// Of a cut for many only the state is taken: the worker sends it, ahead of what else it has to do, and what comes meanwhile is held
// apart from it.
func TestACommitForManyIsLeftToTheWorker(t *testing.T) {
	w, readers, subs := promptly(manyFrames + 1)
	before := frames(readers)
	w.quote(0)
	if frames(readers) != before || !w.worker.woken.Load() {
		t.Fatal("many frames were sent by whoever commits, or the worker was not told")
	}
	w.now++
	w.quote(0)
	left := readers[0].frames
	w.unsubscribe(subs[0], w.handle(0, market.ChannelQuote)) // in the worker's turn
	if got := frames(readers) - before; got != len(readers) || readers[0].frames != left+1 {
		t.Fatalf("%d frames, want %d, and %d to the one who leaves", got, len(readers), readers[0].frames-left)
	}
	if got := readers[1].quotes[w.handle(0, market.ChannelQuote)].Bid; got != w.quotes[0]-1 {
		t.Errorf("quote %d, want the one that was frozen, %d", got, w.quotes[0]-1)
	}
	w.now += shortHold + 1
	w.worker.turn()
	if got := readers[1].quotes[w.handle(0, market.ChannelQuote)].Bid; got != w.quotes[0] {
		t.Errorf("quote %d behind the hold, want %d", got, w.quotes[0])
	}
	check(t, readers...)
}

// However many workers there are, whoever commits sends a few frames in all: a worker for which no room is left is told, and
// where none is left at all even the state is left to it.
func TestWorkersShareTheRoomOfACommit(t *testing.T) {
	for _, c := range []struct{ room, left, frames int }{{5, 2, 3}, {3, 0, 3}, {2, 0, 0}, {0, 0, 0}} {
		w, readers, _ := promptly(3)
		w.rests = false
		w.quote(0)
		w.worker.dirty.Store(false)
		w.worker.woken.Store(false)
		before := frames(readers)

		w.worker.turns.Unlock()
		left := w.worker.committed(c.room)
		w.worker.turns.Lock()

		if got := frames(readers) - before; got != c.frames || left != c.left || w.worker.woken.Load() == (c.frames > 0) {
			t.Errorf("room %d: %d frames and room for %d, woken %v; want %d and %d", c.room, got, left, w.worker.woken.Load(), c.frames, c.left)
		}
		if taken := w.worker.immediate().follow.begun != 0; taken != (c.left == 0 && c.room == 2) {
			t.Errorf("room %d: the state was taken: %v", c.room, taken)
		}
		w.worker.turn()
		check(t, readers...)
	}
}

// Once closed nothing is sent, whoever commits.
func TestNothingIsSentOnceClosed(t *testing.T) {
	w, readers, _ := promptly(1)
	before := frames(readers)
	w.worker.turns.Unlock()
	w.engine.Start()
	w.engine.Close()
	w.rests = false
	w.quote(0)
	if frames(readers) != before {
		t.Error("a frame behind the end")
	}
}

// To send what was committed allocates nothing either.
func TestACommitThatIsSentAllocatesNothing(t *testing.T) {
	w, out := newWorld(20, 64, Options{}), new(sink)
	s := w.engine.Attach(out, bare(Proto))
	w.worker.turn()
	s.Subscribe(w.items(market.ChannelQuote, 0, 1, 2, 3, 4), throttle.Immediate)
	w.worker.turn()
	w.rests = true
	next := func() {
		for i := range 5 {
			w.now += 10
			w.quote(i)
		}
	}
	for range 5 {
		next()
	}
	frames := out.frames
	if n := testing.AllocsPerRun(100, next); n != 0 {
		t.Errorf("%v allocations for each commit", n)
	}
	if got := out.frames - frames; got < 500 {
		t.Errorf("only %d frames were sent in 500 commits", got)
	}
}
