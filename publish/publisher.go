package publish

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// Options says who publishes and how. Only Venue must be set.
type Options struct {
	// Venue is the first part of every symbol that this publisher defines.
	Venue string
	// Source names the feed within the venue where it has several; heartbeats speak for it. Instruments
	// defined without a source of their own belong to it.
	Source string
	// Line tells several publishers of one feed apart ("A", "B"). They must publish the same ticks in the
	// same order with the same Epoch; feedd takes whichever comes first.
	Line string
	// Epoch is the numbering that this publisher begins; it must be larger than any before. 0: the time
	// now, in microseconds.
	Epoch market.Epoch
	// HeartbeatInterval is the time between two heartbeats, 10 ms to 1 min. 0: one second. feedd holds the
	// feed for suspect after three of them in silence.
	HeartbeatInterval time.Duration
	// Linger is how long a tick may wait for others of its instrument and channel to share a message.
	// 0: not at all. UntilFlush: until Flush or until MaxBatch ticks wait.
	Linger time.Duration
	// MaxBatch bounds the ticks in a message, 1 to 10,000. 0: 256.
	MaxBatch int
	// TradeHistory is how many trades of each instrument are kept to fill gaps with, up to 10,000.
	// 0: 64. Below 0: none.
	TradeHistory int
	// Now is the clock that messages are stamped with. nil: time.Now.
	Now func() time.Time
}

// UntilFlush as Options.Linger keeps ticks back until Flush.
const UntilFlush time.Duration = -1

// ErrClosed is what a closed Publisher answers.
var ErrClosed = errors.New("publish: the publisher is closed")

// definitionRound is the time within which every definition is published again, so that a stream which
// forgets what is older than a quarter of an hour always holds one of each instrument. Heartbeats name the last numbers with it.
const definitionRound = 5 * time.Minute

// requestBacklog bounds the snapshot requests that wait for an answer; further ones are dropped by the
// NATS client, and feedd asks again.
const requestBacklog = 256

// Publisher publishes for one feed of one venue. Its methods may be called from any goroutine. It does
// not own the NATS connection.
type Publisher struct {
	nc       *nats.Conn
	o        Options
	requests chan *nats.Msg
	sub      *nats.Subscription
	closed   atomic.Bool
	instance uint64 // tells this run from another that uses its name

	// The background goroutine: heartbeats, answers, lingering ticks.
	stop     chan struct{}
	done     chan struct{}
	lingerOn chan struct{} // a first tick lingers

	// mu guards the instruments by symbol and in order of definition.
	mu          sync.Mutex
	bySymbol    map[market.Symbol]*Instrument
	instruments []*Instrument
	repeatNext  int // index of the next definition to publish again

	// pendMu guards what waits for a flush. It is taken with an Instrument's lock held, never the other
	// way round.
	pendMu    sync.Mutex
	pending   []*Instrument
	lateError error // of a send in the background; the next Flush or Close returns it
}

// New starts a publisher on nc. Close ends it.
func New(nc *nats.Conn, o Options) (*Publisher, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p := &Publisher{
		nc: nc, o: o, instance: max(1, rand.Uint64()), bySymbol: make(map[market.Symbol]*Instrument),
		requests: make(chan *nats.Msg, requestBacklog),
		stop:     make(chan struct{}), done: make(chan struct{}), lingerOn: make(chan struct{}, 1),
	}
	var err error
	if p.sub, err = nc.ChanSubscribe(subject.Snapshots(o.Venue), p.requests); err != nil {
		return nil, fmt.Errorf("publish: answering snapshot requests of venue %s: %w", o.Venue, err)
	}
	go p.run()
	return p, nil
}

