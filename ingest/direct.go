package ingest

// The goroutine that reads the connection takes in what it has read, so that a tick is with the sink, and from there on its way to
// those who want it at once, without a change of goroutines: each of those has the runtime look for an idle processor and wake
// it. A tick took 170 µs from its publisher to a client on two cores, and 120 with GOMAXPROCS=1, where there is none to wake.
//
// The NATS client has handed a message on when it asks the socket for more. So messages go through the channel still, in
// their order, which whoever has the turn takes them from; the channel is empty again at once, except when the reading goroutine finds
// another one at its turn, readers at the state, or more than a batch: what it leaves waits for run, which so takes over under load, on
// another core where there is one. It leaves all to run where nobody wants anything at once: reading goes on beside it then, and a
// batch of what came until run was awake is no smaller than one of what a read brought. The connection is read on in any case:
// nothing here waits, and what is too much is dropped by the NATS client, and counted.

// takeIn takes in what the goroutine that reads the connection has handed on, and leaves to run what may wait for anything.
func (f *Feed) takeIn() {
	if len(f.live) == 0 {
		return
	}
	if !f.turn.TryLock() {
		f.nudge()
		return
	}
	// Ahead of the news of a connection comes nothing of it; and only while it is connected nobody holds its lock.
	if f.core.connected && len(f.status) == 0 {
		switch {
		case f.holding:
			f.keepLive()
		case f.waiting() && f.sink.TryBegin():
			f.together(<-f.live)
			f.conclude()
		}
	}
	left := f.waiting() || len(f.core.requests) > 0
	f.turn.Unlock()
	if left {
		f.nudge()
	}
}

// takeLive has run take in what was left to it, up to a batch.
func (f *Feed) takeLive() {
	switch {
	case f.holding:
		f.keepLive()
	case f.waiting():
		f.drain(<-f.live)
	}
}

// keepLive keeps back what waits, up to a batch.
func (f *Feed) keepLive() {
	for n := 0; n < maxTogether && f.waiting() && !f.full(); n++ {
		f.join.keep(<-f.live)
	}
}

// waiting reports whether messages wait that the holder of the turn is to take.
func (f *Feed) waiting() bool { return f.direct && len(f.live) > 0 }

// full reports whether no more can be kept back.
func (f *Feed) full() bool { return len(f.join.kept) >= liveBacklog }

// nudge has run look for what was left to it.
func (f *Feed) nudge() {
	select {
	case f.handed <- struct{}{}:
	default: // it will look
	}
}
