package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// reader reads the stream that records the ticks. It is used by one finding goroutine.
type reader struct {
	f    *Feed
	join int    // on whose behalf; 0: none
	most uint64 // messages from a time on; 0: maxStored
	// demand has only definitions and statuses read, and of the subjects of some instruments everything.
	demand bool
	of     []string // instruments' subjects, up to the channel
	// overlap tells of a number in the stream whether the message may be known already, so that unnumbered trades are not
	// taken twice. nil: none is.
	overlap func(uint64) bool
	// again says that what the stream got since it was opened is read once more: by meanwhile, in the order in which it was published. Until
	// then a tick may come ahead of its definition.
	again bool
	// within bounds the wait for one answer of the stream. 0: readWithin.
	within time.Duration

	// Of the stream, as it was when it was opened.
	js      jetstream.JetStream
	stream  jetstream.Stream
	name    string
	first   uint64 // number of its first message
	firstAt time.Time
	last    uint64        // number of its last message
	ahead   time.Duration // of its server's clock, against this node's

	since time.Time // from when on trades were read
}

// open finds the stream, and reports false where there is none.
func (r *reader) open(until context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(until, r.patience())
	defer cancel()
	// Once, so that a note of silence which has begun is through before the answer is noted.
	var note sync.Once
	late := time.AfterFunc(answerSoon, func() { note.Do(func() { r.f.noteStream(false) }) })
	defer late.Stop()
	var err error
	if r.js, err = jetstream.New(r.f.nc, jetstream.WithDefaultTimeout(r.patience())); err != nil {
		return false, err
	}
	// The server must know of the subscription before the stream is looked at, so that nothing falls between.
	if err := r.f.nc.FlushWithContext(ctx); err != nil {
		return false, fmt.Errorf("flushing the subscription: %w", err)
	}
	stream, err := r.js.Stream(ctx, r.f.o.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		var name string
		if name, err = r.js.StreamNameBySubject(ctx, subject.AllOf(market.ChannelQuote)); err == nil {
			stream, err = r.js.Stream(ctx, name)
		}
	}
	late.Stop()
	note.Do(func() {})
	switch {
	case err == nil:
		r.f.noteStream(true)
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabled),
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		r.f.absent.Store(false)
		return false, nil
	default:
		if until.Err() == nil {
			r.f.noteStream(false)
		}
		return false, fmt.Errorf("stream %s: %w", r.f.o.Stream, err)
	}
	info := stream.CachedInfo()
	r.stream, r.name = stream, info.Config.Name
	r.first, r.firstAt, r.last = info.State.FirstSeq, info.State.FirstTime, info.State.LastSeq
	r.ahead = info.TimeStamp.Sub(r.f.o.Now())
	return true, nil
}

func (r *reader) patience() time.Duration { return cmp.Or(r.within, readWithin) }

// later reports whether the stream got a message after it was opened: the live path has it too.
func (r *reader) later(seq uint64) bool { return seq > r.last }

// boot reads every definition, the last quote, status and statistics of each instrument, and the trades of a while.
// The last tick of a book tells that there is one; where it is no image, the core asks for one.
func (r *reader) boot(ctx context.Context, history time.Duration) error {
	r.again = true
	definitions := jetstream.ConsumerConfig{FilterSubjects: r.subjects(market.ChannelDefinition)}
	states := r.lastOf(market.ChannelQuote, market.ChannelStatus, market.ChannelStats, market.ChannelBook)
	if r.demand {
		states = r.lastOf(market.ChannelStatus)
		history = -1
	}
	for _, cfg := range []jetstream.ConsumerConfig{definitions, states} {
		if err := r.read(ctx, cfg, r.last); err != nil {
			return err
		}
	}
	if history >= 0 {
		if err := r.trades(ctx, history); err != nil {
			return err
		}
	}
	return r.meanwhile(ctx)
}

// warm reads the last quote, statistics and tick of a book of some instruments, and their trades of a while.
func (r *reader) warm(ctx context.Context, history time.Duration) error {
	r.again = true
	if err := r.read(ctx, r.lastOf(market.ChannelQuote, market.ChannelStats, market.ChannelBook), r.last); err != nil {
		return err
	}
	r.since = r.f.o.Now()
	if history >= 0 {
		if err := r.trades(ctx, history); err != nil {
			return err
		}
		if r.first > 1 && r.firstAt.After(r.since) {
			r.since = r.firstAt
		}
	}
	return r.meanwhile(ctx)
}

