package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/market"
)

// MaxBackfill bounds the trades that one backfill returns.
const MaxBackfill = 100_000

const (
	// maxBackfills bounds the backfills that are under way at a time.
	maxBackfills = 4
	// maxBackfillMessages bounds the messages that one reads.
	maxBackfillMessages = 4 * maxStored
	// lineLag is how far the lines of a feed may lie apart in the stream.
	lineLag = 2 * time.Second
)

// Trades returns trades of an instrument that the stream holds, with positions above after and below before, in order
// and in the instrument's own scales: for a client that was away for longer than the node's memory reaches. Of more
// than limit (at most MaxBackfill) the newest are returned. It is complete where none is missing, as far as the
// numbers tell: what the stream does not hold any more, or never did, shows by a jump of them.
//
// It may be called from any goroutine; a few run at a time, the others wait. It fails when ctx or the feed ends, and
// where the stream cannot be read.
func (f *Feed) Trades(ctx context.Context, sym market.Symbol, after, before market.Position, limit int) (trades []market.Trade, complete bool, err error) {
	if limit < 1 {
		return nil, false, fmt.Errorf("ingest: backfill of %d trades: want 1 or more", limit)
	}
	b := &backfill{after: after, before: before, limit: min(limit, MaxBackfill)}
	if b.whole() {
		return nil, true, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	select {
	case f.backfills <- struct{}{}:
		defer func() { <-f.backfills }()
	case <-ctx.Done():
		return nil, false, f.ended(ctx)
	}
	known := false
	if err := f.do(ctx, func() { known = b.describe(f.core.instruments[sym]) }); err != nil {
		return nil, false, err
	}
	if !known {
		return nil, false, nil
	}
	if err := b.run(ctx, &reader{f: f, most: neverTooMany}); err != nil {
		if ctx.Err() != nil {
			err = f.ended(ctx)
		}
		return nil, false, err
	}
	b.tidy()
	return b.trades, b.whole(), nil
}

// ended returns why ctx, which ends with the feed, has ended.
func (f *Feed) ended(ctx context.Context) error {
	if f.ctx.Err() != nil {
		return errStopped
	}
	return ctx.Err()
}

// backfill is a search for trades. It belongs to the goroutine that asks.
type backfill struct {
	after, before market.Position
	limit         int
	subject       string
	own           tick.Scales
	fits          map[market.Epoch]fit

	batch    tick.Batch
	trades   []market.Trade
	messages int
	beyond   time.Time // when the stream got the first trade that is too new; zero: not seen
}

// describe copies what is known of the instrument, on the feed's goroutine.
func (b *backfill) describe(inst *instrument) bool {
	if inst == nil || !inst.defined || inst.series[market.ChannelTrade] == nil {
		return false
	}
	b.subject = inst.series[market.ChannelTrade].subject
	b.own = tick.Scales{Price: inst.in.PriceScale, Size: inst.in.SizeScale}
	b.fits = make(map[market.Epoch]fit)
	for _, e := range inst.epochs {
		b.fits[e.epoch] = inst.fit(e.scales)
	}
	return true
}

// run reads the stream from the first trade that is wanted.
func (b *backfill) run(ctx context.Context, r *reader) error {
	if there, err := r.open(ctx); err != nil || !there {
		return err
	}
	from := b.after
	if newest := uint64(b.before.Sequence) - 1; b.before.Sequence > 0 && newest > uint64(b.limit) {
		// Numbers count up by one, so what is further back would not be returned.
		if near := (market.Position{Epoch: b.before.Epoch, Sequence: market.Sequence(newest - uint64(b.limit))}); from.Before(near) {
			from = near
		}
	}
	since, some, err := b.start(ctx, r, from)
	if err != nil || !some {
		return err
	}
	since = since.Add(-lineLag)
	err = r.each(ctx, jetstream.ConsumerConfig{
		FilterSubjects: []string{b.subject}, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	}, func(p pull) (bool, error) {
		for _, m := range p.stored(nil) {
			b.take(m)
		}
		late := !b.beyond.IsZero() && len(p.metadata) > 0 && p.metadata[len(p.metadata)-1].Timestamp.Sub(b.beyond) > lineLag
		return p.pending > 0 && !late && b.messages < maxBackfillMessages, nil
	})
	return err
}

// start finds when the stream got the first trade behind from, by halves. It reports false where there is none.
func (b *backfill) start(ctx context.Context, r *reader, from market.Position) (at time.Time, some bool, err error) {
	lo, hi := r.first, r.last+1
	for lo < hi {
		mid := lo + (hi-lo)/2
		m, err := r.stream.GetMsg(ctx, mid, jetstream.WithGetMsgSubject(b.subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			hi = mid
			continue
		case err != nil:
			return at, false, fmt.Errorf("stream %s: %w", r.name, err)
		}
		if last, ok := b.last(m.Data); !ok || !from.Before(last) {
			lo = m.Sequence + 1
		} else {
			hi, at, some = mid, m.Time, true
		}
	}
	return at, some, nil
}

// last returns the position of the last trade of a payload.
func (b *backfill) last(payload []byte) (market.Position, bool) {
	if readNumbers(&b.batch, payload, market.ChannelTrade) != nil || len(b.batch.Trades) == 0 {
		return market.Position{}, false
	}
	return market.Position{Epoch: market.Epoch(b.batch.Epoch), Sequence: market.Sequence(b.batch.Sequence) + market.Sequence(len(b.batch.Trades)-1)}, true
}

// take picks the wanted trades of a message. What is refused is missing, as it is for everybody.
func (b *backfill) take(m storedMessage) {
	b.messages++
	values := fit{}
	if tick.IsJSON(m.payload) {
		if b.batch.ReadJSON(m.payload, market.ChannelTrade, b.own) != nil {
			return
		}
	} else if b.batch.ReadProtobuf(m.payload) != nil {
		return
	} else {
		var known bool
		if values, known = b.fits[market.Epoch(b.batch.Epoch)]; !known {
			return
		}
	}
	p := market.Position{Epoch: market.Epoch(b.batch.Epoch), Sequence: market.Sequence(b.batch.Sequence)}
	if p.Epoch == 0 {
		return // numbered by each node for itself
	}
	for i := range b.batch.Trades {
		t := &b.batch.Trades[i]
		t.Position, t.IngestTime = p, m.at
		switch {
		case !p.Before(b.before):
			if b.beyond.IsZero() {
				b.beyond = time.UnixMicro(m.at)
			}
		case b.after.Before(p) && values.trade(t) == nil:
			b.trades = append(b.trades, *t)
		}
		p.Sequence++
	}
	if len(b.trades) > 4*MaxBackfill {
		b.tidy()
	}
}

// tidy puts the trades in order, each once, and keeps the newest.
func (b *backfill) tidy() {
	slices.SortStableFunc(b.trades, func(x, y market.Trade) int {
		return cmp.Or(cmp.Compare(x.Position.Epoch, y.Position.Epoch), cmp.Compare(x.Position.Sequence, y.Position.Sequence))
	})
	b.trades = slices.CompactFunc(b.trades, func(x, y market.Trade) bool { return x.Position == y.Position })
	b.trades = slices.Delete(b.trades, 0, max(0, len(b.trades)-b.limit))
}

// whole reports whether nothing is missing between after and before. An epoch begins at 1; where it ended, nobody
// knows.
func (b *backfill) whole() bool {
	at := b.after
	follows := func(p market.Position) bool {
		return p.Epoch == at.Epoch && p.Sequence <= at.Sequence+1 || p.Epoch > at.Epoch && p.Sequence <= 1 || p.Epoch < at.Epoch
	}
	for i := range b.trades {
		if !follows(b.trades[i].Position) {
			return false
		}
		at = b.trades[i].Position
	}
	return follows(b.before)
}