// complete checks the options and fills in what is left open.
func (o *Options) complete() error {
	if err := subject.ValidateVenue(o.Venue); err != nil {
		return fmt.Errorf("publish: Options.Venue: %w", err)
	}
	for _, text := range [...]string{o.Venue, o.Source, o.Line} {
		if !utf8.ValidString(text) || len(text) > market.MaxSymbolLen {
			return fmt.Errorf("publish: Options: name %q: want UTF-8 of at most %d bytes", text, market.MaxSymbolLen)
		}
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = time.Second
	}
	if o.HeartbeatInterval < 10*time.Millisecond || o.HeartbeatInterval > time.Minute {
		return fmt.Errorf("publish: Options.HeartbeatInterval %v: want 10ms to 1m", o.HeartbeatInterval)
	}
	if o.Linger < UntilFlush {
		return fmt.Errorf("publish: Options.Linger %v: want 0, a duration, or UntilFlush", o.Linger)
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = 256
	}
	if o.MaxBatch < 1 || o.MaxBatch > 10_000 {
		return fmt.Errorf("publish: Options.MaxBatch %d: want 1 to 10000", o.MaxBatch)
	}
	if o.TradeHistory == 0 {
		o.TradeHistory = 64
	}
	if o.TradeHistory > 10_000 {
		return fmt.Errorf("publish: Options.TradeHistory %d: want at most 10000", o.TradeHistory)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Epoch == 0 {
		o.Epoch = market.Epoch(o.Now().UnixMicro())
	}
	return nil
}

// Epoch returns the epoch that this publisher numbers its ticks in.
func (p *Publisher) Epoch() market.Epoch { return p.o.Epoch }

// Define publishes what an instrument is and returns the place to publish its ticks. Defining one again
// changes everything but its scales, which are fixed for the epoch, and returns the same Instrument. Its
// source is the publisher's; in.Source may be left empty.
func (p *Publisher) Define(in market.Instrument) (*Instrument, error) {
	if err := p.checkDefinition(&in); err != nil {
		return nil, err
	}
	p.mu.Lock()
	i := p.bySymbol[in.Symbol]
	if i == nil {
		i = newInstrument(p, in)
		p.bySymbol[in.Symbol] = i
		p.instruments = append(p.instruments, i)
	}
	p.mu.Unlock()
	return i, i.define(in)
}

func (p *Publisher) checkDefinition(in *market.Instrument) error {
	if err := in.Symbol.Validate(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if in.Symbol.Venue != p.o.Venue {
		return fmt.Errorf("publish: symbol %s: this publisher's venue is %s", in.Symbol, p.o.Venue)
	}
	if in.PriceScale > market.MaxScale || in.SizeScale > market.MaxScale {
		return fmt.Errorf("publish: symbol %s: scales %d and %d: at most %d", in.Symbol, in.PriceScale, in.SizeScale, market.MaxScale)
	}
	for _, text := range [...]string{in.Symbol.String(), in.Description, in.Base, in.Quote, in.TimeZone} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("publish: symbol %s: %q is not UTF-8", in.Symbol, text)
		}
	}
	if own := p.source(); in.Source != "" && in.Source != own {
		return fmt.Errorf("publish: symbol %s: source %q: this publisher's heartbeats speak for %q", in.Symbol, in.Source, own)
	}
	if in.PriceStep < 0 || in.SizeStep < 0 {
		return fmt.Errorf("publish: symbol %s: steps %d and %d: want 0 (unknown) or more", in.Symbol, in.PriceStep, in.SizeStep)
	}
	if in.SessionStart < 0 || in.SessionStart >= secondsADay {
		return fmt.Errorf("publish: symbol %s: session start %d: want seconds after midnight, 0 to %d", in.Symbol, in.SessionStart, secondsADay-1)
	}
	if _, err := time.LoadLocation(in.TimeZone); err != nil || in.TimeZone == "Local" {
		return fmt.Errorf("publish: symbol %s: time zone %q: want an IANA name such as America/New_York, or nothing for UTC", in.Symbol, in.TimeZone)
	}
	return nil
}

const secondsADay = 24 * 60 * 60

// source returns the name that feedd gives to this publisher's feed.
func (p *Publisher) source() string {
	if p.o.Source == "" {
		return p.o.Venue
	}
	return p.o.Venue + "/" + p.o.Source
}

// Flush hands every tick that waits to NATS. It does not wait for them to arrive anywhere.
func (p *Publisher) Flush() error {
	p.pendMu.Lock()
	batch, err := p.pending, p.lateError
	p.pending, p.lateError = nil, nil
	p.pendMu.Unlock()
	for _, i := range batch {
		err = errors.Join(err, i.flush())
	}
	return err
}

// Close sends what waits and a last heartbeat, which tells feedd that silence follows, and ends the
// publisher. Later calls do nothing.
func (p *Publisher) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	close(p.stop)
	<-p.done
	err := p.sub.Unsubscribe()
	p.mu.Lock()
	instruments := p.instruments
	p.mu.Unlock()
	// Each instrument's lock is taken once, so that no tick that got past the closed check goes out behind
	// the closing heartbeat.
	for _, i := range instruments {
		err = errors.Join(err, i.flush())
	}
	err = errors.Join(err, p.Flush(), p.heartbeat(true))
	if p.nc.IsConnected() {
		err = errors.Join(err, p.nc.FlushTimeout(time.Second))
	}
	return err
}

// run is the background goroutine, from New to Close.
func (p *Publisher) run() {
	defer close(p.done)
	beat := time.NewTicker(p.o.HeartbeatInterval)
	defer beat.Stop()
	var linger <-chan time.Time
	p.late(p.heartbeat(false))
	for {
		select {
		case <-p.stop:
			return
		case <-beat.C:
			p.late(p.repeat())
			p.late(p.heartbeat(false))
		case <-p.lingerOn:
			linger = time.After(p.o.Linger)
		case <-linger:
			linger = nil
			p.late(p.Flush())
		case m := <-p.requests:
			p.late(p.answer(m))
		}
	}
}

// late keeps the first error of the background for the next Flush or Close.
func (p *Publisher) late(err error) {
	if err == nil {
		return
	}
	p.pendMu.Lock()
	if p.lateError == nil {
		p.lateError = err
	}
	p.pendMu.Unlock()
}

// await puts an instrument on the list of those that Flush sends.
func (p *Publisher) await(i *Instrument) {
	p.pendMu.Lock()
	p.pending = append(p.pending, i)
	p.pendMu.Unlock()
	if p.o.Linger > 0 {
		select {
		case p.lingerOn <- struct{}{}:
		default:
		}
	}
}

// repeat publishes so many definitions again that a round takes definitionRound at most.
func (p *Publisher) repeat() error {
	p.mu.Lock()
	n := len(p.instruments)
	count := int((time.Duration(n)*p.o.HeartbeatInterval + definitionRound - 1) / definitionRound)
	turn := make([]*Instrument, 0, count)
	for range count {
		turn = append(turn, p.instruments[p.repeatNext%n])
		p.repeatNext = (p.repeatNext + 1) % n
	}
	p.mu.Unlock()
	var err error
	for _, i := range turn {
		err = errors.Join(err, i.repeat())
	}
	return err
}

func (p *Publisher) micros() int64 { return p.o.Now().UnixMicro() }