// resumeSome reads the directory, and what was published of some instruments since a time up to which they are known.
func (r *reader) resumeSome(ctx context.Context, instruments []string, since time.Time) error {
	if err := r.boot(ctx, 0); err != nil {
		return err
	}
	for some := range slices.Chunk(instruments, warmTogether) {
		part := *r
		part.demand, part.of = false, some
		cfg := jetstream.ConsumerConfig{FilterSubjects: part.ticks(), DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since}
		err := part.read(ctx, cfg, neverTooMany)
		if errors.Is(err, errTooMany) {
			err = part.warm(ctx, r.f.o.Now().Add(r.ahead).Sub(since)) // of trades and books the numbers tell what is still missing
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resume reads what was published since a time up to which everything is known.
func (r *reader) resume(ctx context.Context, since time.Time) error {
	if r.first > 1 && r.firstAt.After(since) {
		r.f.log.Warn("the stream does not reach back to where this node stood: what is missing shows by its numbers",
			slog.Time("stood", since), slog.Time("stream", r.firstAt))
	}
	// All of it, quotes too: to pick out some channels of many instruments costs the server more than it spares.
	cfg := jetstream.ConsumerConfig{FilterSubjects: r.ticks(), DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since}
	err := r.follow(ctx, cfg, true)
	if !errors.Is(err, errTooMany) {
		return err
	}
	// Of too much the states count. Of trades and books the numbers tell what to ask for, one by one.
	return r.boot(ctx, r.f.o.Now().Add(r.ahead).Sub(since))
}

// meanwhile reads what the stream got since it was opened. Part of it was routed before this node listened.
func (r *reader) meanwhile(ctx context.Context) error {
	r.again = false
	info, err := r.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", r.name, err)
	}
	cfg := jetstream.ConsumerConfig{FilterSubjects: r.ticks(), DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.last + 1}
	return r.read(ctx, cfg, info.State.LastSeq)
}

// trades follows the trades of a while, or of less where that is too much.
func (r *reader) trades(ctx context.Context, history time.Duration) error {
	for ; ; history /= 2 {
		since := r.f.o.Now().Add(r.ahead - history)
		cfg := jetstream.ConsumerConfig{
			FilterSubjects: r.subjects(market.ChannelTrade), DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
		}
		r.since = since
		if err := r.follow(ctx, cfg, false); !errors.Is(err, errTooMany) || history == 0 {
			return err
		}
	}
}

// ticks selects all channels of a stream that records other things too, and nothing, which means all and is far cheaper, of
// one that does not.
func (r *reader) ticks() []string {
	switch {
	case r.demand:
		return r.subjects(market.ChannelDefinition, market.ChannelStatus)
	case r.of != nil:
		return r.subjects(market.ChannelQuote, market.ChannelTrade, market.ChannelBook, market.ChannelStats)
	}
	all := StreamOptions{}.config().Subjects
	for _, s := range r.stream.CachedInfo().Config.Subjects {
		if !slices.Contains(all, s) {
			return all
		}
	}
	return nil
}

// subjects selects some channels of the instruments that are read.
func (r *reader) subjects(channels ...market.Channel) (subjects []string) {
	for _, ch := range channels {
		if r.of == nil {
			subjects = append(subjects, subject.AllOf(ch))
		}
		for _, instrument := range r.of {
			subjects = append(subjects, instrument+ch.String())
		}
	}
	return subjects
}

// lastOf selects the last message of each instrument on some channels.
func (r *reader) lastOf(channels ...market.Channel) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubjects: r.subjects(channels...)}
}

var errTooMany = errors.New("the stream holds more than is to be read")

// read tells the feed the messages that cfg selects, up to a number in the stream or the end of what there is.
func (r *reader) read(ctx context.Context, cfg jetstream.ConsumerConfig, upTo uint64) error {
	return r.each(ctx, cfg, func(p pull) (bool, error) {
		return p.last < upTo && p.pending > 0, r.tell(found{messages: r.stored(p), join: r.join})
	})
}

