package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/histogram"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// A feed that carries on demand has a subscription for each instrument that somebody holds, md.<venue>.<symbol>.*, and three
// for what it needs of all of them: definitions, statuses and heartbeats. An instrument that is held for the first time is warmed up, a few
// dozen together: subscribed first, then its past is read from the stream as at a boot, while what arrives live is kept
// back; both are joined by the publisher's numbers. What the stream does not have its publisher is asked for. An
// instrument that nobody holds any more is kept for a while, so that a page that is loaded again finds it as it was, and then
// let go of, with its memory.

const (
	// letGoTogether bounds how many instruments are let go of in one step, since who holds any waits meanwhile.
	letGoTogether = 512
	// lookedAtForDrops is how many subscriptions are asked at a time for what the NATS client dropped.
	lookedAtForDrops = 256
)

// hold is what is known of an instrument that is carried, or is to be.
type hold struct {
	id      market.InstrumentID
	holders int
	freeAt  int64         // in microseconds, when it is let go of; where holders is 0
	began   int64         // when it was first held, in microseconds
	ready   chan struct{} // closed when its state is there; nil: nobody waits for that, or it is
	settled bool

	// Of the feed's goroutine.
	sub  *nats.Subscription // nil: it is queued
	warm *warmUp            // nil: over, or not begun
	seen int                // messages of sub that the NATS client dropped, as far as was counted
}

// demand is what is held of a feed. Nil: it carries everything.
type demand struct {
	f    *Feed
	wake chan struct{}

	// mu is held while an instrument is let go of, so that who holds it at that moment holds it before or behind.
	mu        sync.Mutex
	held      map[market.InstrumentID]*hold
	queue     []market.InstrumentID // to be warmed up, first come first served
	lingering []lingerer            // by time
	holders   int                   // instruments that somebody holds
	made      uint64
	let       uint64

	// Of the feed's goroutine.
	directory [3]*nats.Subscription
	warming   map[int]*warmUp // by their numbers as joins
	bySub     map[*nats.Subscription]*hold
	subs      []*hold // with a subscription; asked for drops in turn
	nextDrop  int
	seen      [3]int // dropped of directory

	cold histogram.Durations // from the first hold to the state
}

type lingerer struct {
	id market.InstrumentID
	at int64
}

func (f *Feed) startDemand() error {
	d := &demand{
		f: f, wake: make(chan struct{}, 1), held: make(map[market.InstrumentID]*hold), warming: make(map[int]*warmUp), bySub: make(map[*nats.Subscription]*hold),
	}
	for i, subj := range [...]string{subject.AllOf(market.ChannelDefinition), subject.AllOf(market.ChannelStatus), subject.Heartbeat("*")} {
		var err error
		if d.directory[i], err = f.nc.ChanSubscribe(subj, f.live); err != nil {
			return fmt.Errorf("ingest: subscribing to %s: %w", subj, err)
		}
	}
	f.demand = d
	f.core.onDemand = true
	f.core.onSettled = d.settled
	return nil
}

