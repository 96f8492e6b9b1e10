package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

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
	// warmTogether instruments are warmed up in one go, and at most warmAtATime such goes are under way: so a storm of
	// subscriptions costs NATS some 10 requests for each hundred, whatever its size.
	warmTogether = 128
	warmAtATime  = 4
	// warmKept bounds the live messages that one go keeps back, and warmWithin the time; beyond either the instruments go live
	// with what was read by then.
	warmKept   = liveBacklog
	warmWithin = 10 * time.Second
	// warmTrades bounds the past trades that one go reads, where 20,000 take a second: where there were more in
	// Options.TradeHistory, a shorter while is read.
	warmTrades = 20_000
	// warmAttempts are the tries to read the stream while NATS is there.
	warmAttempts = 2
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

// warmUp is instruments that are warmed up together.
type warmUp struct {
	joining
	holds      []*hold
	reconnects uint64 // of the connection, when the reading began
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

// begin subscribes the next instruments that are to be warmed up; nil: there are none.
func (d *demand) begin() *warmUp {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.f.joins++
	w := &warmUp{joining: joining{number: d.f.joins, holding: true}}
	n := 0
	for n < len(d.queue) && len(w.holds) < warmTogether {
		id := d.queue[n]
		n++
		h, inst := d.held[id], d.f.core.defined(id)
		if h == nil || h.sub != nil || inst == nil {
			continue // let go of while it waited, and perhaps held again
		}
		var err error
		if h.sub, err = d.f.nc.ChanSubscribe(inst.subjects()+"*", d.f.live); err != nil {
			d.f.log.Warn("ingest: subscribing on demand", slog.String("symbol", inst.symbol.String()), slog.Any("err", err))
			h.sub = nil
			continue // the connection is closed for good
		}
		d.made++
		h.warm = w
		inst.carriage = warming
		d.bySub[h.sub] = h
		d.subs = append(d.subs, h)
		w.holds = append(w.holds, h)
	}
	d.queue = slices.Delete(d.queue, 0, n)
	if len(w.holds) == 0 {
		d.queue = nil
		return nil
	}
	return w
}

// subjects is how the subjects of an instrument's ticks begin: as its publisher spells them.
func (inst *instrument) subjects() string {
	if s := inst.series[market.ChannelDefinition]; s != nil {
		return strings.TrimSuffix(s.subject, market.ChannelDefinition.String())
	}
	return strings.TrimSuffix(subject.For(inst.symbol, market.ChannelDefinition), market.ChannelDefinition.String())
}

// read has a goroutine read the past of instruments.
func (d *demand) read(w *warmUp) {
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(d.f.ctx)
	w.began, w.reconnects = time.Now(), d.f.reconnects
	r := &reader{f: d.f, join: w.number, most: warmTrades}
	r.overlap = r.later
	for _, h := range w.holds {
		r.of = append(r.of, d.f.core.defined(h.id).subjects())
	}
	d.f.finder.Add(1)
	go d.f.runWarmUp(ctx, r)
}

// runWarmUp is the goroutine of a warm-up; it ends when the stream is read, or with the feed.
func (f *Feed) runWarmUp(ctx context.Context, r *reader) {
	defer f.finder.Done()
	var there bool
	var err error
	for range warmAttempts {
		if there, err = r.open(ctx); err == nil && there {
			err = r.warm(ctx, f.o.TradeHistory)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		f.log.Warn("reading the stream for instruments that are carried on demand", slog.Int("instruments", len(r.of)), slog.Any("err", err))
	}
	f.tell(found{done: true, join: r.join, failed: err != nil, since: r.since})
}

// joining returns what a warm-up keeps back; nil: it is over.
func (d *demand) joining(number int) *joining {
	if d == nil || d.warming[number] == nil {
		return nil
	}
	return &d.warming[number].joining
}

// takeWarmUp sees whether a warm-up is at its end.
func (d *demand) takeWarmUp(r found) {
	if d == nil || d.warming[r.join] == nil || !r.done {
		return
	}
	w := d.warming[r.join]
	w.cancel()
	if r.failed && (!d.f.core.connected || w.reconnects != d.f.reconnects) {
		return // hasten begins anew when NATS is back
	}
	d.finish(w, r.since)
}

// hasten ends warm-ups that take too long, or keep too much back. Without NATS they wait.
func (d *demand) hasten() {
	for _, w := range d.warming {
		switch {
		case !d.f.core.connected:
		case w.reconnects != d.f.reconnects:
			w.cancel()
			delete(d.warming, w.number)
			d.f.joins++
			w.number = d.f.joins // what the last reader still says is not meant
			d.warming[w.number] = w
			d.read(w)
		case time.Since(w.began) > warmWithin || len(w.kept) > warmKept:
			d.f.log.Warn("the stream is slow to read: instruments go live without the rest of it", slog.Int("instruments", len(w.holds)))
			w.cancel()
			d.finish(w, time.Time{})
		}
	}
}

// finish lets instruments go live, whose trades are known since a time.
func (d *demand) finish(w *warmUp, since time.Time) {
	delete(d.warming, w.number)
	w.holding = false
	now := d.f.now()
	if since.IsZero() {
		since = w.began
	}
	for together := range slices.Chunk(w.kept, maxTogether) {
		d.f.sink.Begin()
		for _, m := range together {
			d.f.core.live(m.Subject, m.Data, d.f.now())
		}
		d.f.sink.Commit()
	}
	d.f.sink.Begin()
	for _, h := range w.holds {
		h.warm = nil
		d.f.core.warmed(d.f.core.defined(h.id), since.UnixMicro(), now)
	}
	d.f.sink.Commit()
	select {
	case d.wake <- struct{}{}: // others may wait for their turn
	default:
	}
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
