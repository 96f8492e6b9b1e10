package ingest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// instrument is what ingest knows of an instrument, from its first mention on.
type instrument struct {
	symbol  market.Symbol
	series  [market.ChannelDefinition + 1]*series // by channel
	source  *source                               // nil until it is defined
	defined bool                                  // the sink knows it, as in, under id
	full    bool                                  // the sink would not have it
	id      market.InstrumentID
	in      market.Instrument
	epochs  []epochScales // in which its last publishers speak, the newest last

	carriage carriage // zero where the node carries everything
	since    int64    // of an instrument that is carried on demand: when its trades begin

	trading market.Trading
	start   market.Epoch // the last one that this node saw begin; 0: none

	// What the sink was told of what is missing.
	quality market.Quality
	reason  string

	// Snapshot requests.
	asking  bool
	askNext int64 // not before
	askWait int64 // between two, growing while there is no answer
	toldAt  int64 // when the last answer was through

	askAgain bool // once the one under way is over
}

// epochScales are the scales of the ticks of an epoch.
type epochScales struct {
	epoch  market.Epoch
	scales tick.Scales
}

// maxEpochs is how many epochs of an instrument are remembered: the one that runs, and those whose ticks
// the stream may still hold.
const maxEpochs = 4

// provisionalScales are those of an instrument whose first tick is JSON and comes ahead of any definition.
var provisionalScales = tick.Scales{Price: 8, Size: 8}

// Bounds on what a definition may say, in bytes.
const (
	maxDescription = 256
	maxUnit        = 32 // base and quote
	maxSourceName  = market.MaxSymbolLen
	secondsPerDay  = 24 * 60 * 60
)

// instrument finds or makes an instrument, or returns nil and has said why.
func (c *core) instrument(sym market.Symbol) *instrument {
	inst := c.instruments[sym]
	if inst == nil {
		if len(c.instruments) >= c.limits.instruments {
			c.refuse(drop.TooManyInstruments, 1, fmt.Sprintf("%s would be beyond the limit of %d instruments", sym, c.limits.instruments))
			return nil
		}
		inst = &instrument{symbol: sym}
		if c.onDemand {
			inst.carriage = cold
		}
		c.instruments[sym] = inst
		c.bySeen = append(c.bySeen, inst)
	}
	return inst
}

// provisional defines an instrument of which only a JSON tick is known.
func (c *core) provisional(inst *instrument) bool {
	return c.define(inst, market.Instrument{
		Symbol: inst.symbol, PriceScale: provisionalScales.Price, SizeScale: provisionalScales.Size, Source: inst.symbol.Venue,
	})
}

// define hands a definition to the sink, if it says anything new.
func (c *core) define(inst *instrument, in market.Instrument) bool {
	if inst.defined && inst.in == in {
		return true
	}
	src := c.source(in.Source)
	id, err := c.sink.Define(in)
	if err != nil {
		inst.full = true
		c.refuse(drop.TooManyInstruments, 1, err.Error())
		return false
	}
	first := !inst.defined
	inst.id, inst.in, inst.defined, inst.full = id, in, true, false
	inst.source = src
	if first {
		c.tally.instruments++
		if inst.carriage != carried {
			c.identify(inst)
			c.sink.Forget(id)
		}
		c.quality(inst)
	}
	return true
}