// Hold has the feed carry an instrument until as many Release. Its state is there once Await returns; where it was let go of,
// that is done by the time that Hold returns. Of a feed that carries everything Hold does nothing. It may be called from
// any goroutine, as may Release and Await.
func (f *Feed) Hold(id market.InstrumentID) {
	d := f.demand
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.held[id]
	if h == nil {
		h = &hold{id: id, began: f.now()}
		d.held[id] = h
		d.queue = append(d.queue, id)
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
	if h.holders++; h.holders == 1 {
		d.holders++
	}
}

// Release takes back one Hold.
func (f *Feed) Release(id market.InstrumentID) {
	d := f.demand
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.held[id]
	if h.holders--; h.holders > 0 {
		return
	}
	d.holders--
	h.freeAt = f.now() + f.o.Linger.Microseconds()
	d.lingering = append(d.lingering, lingerer{id, h.freeAt})
}

// Await waits until the state of an instrument that is held is there, or ctx ends.
func (f *Feed) Await(ctx context.Context, id market.InstrumentID) {
	d := f.demand
	if d == nil {
		return
	}
	d.mu.Lock()
	h := d.held[id]
	if h == nil || h.settled {
		d.mu.Unlock()
		return
	}
	if h.ready == nil {
		h.ready = make(chan struct{})
	}
	ready := h.ready
	d.mu.Unlock()
	select {
	case <-ready:
	case <-ctx.Done():
	case <-f.stopped:
	}
}

// Interest is what a feed that carries on demand carries.
type Interest struct {
	Held, Carried, Waiting int    // instruments: that somebody holds, with a subscription, and whose state is not there yet
	Made, Dropped          uint64 // subscriptions so far
	Cold                   histogram.Reading
}

// Interest may be called from any goroutine. It is zero where everything is carried.
func (f *Feed) Interest() (in Interest) {
	d := f.demand
	if d == nil {
		return in
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	in = Interest{Held: d.holders, Carried: int(d.made - d.let), Made: d.made, Dropped: d.let, Cold: d.cold.Read()}
	for _, h := range d.held {
		if !h.settled {
			in.Waiting++
		}
	}
	return in
}

// Carried is how many instruments have a subscription: Interest without what takes a look at each. It may be called from any goroutine.
func (f *Feed) Carried() int {
	d := f.demand
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.made - d.let)
}

// woken is nil, which is never ready, where everything is carried.
func (d *demand) woken() <-chan struct{} {
	if d == nil {
		return nil
	}
	return d.wake
}

// admits reports whether a live message is for the core now.
func (d *demand) admits(m *nats.Msg) bool {
	if m.Sub == d.directory[0] || m.Sub == d.directory[1] || m.Sub == d.directory[2] {
		return true
	}
	if strings.HasSuffix(m.Subject, definitionSuffix) || strings.HasSuffix(m.Subject, statusSuffix) {
		return false // the same came for the directory
	}
	if len(d.warming) == 0 {
		return true
	}
	h := d.bySub[m.Sub]
	if h == nil {
		return false // of a subscription that has ended
	}
	if h.warm == nil {
		return true
	}
	h.warm.keep(m)
	return false
}

const definitionSuffix, statusSuffix = ".definition", ".status"

// step lets go of what nobody holds any more, and begins to warm up what somebody does.
func (d *demand) step() {
	if d == nil {
		return
	}
	d.letGo()
	d.hasten()
	for len(d.warming) < warmAtATime && d.f.Ready() && d.f.core.connected {
		w := d.begin()
		if w == nil {
			return
		}
		d.warming[w.number] = w
		d.read(w)
	}
}

// letGo ends what has lingered for long enough.
func (d *demand) letGo() {
	now := d.f.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < min(len(d.lingering), letGoTogether) && d.lingering[n].at <= now {
		l := d.lingering[n]
		n++
		h := d.held[l.id]
		switch {
		case h == nil || h.holders > 0 || h.freeAt != l.at: // it was held again meanwhile
		case h.warm != nil:
			h.freeAt = now + warmWithin.Microseconds()
			d.lingering = append(d.lingering, lingerer{h.id, h.freeAt})
		default:
			d.end(h, now)
		}
	}
	d.lingering = slices.Delete(d.lingering, 0, n)
	if len(d.lingering) == 0 {
		d.lingering = nil
	}
}

// end lets go of one instrument. mu is held.
func (d *demand) end(h *hold, now int64) {
	delete(d.held, h.id)
	if h.sub == nil {
		return // begin passes it over
	}
	d.f.noteDropped(h.dropped())
	if err := h.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		d.f.log.Warn("ingest: ending a subscription", slog.String("subject", h.sub.Subject), slog.Any("err", err))
	}
	delete(d.bySub, h.sub)
	d.let++
	d.f.sink.Begin()
	d.f.core.forget(d.f.core.defined(h.id), now)
	d.f.sink.Commit()
}

// settled notes that the state of an instrument is there.
func (d *demand) settled(id market.InstrumentID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.held[id]
	if h == nil || h.settled {
		return
	}
	h.settled = true
	d.cold.Observe(d.f.now()-h.began, 1)
	if h.ready != nil {
		close(h.ready)
		h.ready = nil
	}
}

// carried returns how the subjects of all instruments begin that are carried and warm.
func (d *demand) carried() (subjects []string) {
	for _, h := range d.subs {
		if h.warm == nil && d.bySub[h.sub] == h {
			subjects = append(subjects, d.f.core.defined(h.id).subjects())
		}
	}
	return subjects
}

// dropped returns what the NATS client dropped since the last look. Some subscriptions are looked at each time.
func (d *demand) dropped() (n int) {
	for i, sub := range d.directory {
		if all, err := sub.Dropped(); err == nil {
			n += all - d.seen[i]
			d.seen[i] = all
		}
	}
	for range min(lookedAtForDrops, len(d.subs)) {
		if d.nextDrop >= len(d.subs) {
			d.nextDrop = 0
		}
		h := d.subs[d.nextDrop]
		if d.bySub[h.sub] != h { // it has ended
			last := len(d.subs) - 1
			d.subs[d.nextDrop], d.subs[last] = d.subs[last], nil
			d.subs = d.subs[:last]
			continue
		}
		n += h.dropped()
		d.nextDrop++
	}
	return n
}

func (h *hold) dropped() int {
	all, err := h.sub.Dropped()
	if err != nil {
		return 0
	}
	n := all - h.seen
	h.seen = all
	return n
}

// stop ends all subscriptions, once the feed's goroutines have ended.
func (d *demand) stop() (err error) {
	subs := d.directory[:]
	for _, h := range d.subs {
		if d.bySub[h.sub] == h {
			subs = append(subs, h.sub)
		}
	}
	for _, sub := range subs {
		if e := sub.Unsubscribe(); e != nil && !errors.Is(e, nats.ErrConnectionClosed) {
			err = errors.Join(err, fmt.Errorf("ingest: %w", e))
		}
	}
	return err
}
