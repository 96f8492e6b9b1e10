package replay

import (
	"context"
	"io"
	"time"

	"github.com/feedd/feedd/market"
)

// settleEvery is how many events may be on their way to the NATS server before it is waited for. It keeps
// a replay that is faster than the server from filling the server's buffers, which would end with the
// connection of whoever reads slowest.
const settleEvery = 1024

// player publishes one round and is the only part of a replay that waits.
type player struct {
	out      outlet
	feeds    feeds
	tracks   map[market.Symbol]*track
	progress *progress
	pacer    pacer
	shift    int64 // of the exchange's times, in microseconds
}

func (p *player) play(ctx context.Context, events *timeline) error {
	for n := 1; ; n++ {
		e, err := events.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := p.await(ctx, p.pacer.due(e.ReceiveTime)); err != nil {
			return err
		}
		if err := p.tracks[e.Symbol].publishEvent(e, p.shift); err != nil {
			return err
		}
		p.progress.count(e.ReceiveTime)
		if n%settleEvery == 0 {
			if err := p.settle(ctx); err != nil {
				return err
			}
		}
	}
	return p.settle(ctx)
}

// await returns when due has come. What is published is flushed ahead of any waiting: ticks share a
// message only when they were due together.
func (p *player) await(ctx context.Context, due time.Time) error {
	now := time.Now()
	p.progress.show(now)
	if !due.After(now) {
		return ctx.Err()
	}
	if err := p.feeds.flush(); err != nil {
		return err
	}
	for due.After(now) {
		timer := time.NewTimer(min(due.Sub(now), p.progress.interval()))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		now = time.Now()
		p.progress.show(now)
	}
	return nil
}

func (p *player) settle(ctx context.Context) error {
	if err := p.feeds.flush(); err != nil {
		return err
	}
	return p.out.settle(ctx)
}