// follow does so until the stream has come by what was published before this node listened, as far as that can be told. It
// says whether cfg selects changes of books.
func (r *reader) follow(ctx context.Context, cfg jetstream.ConsumerConfig, books bool) error {
	c, err := r.consume(ctx, cfg)
	if err != nil {
		return err
	}
	defer r.forget(c)
	for quiet := 0; ; quiet++ {
		at := unclear
		for c.pending > 0 && at != joined {
			p, err := c.pull(ctx)
			if err != nil {
				return err
			}
			if err := r.tell(found{messages: r.stored(p), join: r.join}); err != nil {
				return err
			}
			quiet = 0
			if p.last < r.last {
				continue
			}
			if at, err = r.f.reached(ctx, r.join, books); err != nil {
				return err
			}
		}
		if at, err = r.f.reached(ctx, r.join, books); err != nil || quiet >= at.patience() {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := c.look(ctx); err != nil {
			return err
		}
	}
}

func (r *reader) tell(what found) error {
	if !r.f.tell(what) {
		return context.Canceled
	}
	return nil
}

// pull is what one fetch from the stream brought.
type pull struct {
	messages []jetstream.Msg
	metadata []*jetstream.MsgMetadata
	pending  uint64 // messages selected beyond these
	last     uint64 // number in the stream of the last one
}

// stored returns the messages as the feed wants them.
func (p *pull) stored(overlap func(uint64) bool) []storedMessage {
	out := make([]storedMessage, len(p.messages))
	for i, m := range p.messages {
		md := p.metadata[i]
		out[i] = storedMessage{subject: m.Subject(), payload: m.Data(), at: md.Timestamp.UnixMicro(), overlap: overlap != nil && overlap(md.Sequence.Stream)}
	}
	return out
}

func (r *reader) stored(p pull) []storedMessage {
	out := p.stored(r.overlap)
	for i := range out {
		out[i].again = r.again && p.metadata[i].Sequence.Stream > r.last
	}
	return out
}

// each gives the messages that cfg selects to take, a few hundred at a time and in order, until it wants no
// more or there are none.
func (r *reader) each(ctx context.Context, cfg jetstream.ConsumerConfig, take func(pull) (bool, error)) error {
	c, err := r.consume(ctx, cfg)
	if err != nil {
		return err
	}
	defer r.forget(c)
	for c.pending > 0 {
		p, err := c.pull(ctx)
		if err != nil {
			return err
		}
		if more, err := take(p); err != nil || !more {
			return err
		}
	}
	return nil
}

// consumer reads some messages of the stream.
type consumer struct {
	jetstream.Consumer
	stream  string
	within  time.Duration // the reader's patience
	pending uint64        // messages that wait, as far as is known
}

func (r *reader) consume(ctx context.Context, cfg jetstream.ConsumerConfig) (*consumer, error) {
	cfg.AckPolicy = jetstream.AckNonePolicy
	cfg.MemoryStorage = true
	cfg.Replicas = 1
	cfg.InactiveThreshold = cmp.Or(cfg.InactiveThreshold, 30*time.Second) // the server's own clean-up, should this process die
	soon, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	made, err := r.js.CreateConsumer(soon, r.name, cfg)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", r.name, err)
	}
	c := &consumer{Consumer: made, stream: r.name, within: r.patience(), pending: made.CachedInfo().NumPending}
	most := r.most
	if most == 0 {
		most = maxStored
	}
	if c.pending > most && cfg.DeliverPolicy == jetstream.DeliverByStartTimePolicy {
		r.forget(c)
		return nil, errTooMany
	}
	return c, nil
}

// look finds out what came meanwhile.
func (c *consumer) look(ctx context.Context) error {
	info, err := c.Info(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", c.stream, err)
	}
	c.pending = info.NumPending
	return nil
}

// pull fetches what comes next, of which there must be some.
func (c *consumer) pull(ctx context.Context) (p pull, err error) {
	wait, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	batch, err := c.Fetch(int(min(c.pending, chunk)), jetstream.FetchContext(wait))
	if err != nil {
		return p, fmt.Errorf("stream %s: %w", c.stream, err)
	}
	for m := range batch.Messages() {
		md, err := m.Metadata()
		if err != nil {
			return p, fmt.Errorf("stream %s: %w", c.stream, err)
		}
		p.messages, p.metadata = append(p.messages, m), append(p.metadata, md)
		p.pending, p.last = md.NumPending, md.Sequence.Stream
	}
	c.pending = p.pending
	switch err := batch.Error(); {
	case len(p.messages) > 0:
		return p, nil
	case ctx.Err() != nil:
		return p, ctx.Err()
	case err != nil:
		return p, fmt.Errorf("stream %s: %w", c.stream, err)
	}
	return p, fmt.Errorf("stream %s: messages did not come within %v", c.stream, c.within)
}

// forget removes a consumer. The server would do so by itself, only later; so nobody waits for it once the
// feed is being stopped.
func (r *reader) forget(c *consumer) {
	ctx, cancel := context.WithTimeout(r.f.ctx, r.patience())
	defer cancel()
	name := c.CachedInfo().Name
	if err := r.js.DeleteConsumer(ctx, r.name, name); err != nil {
		r.f.log.Debug("a consumer is left to expire", slog.String("consumer", name), slog.Any("err", err))
	}
}