// definition takes a definition of an epoch. The scales of the first one stay the instrument's own while this node
// runs; ticks of epochs with other scales are converted.
func (c *core) definition(s *series, d *tick.Definition, epoch market.Epoch) {
	inst := s.inst
	if why := c.checkDefinition(d); why != "" {
		c.refuse(drop.BadValue, 1, why)
		return
	}
	scales := tick.Scales{Price: uint8(d.PriceScale), Size: uint8(d.SizeScale)}
	for _, known := range inst.epochs {
		if epoch != 0 && known.epoch == epoch && known.scales != scales {
			c.refuse(drop.BadValue, 1, fmt.Sprintf("definition changes scales from %d and %d to %d and %d within an epoch: take a larger epoch",
				known.scales.Price, known.scales.Size, scales.Price, scales.Size))
			return
		}
	}
	in := market.Instrument{
		Symbol: inst.symbol, PriceScale: scales.Price, SizeScale: scales.Size,
		Description: d.Description, Base: d.Base, Quote: d.Quote, Source: inst.symbol.Venue,
		Asset: d.Asset, SessionStart: d.SessionStart, TimeZone: d.TimeZone, Delisted: d.Delisted,
	}
	if d.Source != "" {
		in.Source += "/" + d.Source
	}
	if inst.defined {
		in.PriceScale, in.SizeScale = inst.in.PriceScale, inst.in.SizeScale
	}
	// A step finer than the instrument's own scale cannot be said; ticks that use it will be refused one by
	// one.
	if step, ok := market.Rescale(d.PriceStep, scales.Price, in.PriceScale); ok && exact(step) {
		in.PriceStep = step
	}
	if step, ok := market.Rescale(d.SizeStep, scales.Size, in.SizeScale); ok && exact(step) {
		in.SizeStep = step
	}
	if !c.define(inst, in) {
		return
	}
	inst.learn(epochScales{epoch, scales})
	if book := inst.series[market.ChannelBook]; book != nil && book.begun && book.last.Epoch < epoch {
		c.beginBook(book, epoch, 0) // the old one is nobody's any more
		c.watch(book)
	}
}

func (c *core) checkDefinition(d *tick.Definition) string {
	switch {
	case d.PriceScale > market.MaxScale || d.SizeScale > market.MaxScale:
		return fmt.Sprintf("definition with scales %d and %d: at most %d", d.PriceScale, d.SizeScale, market.MaxScale)
	case d.PriceStep < 0 || d.SizeStep < 0:
		return "definition with a step below 0: want 0 (unknown) or more"
	case !exact(d.PriceStep) || !exact(d.SizeStep):
		return "definition with a step beyond 2^53-1 (9007199254740991), more than every client can hold"
	case d.SessionStart < 0 || d.SessionStart >= secondsPerDay:
		return fmt.Sprintf("definition with a session start of %d s: want seconds after 00:00, 0 to %d", d.SessionStart, secondsPerDay-1)
	case !c.zones.known(d.TimeZone):
		return fmt.Sprintf("definition with time zone %.64q: want a name of the IANA list, such as America/New_York, or none for UTC", d.TimeZone)
	case len(d.Description) > maxDescription:
		return fmt.Sprintf("definition with a description of %d bytes: at most %d", len(d.Description), maxDescription)
	case len(d.Base) > maxUnit || len(d.Quote) > maxUnit:
		return fmt.Sprintf("definition with a base or quote of more than %d bytes", maxUnit)
	}
	return checkSource(d.Source)
}

func checkSource(name string) string {
	if len(name) > maxSourceName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Sprintf("source %q: want at most %d bytes without spaces or control characters", name, maxSourceName)
	}
	return ""
}

// learn remembers the scales of an epoch.
func (inst *instrument) learn(e epochScales) {
	at := len(inst.epochs)
	for at > 0 && inst.epochs[at-1].epoch >= e.epoch {
		at--
	}
	if at < len(inst.epochs) && inst.epochs[at].epoch == e.epoch {
		inst.epochs[at] = e
		return
	}
	inst.epochs = append(inst.epochs, epochScales{})
	copy(inst.epochs[at+1:], inst.epochs[at:])
	inst.epochs[at] = e
	if len(inst.epochs) > maxEpochs {
		inst.epochs = inst.epochs[1:]
	}
}

// newest returns the largest epoch that inst was defined in; 0: none.
func (inst *instrument) newest() market.Epoch {
	if len(inst.epochs) == 0 {
		return 0
	}
	return inst.epochs[len(inst.epochs)-1].epoch
}
