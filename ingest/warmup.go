package ingest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

const (
	// warmTogether instruments are warmed up in one go, and at most warmAtATime such goes are under way: so a storm of
	// subscriptions costs NATS some 10 requests for each hundred, whatever its size.
	warmTogether = 128
	warmAtATime  = 4
	// warmKept bounds the live messages that one go keeps back, and warmWithin the time; beyond either the instruments go live
	// with what was read by then.
	warmKept = liveBacklog
	// warmWithin is longer than a cluster that lost a server takes to find leaders again.
	warmWithin = 20 * time.Second
	// warmTrades bounds the past trades that one go reads, where 20,000 take a second: where there were more in
	// Options.TradeHistory, a shorter while is read.
	warmTrades = 20_000
)

// warmTries is how long the stream is waited for in each try to read it, while NATS is there. One whose leader died never answers what
// it was asked meanwhile, and finds another within seconds: so the first tries are short. The last ones are for a stream that is merely slow.
var warmTries = [...]time.Duration{time.Second, time.Second, 2 * time.Second, 2 * time.Second, readWithin, readWithin}

// warmPause is between two tries, of which a stream that refuses takes no time.
const warmPause = 100 * time.Millisecond

// warmUp is instruments that are warmed up together.
type warmUp struct {
	joining
	holds      []*hold
	reconnects uint64 // of the connection, when the reading began
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
	for _, r.within = range warmTries {
		if there, err = r.open(ctx); err == nil && there {
			err = r.warm(ctx, f.o.TradeHistory)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(warmPause):
		case <-ctx.Done():
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
