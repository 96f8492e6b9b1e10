package main

import (
	"context"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/snapshot"
)

// Without delayed feeds the stream inside keeps this much; each delay asks for as much more as it is longer.
const (
	plainAge   = 15 * time.Minute
	plainBytes = 512 << 20
)

// handlesOf is how far the first handles of feeds lie apart, which is more than a store gives out.
const handlesOf = 1 << 21

// delayedFeed is the market a second time, as it was a while ago.
type delayedFeed struct {
	delay  time.Duration
	first  fanout.Handle
	store  *snapshot.Store
	engine *fanout.Engine
	feed   *ingest.Feed
}

// streamAge is how long the stream inside keeps ticks: beyond the longest delay as long as without one, so that a delayed
// feed finds what is quiet when it starts.
func (o *serveOptions) streamAge() time.Duration {
	if n := len(o.Delays); n > 0 {
		return plainAge + o.Delays[n-1]
	}
	return plainAge
}

func (o *serveOptions) streamBytes() int64 {
	return int64(plainBytes * o.streamAge().Seconds() / plainAge.Seconds())
}

// startDelayed makes a feed for each delay: the same engine over a store of its own, which the stream feeds in its time.
func (s *server) startDelayed() error {
	if s.options.onDemand() && len(s.options.Delays) > 0 {
		s.options.log.Warn("delayed data is read from the stream whole: this node carries all instruments for it, whatever its clients hold")
	}
	for i, delay := range s.options.Delays {
		d := delayedFeed{delay: delay, first: fanout.Handle(i+1) * handlesOf}
		d.store = snapshot.NewStore(snapshot.Options{FirstHandle: d.first, Counters: &s.drops})
		d.engine = fanout.New(d.store, fanout.Options{Delay: delay, Counters: &s.drops})
		d.engine.Start()
		s.started(func() error { d.engine.Close(); return nil })
		// What is refused of the stream was refused and counted when it was live.
		var err error
		if d.feed, err = ingest.Start(s.conn, d.store, ingest.Options{Delay: delay}, new(drop.Counters), s.options.log); err != nil {
			return err
		}
		s.started(d.feed.Stop)
		s.delayed = append(s.delayed, d)
	}
	return nil
}

// awaitDelayed waits until the delayed feeds are where they should be, so that no client sees the past in fast motion.
func (s *server) awaitDelayed(ctx context.Context, timeout <-chan time.Time) {
	for _, d := range s.delayed {
		select {
		case <-d.feed.Booted():
		case <-timeout:
			s.options.log.Warn("serving although delayed data is still being read from the stream", "delay", d.delay)
			return
		case <-ctx.Done():
			return
		}
	}
}
