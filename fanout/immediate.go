package fanout

import "github.com/feedd/feedd/throttle"

// Immediate cuts follow what ingest commits. Where the worker rests and few frames come of it, the goroutine that commits makes the
// cut: to wake another one takes longer than to send the frames. It never waits for the worker, nor the worker for it, and
// never sends more than a few frames, whatever the number of workers: of a cut that concerns many it takes the state, and leaves the
// sending to the worker; workers behind that one make theirs by themselves, side by side.

// Under load immediate cuts are held apart, so that their cost falls as the rate of ticks grows: a millisecond
// after a cut that sent many frames, two after one that took a millisecond or more.
const (
	manyFrames = 32
	shortHold  = 1000
	longHold   = 2000
)

// promptBytes is what a cut by the goroutine that commits may send to lanes that catch up.
const promptBytes = 32 << 10

// committed tells the worker that ingest changed something, and makes the cut where that comes to no more frames than there is room
// for. It returns the room that is left for other workers.
func (w *worker) committed(room int) (left int) {
	if w.dirty.Load() || w.dirty.Swap(true) {
		return room // the worker will look
	}
	if !w.turns.TryLock() {
		w.signal()
		return room
	}
	left, done := w.prompt(room)
	w.turns.Unlock()
	if w.missed.Load() && w.missed.Swap(false) || !done {
		w.signal()
	}
	return left
}

// begin has the worker take its turn, unless ingest is at a cut: it wakes the worker again behind that, by its timer, see there.
func (w *worker) begin() bool {
	if w.turns.TryLock() {
		return true
	}
	w.missed.Store(true)
	return w.turns.TryLock() // it may have been let go of ahead of the line above
}

// immediate returns the phase of immediate lanes; nil: there are none.
func (w *worker) immediate() *phase {
	if phases := w.phases[throttle.Immediate]; phases != nil {
		return phases[0]
	}
	return nil
}

// prompt makes a cut of at most room frames on the goroutine that commits. It returns the room that is left, and false where the worker
// has to go on.
func (w *worker) prompt(room int) (left int, done bool) {
	p := w.immediate()
	if p == nil {
		return room, true // whoever comes begins with the state as it is then, and dirty stays: nobody is told meanwhile
	}
	now := w.mono()
	if room == 0 || p.follow.begun != 0 || now < w.notBefore {
		return room, false
	}
	w.out.now, w.out.rested, w.out.budget = now, now, promptBytes
	frames := w.collect(p)
	if frames > room {
		return 0, false
	}
	w.deliver(p)
	w.engine.count(&w.out.tally)
	waits := len(w.out.hungry) > 0 || len(w.out.dry) > 0 && w.out.sipAt < w.wakeAt
	return room - frames, !waits && now+p.follow.wait(now) >= w.wakeAt
}

// chase makes an immediate cut if ingest has committed and the last one is long enough ago. It returns when
// to look again.
func (w *worker) chase(p *phase) int64 {
	if !w.dirty.Load() && p.follow.wait(w.out.now) > 0 {
		return w.out.now + p.follow.wait(w.out.now)
	}
	if w.out.now < w.notBefore {
		return w.notBefore
	}
	w.collect(p)
	w.deliver(p)
	return w.out.now + p.follow.wait(w.out.now)
}

// collect begins a cut, and returns at most how many frames will come of it.
func (w *worker) collect(p *phase) (frames int) {
	w.dirty.Store(false)
	p.follow.begun = max(1, w.out.now)
	return p.collect(w.wall())
}

// finish sends what a cut on the goroutine that commits has left, ahead of all that might change who gets it.
func (w *worker) finish() {
	if p := w.immediate(); p != nil && p.follow.begun != 0 {
		w.deliver(p)
	}
}

// deliver sends a cut that was collected, and sees when the next one may come.
func (w *worker) deliver(p *phase) {
	begun, frames := p.follow.begun, w.out.tally.frames
	p.follow.begun = 0
	p.deliver()
	frames = w.out.tally.frames - frames
	took := w.mono() - begun
	w.engine.sent(p, took, frames)
	switch {
	case took >= shortHold:
		w.notBefore = w.out.now + longHold
	case frames >= manyFrames:
		w.notBefore = w.out.now + shortHold
	}
}
