package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/histogram"
	"github.com/feedd/feedd/internal/subject"
)

// Options of a Feed. The zero value is what most want.
type Options struct {
	// Stream is the name of the JetStream stream that records the ticks. Empty: DefaultStream. Where there is none of
	// that name, the one that records md.*.*.quote is used; where there is none at all, feedd starts without
	// a past, and gaps are filled by publishers alone.
	Stream string
	// TradeHistory is how far back trades are read from the stream at the start. 0: five minutes. Below 0: not
	// at all.
	TradeHistory time.Duration
	// MaxInstruments bounds the instruments known to this node. 0: 100,000.
	MaxInstruments int
	// Past is where a former run of the node stood, as Feed.Past told, and PastTime the time that it told, in
	// microseconds. The sink knows the instruments, and what it had been given of them. Where that is at most a
	// quarter of an hour ago, the stream is read from there on, so that nothing is missing or comes twice.
	Past     []Past
	PastTime int64
	// Delay makes a feed that reads the stream so far back and nothing else; see delayed.go. It has no Past. 0: the market
	// as it is now.
	Delay time.Duration
	// OnDemand carries only what somebody holds (Hold, Release), beside definitions, statuses and heartbeats, for Linger
	// beyond the last release; see demand.go. It has neither Past nor Delay.
	OnDemand bool
	Linger   time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

const (
	// liveBacklog is how many messages may wait for the feed's goroutine, and how many it keeps back while the
	// stream is read. Beyond it the NATS client drops, which the numbers then show.
	liveBacklog = 65_536
	// maxTogether bounds the messages that are applied in one batch of the sink under load.
	maxTogether = 256
	// bootWithin and rejoinWithin are how long live ticks wait for the stream to be read, at the start and after
	// the connection was lost. A stream that takes longer is read on while live ticks go through.
	bootWithin   = 15 * time.Second
	rejoinWithin = 3 * time.Second
	// answerSoon is how long they wait for a sign of the stream after the connection was lost. The server that was lost may have
	// led it, and to find another leader takes it 4 to 8 s, in which quotes need not wait.
	answerSoon = 400 * time.Millisecond
)

// Feed takes what arrives over NATS into a sink.
type Feed struct {
	nc       *nats.Conn
	sink     Sink
	o        Options
	counters *drop.Counters
	log      *slog.Logger

	sub     *nats.Subscription // nil: delayed
	live    chan *nats.Msg
	status  chan nats.Status
	found   chan found    // from the goroutines that read the stream and ask publishers
	calls   chan func()   // what others want done by the feed's goroutine
	booted  chan struct{} // closed when the state at the start was read
	stopped chan struct{} // closed when run has returned

	// Where the connection is one of Connect, the goroutine that reads it takes in what it has read; see direct.go.
	direct bool
	handed chan struct{} // there is something that it left to run
	detach func()        // ends it

	ctx    context.Context // ended by Stop
	cancel context.CancelFunc
	finder sync.WaitGroup // goroutines that send to found

	backfills chan struct{} // one for each that is under way
	searches  chan struct{} // the same
	absent    atomic.Bool   // the stream did not answer when it was asked last
	probing   atomic.Bool   // while it is absent: a search asks whether it is back

	// Under turn, which run holds but for its waits, and keeps when it ends. In between the goroutine that reads the connection may
	// have it, which does not wait for it.
	turn       sync.Mutex
	core       *core
	holding    bool // live ticks wait for the stream
	goLive     <-chan time.Time
	tail       tail // of a delayed feed
	join       joining
	joins      int     // joins and warm-ups so far
	demand     *demand // nil: everything is carried
	joined     bool    // the stream was read once, or there is none
	reconnects uint64
	lostAt     int64 // when the connection was last found to be gone
	committed  int64 // up to when the sink has what was received
	dropped    int
	errands    [parties]errands

	transit histogram.Durations // of each batch

	// mu guards what Stats shows.
	mu    sync.Mutex
	stats struct {
		tally     tally
		connected bool
		recorded  bool
	}
}

// Start subscribes to all ticks and begins to feed sink, from one goroutine. It returns at once, whether
// nc is connected or not; Booted tells when the state that the stream holds was read. Stop ends it. The
// sink is used by nobody else than the Feed until then.
func Start(nc *nats.Conn, sink Sink, o Options, counters *drop.Counters, log *slog.Logger) (*Feed, error) {
	if o.Stream == "" {
		o.Stream = DefaultStream
	}
	if o.TradeHistory == 0 {
		o.TradeHistory = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := defaultLimits()
	switch {
	case o.MaxInstruments < 0:
		return nil, fmt.Errorf("ingest: limit of %d instruments: want 1 or more, or 0 for %d", o.MaxInstruments, l.instruments)
	case o.OnDemand && (len(o.Past) > 0 || o.Delay > 0):
		return nil, errors.New("ingest: what is carried on demand has neither a past nor a delay")
	case o.MaxInstruments > 0:
		l.instruments = o.MaxInstruments
	}
	f := &Feed{
		nc: nc, sink: sink, o: o, counters: counters, log: log,
		live:  make(chan *nats.Msg, liveBacklog),
		calls: make(chan func()), backfills: make(chan struct{}, maxBackfills), searches: make(chan struct{}, maxSearches),
		found: make(chan found), booted: make(chan struct{}), stopped: make(chan struct{}), handed: make(chan struct{}, 1),
		core: newCore(sink, l, counters, log), holding: true,
	}
	f.core.connected, f.core.keptBack = false, o.Delay == 0
	if len(o.Past) > 0 {
		f.core.now = f.now()
		sink.Begin()
		f.core.seed(o.Past, o.PastTime)
		sink.Commit()
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	if o.Delay > 0 {
		f.holding = false
		f.status = nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
		go f.run()
		return f, nil
	}
	var err error
	if o.OnDemand {
		err = f.startDemand()
	} else if f.sub, err = nc.ChanSubscribe(subject.All, f.live); err != nil {
		err = fmt.Errorf("ingest: subscribing to %s: %w", subject.All, err)
	}
	if err != nil {
		f.cancel()
		return nil, err
	}
	f.status = nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	f.turn.Lock()
	f.detach, f.direct = handedOn(nc, f.takeIn)
	f.turn.Unlock()
	f.nudge() // something may have come already
	f.finder.Add(1)
	go f.watchStream()
	go f.run()
	return f, nil
}

// Booted is closed when the state that the stream holds was read and live ticks flow.
func (f *Feed) Booted() <-chan struct{} { return f.booted }

// Ready reports whether the state at the start was read. It stays true: a node that lost NATS still holds
// what it knew, and says of it that it is suspect.
func (f *Feed) Ready() bool {
	select {
	case <-f.booted:
		return true
	default:
		return false
	}
}

// Stats returns how the feed fares. It may be called from any goroutine.
func (f *Feed) Stats() Stats {
	var st Stats
	f.mu.Lock()
	t := f.stats.tally
	st.Connected, st.Recorded = f.stats.connected, f.stats.recorded
	f.mu.Unlock()
	t.fill(&st)
	st.Booted, st.Transit, st.Reconnects = f.Ready(), f.transit.Read(), f.nc.Stats().Reconnects
	return st
}

// Stop ends the feed and returns when its goroutines have ended; the sink is not touched afterwards. The
// connection stays open. Only the first call does anything.
func (f *Feed) Stop() error {
	if f.ctx.Err() != nil {
		return nil
	}
	f.cancel()
	<-f.stopped
	f.finder.Wait()
	if f.direct {
		f.detach()
	}
	f.nc.RemoveStatusListener(f.status)
	if f.demand != nil {
		return f.demand.stop()
	}
	if f.sub == nil {
		return nil
	}
	if err := f.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("ingest: %w", err)
	}
	return nil
}

// run is the goroutine that drives the core and the sink, from Start to Stop. What comes live it takes in only where the one that
// reads the connection does not.
func (f *Feed) run() {
	defer close(f.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	f.turn.Lock()
	for {
		live, goLive := f.live, f.goLive
		if f.direct || f.full() {
			live = nil // the channel takes as many again; beyond that NATS drops, and it is counted
		}
		f.turn.Unlock()
		select {
		case <-f.ctx.Done():
			f.turn.Lock()
			return
		case m := <-live:
			f.turn.Lock()
			f.observeNews()
			if f.holding {
				f.join.keep(m)
			} else {
				f.drain(m)
			}
		case <-f.handed:
			f.turn.Lock()
			f.observeNews()
			f.takeLive()
		case r := <-f.found:
			f.turn.Lock()
			f.take(r)
		case call := <-f.calls:
			f.turn.Lock()
			call()
		case <-f.demand.woken():
			f.turn.Lock()
			f.demand.step()
		case <-f.status:
			f.turn.Lock()
			f.observe()
		case <-goLive:
			f.turn.Lock()
			if f.waitOn() {
				continue
			}
			f.log.Warn("the stream is slow to read: going live without the rest of it")
			f.letLive()
		case <-timer.C:
			f.turn.Lock()
			timer.Reset(f.pass())
		}
		f.ask()
		f.conclude()
		if f.waiting() && !f.full() {
			f.nudge()
		}
	}
}

// pass lets time pass, and returns how soon it wants to be called again.
func (f *Feed) pass() time.Duration {
	f.observe()
	f.countDropped()
	f.demand.step()
	f.sink.Begin()
	defer f.sink.Commit()
	return f.core.tick(f.now())
}

// conclude notes what the turn has come to.
func (f *Feed) conclude() {
	if !f.holding && f.core.connected {
		f.committed = f.now()
	}
	f.publishStats()
}

// now is the time of the core.
func (f *Feed) now() int64 {
	if f.o.Delay > 0 {
		return f.pastNow()
	}
	return f.o.Now().UnixMicro()
}

// takeAhead takes in what waits. A publisher's answer comes behind what it had published, but by a way of its own: taken first, it would
// begin series ahead of ticks that are on their way here, which would then pass for repeats.
func (f *Feed) takeAhead() {
	for n := len(f.live); n > 0 && !f.full(); {
		f.observeNews()
		if f.holding {
			f.join.keep(<-f.live)
			n--
		} else {
			n -= f.drain(<-f.live)
		}
	}
}

// drain applies m and what waits behind it, together, so that under load the costs of a batch are shared
// while a lone tick is seen at once. It returns how many messages it took.
func (f *Feed) drain(m *nats.Msg) int {
	f.sink.Begin()
	return f.together(m)
}

// together does so in a batch that was begun.
func (f *Feed) together(m *nats.Msg) int {
	defer f.sink.Commit()
	defer f.core.takeTransit(&f.transit)
	for n := 1; ; n++ {
		f.apply(m)
		if n == maxTogether || len(f.status) > 0 {
			return n
		}
		select {
		case m = <-f.live:
		default:
			return n
		}
	}
}

// apply takes in a live message.
func (f *Feed) apply(m *nats.Msg) {
	if f.demand == nil || f.demand.admits(m) {
		f.core.live(m.Subject, m.Data, f.now())
	}
}

// observeNews does so ahead of live messages: a connection that is back says so ahead of what it brings, and the stream has what comes
// before that.
func (f *Feed) observeNews() {
	if len(f.status) > 0 {
		f.observe()
	}
}

// observe finds out whether the connection came or went. Both may have happened since the last look.
func (f *Feed) observe() {
	if f.o.Delay > 0 {
		f.observeTail()
		return
	}
	connected, reconnects := f.nc.IsConnected(), f.nc.Stats().Reconnects
	again := connected && (!f.core.connected || reconnects != f.reconnects)
	if (!connected || again) && f.core.connected {
		f.lostAt = f.now()
		f.log.Warn("lost the NATS server: every source is suspect")
		f.sink.Begin()
		f.core.disconnected(f.lostAt)
		f.sink.Commit()
	}
	if again {
		f.reconnects = reconnects
		f.sink.Begin()
		f.core.reconnected(f.now())
		f.sink.Commit()
		f.startJoin()
	}
}

// countDropped adds what the NATS client dropped since the last look because its channel was full.
func (f *Feed) countDropped() {
	if f.demand != nil {
		f.noteDropped(f.demand.dropped())
		return
	}
	if f.sub == nil {
		return
	}
	dropped, err := f.sub.Dropped()
	if err != nil || dropped == f.dropped {
		return // the connection is closed: nothing arrives any more
	}
	f.noteDropped(dropped - f.dropped)
	f.dropped = dropped
}

func (f *Feed) noteDropped(n int) {
	if n > 0 {
		f.counters.Add(drop.SlowIngest, uint64(n))
		f.log.Warn("ingest is too slow: the NATS client dropped messages", "messages", n)
	}
}

func (f *Feed) publishStats() {
	f.mu.Lock()
	f.stats.tally = f.core.tally
	f.stats.connected = f.core.connected
	f.mu.Unlock()
}
