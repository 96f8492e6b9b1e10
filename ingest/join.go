package ingest

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/market"
)

// At the start, and when the connection is back, live ticks are kept back while the stream is read. The
// subscription exists before the stream is looked at, so whatever is published later is among the ticks kept back.
// But the stream lags behind what is routed live, by thousands of ticks in a burst: its end, as it stands
// when it is looked up, may lie well ahead of the first tick that was kept back. So the stream is
// followed until its trades reach those that were kept back. What is in both is dropped by its number.

const (
	// chunk is how many messages of the stream are handed to the feed's goroutine at a time.
	chunk = 256
	// maxStored bounds the messages that are read for one purpose; where trades of a while are read, the while is
	// shortened to fit. Going on from a past, more is worth the time.
	maxStored    = 100_000
	maxResumed   = 2_000_000
	neverTooMany = math.MaxUint64
	// clockSlack covers clocks that differ, and the time it takes to notice a lost connection.
	clockSlack = 10 * time.Second
	// pastSlack covers the way of a tick from the stream's server to this node, when the clocks' difference is known.
	pastSlack = 2 * time.Second
	// readWithin bounds the wait for one fetch from the stream.
	readWithin = 5 * time.Second
	// followIdle is how long the stream may bring nothing before it counts as having nothing more: what is still
	// missing then was lost, or is older than what is read.
	followIdle = 500 * time.Millisecond
	// A join is tried again after a pause: a stream whose leader dies needs a few seconds to find another.
	joinAttempts = 4
	joinPause    = 2 * time.Second
)

// storedMessage is a message of the stream.
type storedMessage struct {
	subject string
	payload []byte
	at      int64 // when the stream got it
	overlap bool  // it may have arrived live too
}

// found is what a finding goroutine tells the feed's: messages of the stream, a publisher's answer, or that it
// is done.
type found struct {
	messages []storedMessage
	request  request  // that is answered by batches, or done
	batches  [][]byte // of a snapshot
	done     bool
	answered bool // with done: a publisher answered
	hopeless bool // with done: another try would find no more
	join     int  // the join that speaks
	caughtUp bool // with join: the stream's end was reached
	failed   bool // with join and done: the stream could not be read
}

