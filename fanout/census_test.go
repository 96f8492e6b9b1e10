package fanout

import (
	"testing"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

func TestCensusAndLoad(t *testing.T) {
	w := newWorld(3, 64, Options{})
	idle, busy, stalled := newReader(Proto), newReader(Proto), newReader(Proto)
	w.attach(idle)
	a, b := w.attach(busy), w.attach(stalled)
	a.Subscribe(w.items(market.ChannelQuote, 0, 1), throttle.Immediate)
	a.Subscribe(w.items(market.ChannelQuote, 2), throttle.Every100ms)
	b.Subscribe(w.items(market.ChannelQuote, 2), throttle.Paused)
	b.Subscribe(w.items(market.ChannelQuote, 0, 1), throttle.Immediate)
	stalled.stalled = true
	for range 3 {
		w.quote(0)
		w.pass(10)
	}
	var c Census
	w.worker.census(&c)
	if c.Subscribers != 3 || c.Blocked != 1 {
		t.Errorf("%d subscribers, %d blocked; want 3 and 1", c.Subscribers, c.Blocked)
	}
	for c, want := range map[RungCensus]RungCensus{
		c.Rungs[throttle.Immediate]:  {Lanes: 2, Lagging: 1, Views: 2, Cohorts: 1},
		c.Rungs[throttle.Every100ms]: {Lanes: 1, Views: 1, Cohorts: 1},
		c.Rungs[rungOfPaused]:        {Lanes: 1, Views: 1, Cohorts: 1, Lagging: 1},
		c.Rungs[throttle.Every5s]:    {},
	} {
		if c != want {
			t.Errorf("got %+v, want %+v", c, want)
		}
	}
	if l := a.Load(); l.Frames != uint64(busy.frames) || l.Bytes == 0 {
		t.Errorf("load of %+v after %d frames", l, busy.frames)
	}
}
