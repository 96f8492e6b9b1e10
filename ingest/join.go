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
// when it is looked up, may lie well ahead of the first tick that was kept back. So the stream is followed until its
// trades, and where books go on from a past their changes, reach those that were kept back; where none was, until the
// stream has paused. What is in both is dropped by its number.

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
	// pause is how long a reader that came to the stream's end waits before it looks again.
	pause = 20 * time.Millisecond
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
	again   bool  // it is read once more, in its place behind all that was published before it
}

// found is what a finding goroutine tells the feed's: messages of the stream, a publisher's answer, or that it
// is done.
type found struct {
	messages []storedMessage
	request  request  // that is answered by batches, or done
	batches  [][]byte // of a snapshot
	done     bool
	answered bool      // with done: a publisher answered
	hopeless bool      // with done: another try would find no more
	away     bool      // with done: the stream did not answer
	join     int       // the join that speaks, or the warm-up; each has a number of its own
	since    time.Time // with done, of a warm-up: from when on trades were read
	failed   bool      // with join and done, or tail: the stream could not be read
	blind    bool      // with join and done: so, or there is none
	tail     bool      // the reader of a delayed feed speaks; done: that is all that is due
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
	if r.tail {
		f.takeTail(r)
		return
	}
	if r.batches != nil {
		f.takeAhead()
	}
	now := f.now()
	f.sink.Begin()
	for _, m := range r.messages {
		f.core.again = m.again
		f.core.stored(m.subject, m.payload, m.at, now, m.overlap)
	}
	f.core.again = false
	if r.batches != nil {
		f.core.snapshot(r.request.inst, r.batches, now)
	}
	f.sink.Commit()
	switch {
	case r.join != 0:
		f.takeJoin(r)
	case !r.done:
	case r.request.series != nil:
		f.errands[r.request.party()].underWay--
		f.core.fetched(r.request, outcome{hopeless: r.hopeless, away: r.away, told: r.answered}, now)
	default:
		f.errands[forState].underWay--
		f.core.snapshotDone(r.request.inst, r.answered, now)
	}
}

// joining is the join that runs, of which there is at most one that matters, and what it keeps back.
type joining struct {
	number   int
	cancel   context.CancelFunc
	began    time.Time
	messages int  // of the stream
	holding  bool // live ticks wait
	answers  bool // the stream was seen to answer in time
	kept     []*nats.Msg
	firsts   map[string]*firstKept // by subject; sealed: no more are added
	sealed   bool
	batch    tick.Batch
}

