package ingest

import (
	"fmt"
	"log/slog"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// source is one feed of a venue and what its heartbeats say. One that never sent a heartbeat is judged by
// nothing but the connection to NATS.
type source struct {
	name     string
	epoch    market.Epoch // of its heartbeats
	lines    map[string]*line
	lastTick int64
	quality  market.Quality
	reason   string

	// Two publishers that use one name: how often one was heard that another has taken the place of, or shares its place with, and
	// until when the ticks of both may come mixed.
	rivals     uint64
	mixedUntil int64
}

// line is one of several publishers of a feed.
type line struct {
	at       int64  // its last heartbeat
	instance uint64 // of the publisher that speaks; 0: it does not say
	former   uint64 // the one ahead of it
	interval int64
	closed   bool
	silent   bool // said so in the log
}

// silentAfter is how many intervals without a heartbeat make a source suspect.
const silentAfter = 3

// mixedFor is for how many intervals a source stays suspect after two publishers were heard under one name.
const mixedFor = 5

// Range of a heartbeat's interval, in milliseconds.
const (
	minInterval = 10
	maxInterval = 60_000
)

const (
	reasonClosed = "the publisher has ended"
	reasonNATS   = "feedd lost its NATS server"
	reasonMixed  = "two publishers use one name, line and epoch"
	// What a node knows from before its start is as old as that.
	reasonUnheard = "not heard since feedd started"
)

// source finds or makes a source; nil: there are too many, and it was said.
func (c *core) source(name string) *source {
	src := c.sources[name]
	if src == nil {
		if len(c.sources) >= maxSources {
			c.refuse(drop.BadValue, 1, fmt.Sprintf("source %q would be beyond the limit of %d sources", name, maxSources))
			return nil
		}
		src = &source{name: name, lines: make(map[string]*line)}
		c.sources[name] = src
		c.sourceBySeen = append(c.sourceBySeen, src)
		c.judge(src, market.QualityOK, "")
	}
	return src
}

// judge tells the sink what a source is worth, if that has changed.
func (c *core) judge(src *source, q market.Quality, reason string) {
	if src.quality == q && src.reason == reason {
		return
	}
	if src.quality != market.QualityUnknown {
		c.log.Info("source", slog.String("source", src.name), slog.Bool("suspect", q == market.QualitySuspect), slog.String("reason", reason))
	}
	src.quality, src.reason = q, reason
	c.sink.Source(src.name, market.StreamOpen, q, reason)
}

// alive takes any sign of life.
func (c *core) alive(src *source) {
	if src == nil {
		return
	}
	src.lastTick = c.now
	if c.now < src.mixedUntil {
		return
	}
	if src.quality != market.QualityOK {
		c.judge(src, market.QualityOK, "")
	}
}

// heartbeat takes a payload of md.<venue>.heartbeat.
func (c *core) heartbeat(venue string, payload []byte) {
	var h marketdatav1.Heartbeat
	if err := proto.Unmarshal(payload, &h); err != nil {
		c.refuse(drop.MalformedProtobuf, 1, "payload is not a marketdata.v1.Heartbeat")
		return
	}
	name := venue
	if h.Source != "" {
		name += "/" + h.Source
	}
	if why := checkSource(h.Source); why != "" {
		c.refuse(drop.BadValue, 1, why)
		return
	}
	if h.IntervalMs < minInterval || h.IntervalMs > maxInterval {
		c.refuse(drop.BadValue, 1, fmt.Sprintf("heartbeat with an interval of %d ms: want %d to %d", h.IntervalMs, minInterval, maxInterval))
		return
	}
	src := c.source(name)
	if src == nil {
		return
	}
	epoch := market.Epoch(h.Epoch)
	if epoch < src.epoch {
		src.rivals++
		c.refuse(drop.StaleEpoch, 1, "heartbeat of an epoch that has ended: two publishers that are not lines of one feed need sources of their own")
		return
	}
	if epoch > src.epoch {
		src.epoch = epoch
		clear(src.lines)
	}
	l := src.lines[h.Line]
	if l == nil {
		if len(src.lines) >= maxLines || len(h.Line) > maxSourceName {
			c.refuse(drop.BadValue, 1, fmt.Sprintf("heartbeat of line %.32q: want at most %d lines a source, with names of at most %d bytes", h.Line, maxLines, maxSourceName))
			return
		}
		l = &line{}
		src.lines[h.Line] = l
	}
	if l.silent {
		c.log.Info("line is back", slog.String("source", name), slog.String("line", h.Line))
	}
	mixed := h.Instance != 0 && h.Instance == l.former
	next := line{at: c.now, interval: int64(h.IntervalMs) * 1000, closed: h.Closing, instance: h.Instance, former: l.former}
	if h.Instance != l.instance {
		next.former = l.instance
	}
	*l = next
	if mixed {
		c.mixed(src, h.Line, l.interval)
	}
	if src.closed() {
		c.judge(src, market.QualitySuspect, reasonClosed)
	} else {
		c.alive(src)
	}
	if epoch != 0 {
		c.positions(venue, epoch, h.Positions)
	}
}

// mixed takes the word of a publisher that another seemed to have taken the place of. Both number their ticks alike: which of them a
// tick is of cannot be told, so nothing of the source is to be believed.
func (c *core) mixed(src *source, line string, interval int64) {
	src.rivals++
	if c.now >= src.mixedUntil {
		c.log.Error("two publishers use one name, line and epoch: end one of them, or give it a line of its own", slog.String("source", src.name), slog.String("line", line))
	}
	src.mixedUntil = c.now + mixedFor*interval
	c.judge(src, market.QualitySuspect, reasonMixed)
}

// closed reports whether every line has ended in good order.
func (src *source) closed() bool {
	for _, l := range src.lines {
		if !l.closed {
			return false
		}
	}
	return len(src.lines) > 0
}

// positions takes a heartbeat's word of what was published: the only sign of a loss that no later tick
// reveals.
func (c *core) positions(venue string, epoch market.Epoch, positions []*marketdatav1.Position) {
	for _, p := range positions {
		ch := market.ParseChannel(p.Channel)
		switch ch {
		case market.ChannelQuote, market.ChannelTrade, market.ChannelBook, market.ChannelStatus, market.ChannelStats:
		default:
			continue // definitions are repeated, and nobody publishes anything else
		}
		sym := market.Symbol{Venue: venue, Name: p.Symbol}
		if err := sym.Validate(); err != nil {
			c.refuse(drop.BadValue, 1, "position in a heartbeat: "+err.Error())
			continue
		}
		inst := c.instrument(sym)
		if inst == nil {
			return
		}
		if !inst.defined || inst.newest() < epoch {
			c.askSnapshot(inst)
		}
		if !inst.takes(ch) {
			continue
		}
		c.expect(c.seriesOf(inst, ch), market.Position{Epoch: epoch, Sequence: market.Sequence(p.Sequence)})
	}
}

// judgeSources finds the sources whose lines are all silent.
func (c *core) judgeSources() {
	c.tally.sources, c.tally.suspectSources = len(c.sources), 0
	for _, src := range c.sourceBySeen {
		c.judgeLines(src)
		if src.quality == market.QualitySuspect {
			c.tally.suspectSources++
		}
	}
}

func (c *core) judgeLines(src *source) {
	if len(src.lines) == 0 || src.closed() {
		return
	}
	heard, interval := src.lastTick, int64(0)
	for name, l := range src.lines {
		if l.closed {
			continue
		}
		heard, interval = max(heard, l.at), max(interval, l.interval)
		if !l.silent && c.now-l.at > silentAfter*l.interval {
			l.silent = true
			c.log.Warn("line is silent", slog.String("source", src.name), slog.String("line", name))
		}
	}
	if c.now-heard > silentAfter*interval && src.quality == market.QualityOK {
		c.judge(src, market.QualitySuspect, fmt.Sprintf("no heartbeat for %d ms", silentAfter*interval/1000))
	}
}

// disconnected says that nothing can arrive any more.
func (c *core) disconnected(now int64) {
	c.now = now
	c.connected = false
	for _, src := range c.sourceBySeen {
		c.judge(src, market.QualitySuspect, reasonNATS)
	}
	c.tally.suspectSources = len(c.sources)
}

// reconnected says that ticks can arrive again. Each source is believed again when it is heard. What is
// missing could not be asked for meanwhile, so its time starts anew.
func (c *core) reconnected(now int64) {
	c.now = now
	c.connected = true
	for _, s := range c.open {
		s.renew(now)
	}
}

// joined says that what was kept back was taken: what is missing still is to be asked for.
func (c *core) joined(now int64) {
	c.now = now
	c.keptBack = false
	for _, s := range c.open {
		s.renew(now)
	}
}

// renew has the time of what a series misses start anew.
func (s *series) renew(now int64) {
	s.gapSince, s.tailSince = now, now
	for i := range s.held {
		s.held[i].noticed = now
	}
}
