package ingest

import (
	"log/slog"
	"time"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// limits are what the core waits for and holds. Times are in microseconds.
type limits struct {
	instruments  int   // known to this node
	held         int   // ticks of one series behind a gap
	heldInAll    int   // trades of all instruments behind gaps, and as many book events
	levels       int   // of the held events of one book
	levelsInAll  int   // of those of all books
	reorderGrace int64 // before a missing number is asked for: it may be under way on a slower line
	tailGrace    int64 // the same for a number that only a heartbeat knows of
	gapTimeout   int64 // before a missing number is given up
	awayTimeout  int64 // the same for trades while the stream, which may have it, does not answer
}

func defaultLimits() limits {
	return limits{
		instruments: 100_000, held: 4096, heldInAll: 65_536, levels: 4 * market.MaxLevels, levelsInAll: 100 * market.MaxLevels,
		reorderGrace: 20_000, tailGrace: 500_000, gapTimeout: 3_000_000, awayTimeout: 12_000_000,
	}
}

// Bounds that nobody needs to set.
const (
	maxRoutesPerInstrument = 8 // subjects: one for each channel, and some spelled in odd ways
	maxSources             = 1024
	maxLines               = 16 // of one source
	maxMissing             = 16 // ranges of missing numbers of a State series
)

// origin is how a payload came.
type origin uint8

const (
	live     origin = iota // on its subject, now
	stored                 // from the stream
	answered               // in the answer to a snapshot request
)

// core is everything of ingest that needs neither NATS nor a clock nor a goroutine: subjects and
// payloads go in with the time, calls of the Sink and requests for what is missing come out. It is used by
// one goroutine, between Begin and Commit of its sink.
type core struct {
	sink     Sink
	limits   limits
	counters *drop.Counters
	log      *slog.Logger
	logged   [drop.Reasons]logged

	// The call at hand.
	now     int64
	subject string // or what else names the payload, for the log
	again   bool   // what is refused comes once more, and is counted then
	batch   tick.Batch
	step    market.BookEvent // what the sink is given, so that it needs no memory of its own

	// What is known. The slices hold the same in the order of the first mention.
	connected    bool
	keptBack     bool          // what is live waits for the stream, and may be what the stream misses
	onDemand     bool          // only what somebody holds is carried; see carriage.go
	byID         []*instrument // on demand: those that are defined
	onSettled    func(market.InstrumentID)
	routes       map[string]*series // by subject as publishers spell it
	instruments  map[market.Symbol]*instrument
	bySeen       []*instrument
	sources      map[string]*source
	sourceBySeen []*source

	// What is missing.
	open         []*series // those that tick looks after
	heldInAll    int
	booksInAll   int // held book events
	levelsInAll  int // of them
	requests     []request
	snapshots    int // requests for an instrument's state that are not done
	zones        zones
	lastAdvanced int64 // when the sink was told the time

	tally tally
}

func newCore(sink Sink, l limits, counters *drop.Counters, log *slog.Logger) *core {
	return &core{
		sink: sink, limits: l, counters: counters, log: log, connected: true,
		zones: make(zones), routes: make(map[string]*series), instruments: make(map[market.Symbol]*instrument), sources: make(map[string]*source),
	}
}

// live takes one message as it arrived.
func (c *core) live(subj string, payload []byte, now int64) {
	c.now, c.subject = now, subj
	if s := c.routes[subj]; s != nil {
		c.read(s, payload, now, live)
		return
	}
	parsed, err := subject.Parse(subj)
	switch {
	case err != nil:
		c.refuse(drop.BadSubject, 1, err.Error())
	case parsed.Kind == subject.Heartbeats:
		c.heartbeat(parsed.Symbol.Venue, payload)
	case parsed.Kind == subject.Ticks:
		if s := c.route(subj, parsed); s != nil {
			c.read(s, payload, now, live)
		}
	}
	// Snapshot requests are for publishers.
}

// stored takes one message of the stream, which got it at the time storedAt. Unnumbered trades are not
// taken where overlap says that they may have arrived already.
func (c *core) stored(subj string, payload []byte, storedAt, now int64, overlap bool) {
	c.now, c.subject = now, subj
	s := c.routes[subj]
	if s == nil {
		parsed, err := subject.Parse(subj)
		if err != nil || parsed.Kind != subject.Ticks {
			return // said when it was live
		}
		if s = c.route(subj, parsed); s == nil {
			return
		}
	}
	if overlap && s.channel == market.ChannelTrade && c.unnumbered(payload) {
		return
	}
	c.read(s, payload, storedAt, stored)
}

func (c *core) unnumbered(payload []byte) bool {
	return readNumbers(&c.batch, payload, market.ChannelTrade) == nil && c.batch.Epoch == 0
}

// route finds the series of a subject and remembers it, or returns nil and has said why.
func (c *core) route(subj string, parsed subject.Subject) *series {
	switch parsed.Channel {
	case market.ChannelNone, market.ChannelBar:
		c.refuse(drop.UnknownChannel, 1, "no such channel: want quote, trade, book, status, definition or stats")
		return nil
	}
	inst := c.instrument(parsed.Symbol)
	if inst == nil || !inst.takes(parsed.Channel) {
		return nil
	}
	s := c.seriesOf(inst, parsed.Channel)
	s.subject = subj // as the publisher spells it, which is where the stream has it
	if len(c.routes) < maxRoutesPerInstrument*c.limits.instruments {
		c.routes[subj] = s
		s.spelled++
	}
	return s
}

// read takes a payload for a series; arrival is its ingest time.
func (c *core) read(s *series, payload []byte, arrival int64, from origin) {
	if !tick.IsJSON(payload) {
		if err := c.batch.ReadProtobuf(payload); err != nil {
			c.refuseError(1, err)
			return
		}
		c.accept(s, arrival, from, false)
		return
	}
	scales := provisionalScales
	if s.inst.defined {
		scales = tick.Scales{Price: s.inst.in.PriceScale, Size: s.inst.in.SizeScale}
	}
	if err := c.batch.ReadJSON(payload, s.channel, scales); err != nil {
		c.refuseError(1, err)
		return
	}
	if !s.inst.defined && s.channel != market.ChannelDefinition && !c.provisional(s.inst) {
		return
	}
	c.accept(s, arrival, from, true)
}

// accept takes c.batch, whose values are in the instrument's own scales if converted says so.
func (c *core) accept(s *series, arrival int64, from origin, converted bool) {
	b := &c.batch
	n := b.Len()
	if ch, one := b.Channel(); !one || n > 0 && ch != s.channel {
		c.refuse(drop.WrongKind, n, "batch holds ticks of another channel than "+s.channel.String())
		return
	}
	if n == 0 {
		return
	}
	r, ok := c.number(s, n, from)
	if !ok {
		return
	}
	r.arrival, r.from = arrival, from
	if r.epoch == 0 && from == stored && arrival < s.arrived {
		return // arrived live, as far as can be told of ticks without numbers
	}
	if !converted && !c.scale(s, &r) {
		return
	}
	if from == live {
		c.alive(s.inst.source)
	}
	switch s.channel {
	case market.ChannelTrade:
		c.events(s, r)
	case market.ChannelBook:
		c.books(s, r)
	default:
		c.states(s, r)
	}
	c.tally.ticks[s.channel] += uint64(n)
	if from == live {
		c.tally.lastTick = c.now
		c.noteTransit(s.channel)
	}
}

// run is the ticks of a batch with what they have in common.
type run struct {
	epoch   market.Epoch
	first   market.Sequence // of the first tick; the others count up by one
	n       int
	fit     fit // of the values
	arrival int64
	from    origin
}

// number checks the numbering of c.batch. Ticks without numbers get those behind the last one, in epoch 0:
// whatever is sent last counts. But where a series has numbers they decide, since the two orders
// cannot be merged: epoch 0 is older than any.
func (c *core) number(s *series, n int, from origin) (run, bool) {
	r := run{epoch: market.Epoch(c.batch.Epoch), first: market.Sequence(c.batch.Sequence), n: n}
	switch {
	case r.epoch == 0 && r.first != 0:
		c.refuse(drop.BadValue, n, "sequence without an epoch: state both or neither")
	case r.epoch == 0 && s.last.Epoch != 0:
		c.refuse(drop.StaleEpoch, n, "unnumbered tick of an instrument and channel whose ticks are numbered")
	case r.epoch == 0:
		r.first = s.last.Sequence + 1
		if s.book != nil {
			r.first += market.Sequence(len(s.book.held)) // parts of an image
		}
		return r, true
	case r.first == 0:
		c.refuse(drop.BadValue, n, "epoch without a sequence: numbers start at 1")
	case r.first+market.Sequence(n-1) < r.first:
		c.refuse(drop.BadValue, n, "sequence runs beyond 2^64")
	case r.epoch < s.last.Epoch && from != live:
		// Epochs end, and what is stored of them stays: no straggler.
	case r.epoch < s.last.Epoch:
		c.refuse(drop.StaleEpoch, n, "tick of an epoch that has ended: another publisher has taken a larger one")
	default:
		return r, true
	}
	return run{}, false
}

// tick lets time pass: what is missing is asked for or given up, silent sources are found. It returns how
// soon it wants to be called again.
func (c *core) tick(now int64) time.Duration {
	c.now = now
	if now-c.lastAdvanced >= advanceEvery || now < c.lastAdvanced {
		c.lastAdvanced = now
		c.sink.Advance(now)
		c.tellHeard()
	}
	if !c.connected {
		return idle
	}
	c.judgeSources()
	still := c.open[:0]
	next := idle
	for _, s := range c.open {
		if s.inst.series[s.channel] != s {
			continue // it is not carried any more
		}
		if c.waits(s) {
			still = append(still, s)
			continue
		}
		s.open = c.overdue(s)
		if s.open {
			still = append(still, s)
		}
		if s.open && (s.channel == market.ChannelTrade || s.channel == market.ChannelBook) {
			next = busy
		}
	}
	clear(c.open[len(still):])
	c.open = still
	c.tally.held = c.heldInAll + c.booksInAll
	return next
}

// waits reports whether what a series misses may be among what is kept back of it. A book without an image is helped by nothing but one.
func (c *core) waits(s *series) bool {
	return (c.keptBack || s.inst.carriage == warming) && (s.book == nil || s.book.sound)
}

// advanceEvery is the time between two calls of the sink's Advance, in microseconds.
const advanceEvery = 100_000

// How often tick wants to be called: often while trades or books wait behind a gap.
const (
	idle = 100 * time.Millisecond
	busy = 10 * time.Millisecond
)

// askAbsent asks for the state of every instrument of which there is none, once the stream was read.
func (c *core) askAbsent(now int64) {
	c.now = now
	for _, inst := range c.bySeen {
		if inst.defined && inst.carriage != carried {
			continue
		}
		if quotes := inst.series[market.ChannelQuote]; !inst.defined || quotes == nil || !quotes.begun {
			c.askSnapshot(inst)
		}
	}
}

// askAll asks for the state of every instrument whose ticks are numbered, after a time in which nothing arrived and of which no stream
// tells. Heartbeats name what ticked of late, so the last ticks of one that has become quiet meanwhile would be lost in silence.
func (c *core) askAll(now int64) {
	c.now = now
	for _, inst := range c.bySeen {
		if inst.carriage == carried && inst.newest() != 0 {
			inst.askNext = 0
			inst.askAgain = !c.askSnapshot(inst) // an answer that is under way may be from before
		}
	}
}

// watch puts s among those that tick looks after.
func (c *core) watch(s *series) {
	if !s.open {
		s.open = true
		c.open = append(c.open, s)
	}
}

// seriesOf finds or makes the series of an instrument and channel.
func (c *core) seriesOf(inst *instrument, ch market.Channel) *series {
	s := inst.series[ch]
	if s == nil {
		s = &series{inst: inst, channel: ch, subject: subject.For(inst.symbol, ch)}
		inst.series[ch] = s
	}
	return s
}