// firstKept is the first trade, or change of a book, of a subject that was kept back.
type firstKept struct {
	channel  market.Channel
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
	f.joins++
	f.join = joining{number: f.joins, cancel: cancel, began: time.Now(), holding: true, kept: f.join.kept, firsts: f.join.firsts}
	f.holding, f.core.keptBack = true, true
	r := &reader{f: f, join: f.join.number, demand: f.demand != nil}
	f.finder.Add(1)
	if f.joined {
		f.goLive = time.After(answerSoon)
		r.most = maxResumed
		r.overlap = func(uint64) bool { return true } // what is read cannot be told from what arrived
		since := time.UnixMicro(f.lostAt).Add(-clockSlack)
		if f.demand != nil {
			carried := f.demand.carried()
			go f.runJoin(ctx, r, func() error { return r.resumeSome(ctx, carried, since.Add(r.ahead)) })
			return
		}
		go f.runJoin(ctx, r, func() error { return r.resume(ctx, since.Add(r.ahead)) })
		return
	}
	f.goLive = time.After(bootWithin)
	r.overlap = r.later
	if at, recent := f.pastAt(); recent {
		r.most = maxResumed
		go f.runJoin(ctx, r, func() error { return r.resume(ctx, at.Add(r.ahead-pastSlack)) })
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
func (j *joining) keep(m *nats.Msg) {
	j.kept = append(j.kept, m)
	channel := market.ChannelTrade
	if !strings.HasSuffix(m.Subject, tradeSuffix) {
		channel = market.ChannelBook
		if !strings.HasSuffix(m.Subject, bookSuffix) {
			return
		}
	}
	if _, known := j.firsts[m.Subject]; known || j.sealed || tick.IsJSON(m.Data) || j.batch.ReadProtobuf(m.Data) != nil || j.batch.Epoch == 0 {
		return
	}
	if j.firsts == nil {
		j.firsts = make(map[string]*firstKept)
	}
	j.firsts[m.Subject] = &firstKept{
		channel:  channel,
		position: market.Position{Epoch: market.Epoch(j.batch.Epoch), Sequence: market.Sequence(j.batch.Sequence)},
		reached:  len(j.batch.Books) > 0 && j.batch.Books[0].Snapshot, // an image needs nothing ahead of it
	}
}

const tradeSuffix, bookSuffix = ".trade", ".book"

// reach is how far the stream was read, beside the live ticks that were kept back.
type reach uint8

const (
	behind  reach = iota // ticks are missing between the two
	unclear              // nothing was kept back that would tell
	joined               // they meet
)

// patience returns how often in a row a reader finds nothing new in the stream before it goes on no more: what is still
// missing then was lost, or is older than what is read.
func (r reach) patience() int {
	return [...]int{behind: 50, unclear: 10, joined: 0}[r]
}

// reach tells how far the stream's trades, and its changes of books where these are read, reach towards those kept back.
// Those kept back from then on are not looked at: what was published ahead of them and did not arrive is ahead of the others
// too. Otherwise the stream, which is always a little behind, would never be there while new instruments tick.
func (f *Feed) reach(j *joining, books bool) reach {
	if j == nil || !j.holding {
		return joined // nobody waits any more
	}
	at := unclear
	for subj, first := range j.firsts {
		if first.channel == market.ChannelBook && !books {
			continue
		}
		j.sealed = true
		if !first.reached {
			before := first.position
			before.Sequence--
			s := f.core.routes[subj]
			first.reached = before.Sequence == 0 || s != nil && s.reaches(before)
		}
		if !first.reached {
			return behind
		}
		at = joined
	}
	return at
}

// reached asks the feed's goroutine for the reach of a join.
func (f *Feed) reached(ctx context.Context, join int, books bool) (at reach, err error) {
	err = f.do(ctx, func() {
		j := &f.join
		if join != j.number {
			j = f.demand.joining(join)
		}
		at = f.reach(j, books)
	})
	return at, err
}

// reaches reports whether more of the stream is of no use to a series for what comes behind p: all is there, or there is
// a hole that the stream has passed by.
func (s *series) reaches(p market.Position) bool {
	last := s.last
	if n := len(s.held); n > 0 {
		last = s.held[n-1].trade.Position
	}
	if b := s.book; b != nil {
		if !b.sound || b.torn {
			return true // only an image helps
		}
		if n := len(b.held); n > 0 {
			last.Sequence = b.held[n-1].sequence
		}
	}
	return !last.Before(p)
}

// takeJoin sees whether the join at hand is at its end.
func (f *Feed) takeJoin(r found) {
	if r.join != f.join.number {
		f.demand.takeWarmUp(r) // or an earlier one
		return
	}
	f.join.messages += len(r.messages)
	if r.done {
		f.join.cancel()
		f.joined = f.joined || !r.failed
		if f.holding {
			f.letLive()
		}
		if r.blind {
			f.core.askAll(f.now())
		}
	}
}

// waitOn reports whether live ticks go on waiting for the stream: once, where it has answered.
func (f *Feed) waitOn() bool {
	j := &f.join
	if !f.joined || j.messages == 0 || j.answers {
		return false
	}
	j.answers = true
	f.goLive = time.After(rejoinWithin - answerSoon)
	return true
}

// letLive lets live ticks through, those kept back first.
func (f *Feed) letLive() {
	f.holding, f.join.holding, f.goLive = false, false, nil
	kept := f.join.kept
	f.join.kept, f.join.firsts = nil, nil
	f.log.Info("live", slog.Int("from_stream", f.join.messages), slog.Int("kept_back", len(kept)), slog.Duration("took", time.Since(f.join.began)))
	for together := range slices.Chunk(kept, maxTogether) {
		f.sink.Begin()
		for _, m := range together {
			f.apply(m)
		}
		f.sink.Commit()
	}
	f.core.joined(f.now())
	if f.Ready() && f.demand == nil {
		return
	}
	f.sink.Begin()
	f.core.askAbsent(f.now())
	f.sink.Commit()
	if !f.Ready() {
		close(f.booted)
	}
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
	f.tell(found{done: true, join: r.join, failed: err != nil, blind: err != nil || !there})
}
