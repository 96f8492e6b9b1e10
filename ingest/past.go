package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// Past is where an instrument's ticks stood, so that a node that was stopped can go on from there.
type Past struct {
	Instrument market.Instrument
	// Scales are those of the epochs whose ticks the stream may still hold.
	Scales []EpochScales
	// Last is the position of the last tick that the sink was given, by channel; the zero Position where it was given
	// none. A book of number 0 waits for its image.
	Last [market.ChannelDefinition + 1]market.Position
}

// EpochScales are the decimals of the prices and sizes in the ticks of an epoch.
type EpochScales struct {
	Epoch       market.Epoch
	Price, Size uint8
}

// maxPast is how old a past may be to be gone on from tick by tick. Beyond it the stream is read as without one, and
// what is missing in between shows by its numbers.
const maxPast = 15 * time.Minute

var errStopped = errors.New("ingest: the feed is stopped")

// Past returns where each instrument stands, and the time in microseconds up to which the sink has all that the node
// received: a node that starts with them goes on without loss or doubles. It is consistent with the sink between two
// batches, and may be called from any goroutine. It waits until the feed has booted, and fails when ctx or the feed
// ends.
func (f *Feed) Past(ctx context.Context) (past []Past, lastCommit int64, err error) {
	select {
	case <-f.booted:
	case <-f.stopped:
		return nil, 0, errStopped
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	err = f.do(ctx, func() { past, lastCommit = f.core.past(), f.committed })
	return past, lastCommit, err
}

// do has the feed's goroutine call something between two batches, and waits for it.
func (f *Feed) do(ctx context.Context, what func()) error {
	done := make(chan struct{})
	select {
	case f.calls <- func() { what(); close(done) }:
		<-done
		return nil
	case <-f.stopped:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// past returns the past of every instrument that is defined.
func (c *core) past() []Past {
	past := make([]Past, 0, c.tally.instruments)
	for _, inst := range c.bySeen {
		if !inst.defined {
			continue
		}
		p := Past{Instrument: inst.in, Scales: make([]EpochScales, len(inst.epochs))}
		for i, e := range inst.epochs {
			p.Scales[i] = EpochScales{e.epoch, e.scales.Price, e.scales.Size}
		}
		for ch, s := range inst.series {
			if s != nil && s.begun {
				p.Last[ch] = s.last
			}
		}
		past = append(past, p)
	}
	return past
}

// seed makes the core go on from a past of a time, which its sink knows. Nothing of it is believed until it is heard
// again.
func (c *core) seed(past []Past, at int64) {
	c.subject = "the past"
	for i := range past {
		c.seedInstrument(&past[i], at)
	}
	for _, src := range c.sourceBySeen {
		c.judge(src, market.QualitySuspect, reasonUnheard)
	}
}

func (c *core) seedInstrument(p *Past, at int64) {
	if err := p.Instrument.Symbol.Validate(); err != nil {
		c.refuse(drop.BadValue, 1, err.Error())
		return
	}
	inst := c.instrument(p.Instrument.Symbol)
	if inst == nil || !c.define(inst, p.Instrument) {
		return
	}
	for _, e := range p.Scales {
		inst.learn(epochScales{e.Epoch, tick.Scales{Price: e.Price, Size: e.Size}})
	}
	for ch, last := range p.Last {
		if last == (market.Position{}) {
			continue
		}
		s := c.seriesOf(inst, market.Channel(ch))
		s.begun, s.last, s.arrived = true, last, at
		if s.channel == market.ChannelBook {
			s.book = &bookSeries{sound: last.Sequence != 0, counted: last.Sequence}
			if inst.newest() > last.Epoch {
				c.beginBook(s, inst.newest(), 0)
			}
			if !s.book.sound {
				c.watch(s)
			}
		}
	}
}