// tell hands r to the feed's goroutine, and reports false when the feed is being stopped.
func (f *Feed) tell(r found) bool {
	select {
	case f.found <- r:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// take applies what was found.
func (f *Feed) take(r found) {
	now := f.now()
	f.sink.Begin()
	for _, m := range r.messages {
		f.core.stored(m.subject, m.payload, m.at, now, m.overlap)
	}
	if r.batches != nil {
		f.core.snapshot(r.request.inst, r.batches, now)
	}
	f.sink.Commit()
	switch {
	case r.join != 0:
		f.takeJoin(r)
	case !r.done:
	case r.request.series != nil:
		f.errands[ofStream].underWay--
		f.core.fetched(r.request, r.hopeless, now)
	default:
		f.errands[ofPublisher].underWay--
		f.core.snapshotDone(r.request.inst, r.answered, now)
	}
}

// joining is the join that runs, of which there is at most one that matters, and what it keeps back.
type joining struct {
	number   int
	cancel   context.CancelFunc
	began    time.Time
	messages int // of the stream
	kept     []*nats.Msg
	trades   map[string]*firstKept // by subject
	batch    tick.Batch
}

// firstKept is the first trade of a subject that was kept back.
type firstKept struct {
	position market.Position
	reached  bool // by the stream, once and for all
}

// startJoin keeps live ticks back and reads the stream, in place of an earlier join.
func (f *Feed) startJoin() {
	if f.join.cancel != nil {
		f.join.cancel()
	}
	ctx, cancel := context.WithCancel(f.ctx)
	// What an earlier join kept back is still to come, ahead of the rest.
	f.join = joining{number: f.join.number + 1, cancel: cancel, began: time.Now(), kept: f.join.kept, trades: f.join.trades}
	f.holding = true
	r := &reader{f: f, join: f.join.number}
	f.finder.Add(1)
	if f.joined {
		f.goLive = time.After(rejoinWithin)
		since := time.UnixMicro(f.lostAt).Add(-clockSlack)
		// Unnumbered trades among what is read cannot be told from those that arrived.
		go f.runJoin(ctx, r, func() error { return r.resume(ctx, since, func(uint64) bool { return true }) })
		return
	}
	f.goLive = time.After(bootWithin)
	if at, recent := f.pastAt(); recent {
		r.most = maxResumed
		go f.runJoin(ctx, r, func() error { return r.resume(ctx, at.Add(r.ahead-pastSlack), r.later) })
	} else {
		go f.runJoin(ctx, r, func() error { return r.boot(ctx, f.o.TradeHistory) })
	}
}

// pastAt returns the time of the past that the stream is to be read from, and false where there is none or it is too
// old.
func (f *Feed) pastAt() (at time.Time, recent bool) {
	at = time.UnixMicro(f.o.PastTime)
	age := f.o.Now().Sub(at)
	return at, len(f.o.Past) > 0 && f.o.PastTime > 0 && age <= maxPast && age >= -clockSlack
}

// keep holds a live message back until the stream is read.
func (f *Feed) keep(m *nats.Msg) {
	j := &f.join
	j.kept = append(j.kept, m)
	if !strings.HasSuffix(m.Subject, tradeSuffix) || tick.IsJSON(m.Data) {
		return
	}
	if j.trades == nil {
		j.trades = make(map[string]*firstKept)
	}
	if _, known := j.trades[m.Subject]; !known && j.batch.ReadProtobuf(m.Data) == nil && j.batch.Epoch != 0 {
		j.trades[m.Subject] = &firstKept{position: market.Position{Epoch: market.Epoch(j.batch.Epoch), Sequence: market.Sequence(j.batch.Sequence)}}
	}
}

const tradeSuffix = ".trade"

// reached reports whether the stream's trades reach those kept back.
func (f *Feed) reached() bool {
	for subj, first := range f.join.trades {
		if !first.reached {
			before := first.position
			before.Sequence--
			s := f.core.routes[subj]
			first.reached = before.Sequence == 0 || s != nil && !s.last.Before(before)
		}
		if !first.reached {
			return false
		}
	}
	return true
}

// takeJoin sees whether the join at hand has reached its aim or its end.
func (f *Feed) takeJoin(r found) {
	if r.join != f.join.number {
		return // an earlier one
	}
	f.join.messages += len(r.messages)
	if r.caughtUp && f.holding && f.reached() {
		r.done = true
		f.join.cancel()
	}
	if r.done {
		f.joined = f.joined || !r.failed
		if f.holding {
			f.letLive()
		}
	}
}

// letLive lets live ticks through, those kept back first.
func (f *Feed) letLive() {
	f.holding, f.goLive = false, nil
	kept := f.join.kept
	f.join.kept, f.join.trades = nil, nil
	f.log.Info("live", slog.Int("from_stream", f.join.messages), slog.Int("kept_back", len(kept)), slog.Duration("took", time.Since(f.join.began)))
	for together := range slices.Chunk(kept, maxTogether) {
		f.sink.Begin()
		for _, m := range together {
			f.core.live(m.Subject, m.Data, f.now())
		}
		f.sink.Commit()
	}
	if f.Ready() {
		return
	}
	f.sink.Begin()
	f.core.askAbsent(f.now())
	f.sink.Commit()
	close(f.booted)
}

// runJoin is the goroutine of a join; it ends when the stream is read, or with the feed.
func (f *Feed) runJoin(ctx context.Context, r *reader, read func() error) {
	defer f.finder.Done()
	var there bool
	var err error
	for attempt := range joinAttempts {
		if there, err = r.open(ctx); err == nil && there {
			err = read()
		}
		if err == nil || ctx.Err() != nil || attempt == joinAttempts-1 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(joinPause):
		}
	}
	switch {
	case ctx.Err() != nil:
		return // ended by the feed, which knows
	case err != nil:
		f.log.Warn("reading the stream failed: going on without what it holds", slog.Any("err", err))
	case !there:
		f.log.Info("no stream records the ticks: publishers alone can say what was before", slog.String("wanted", f.o.Stream))
	}
	f.tell(found{done: true, join: r.join, failed: err != nil})
}
