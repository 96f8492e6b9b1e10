package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	most uint64 // messages of a channel from a time on; 0: maxStored

	// Of the stream, as it was when it was opened.
	js      jetstream.JetStream
	stream  jetstream.Stream
	name    string
	first   uint64 // number of its first message
	firstAt time.Time
	last    uint64        // number of its last message
	ahead   time.Duration // of its server's clock, against this node's
}

// open finds the stream, and reports false where there is none.
func (r *reader) open(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	var err error
	if r.js, err = jetstream.New(r.f.nc); err != nil {
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
	switch {
	case err == nil:
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabled),
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return false, nil
	default:
		return false, fmt.Errorf("stream %s: %w", r.f.o.Stream, err)
	}
	info := stream.CachedInfo()
	r.stream, r.name = stream, info.Config.Name
	r.first, r.firstAt, r.last = info.State.FirstSeq, info.State.FirstTime, info.State.LastSeq
	r.ahead = info.TimeStamp.Sub(r.f.o.Now())
	return true, nil
}

// later reports whether the stream got a message after it was opened: the live path has it too.
func (r *reader) later(seq uint64) bool { return seq > r.last }

// boot reads every definition, the last quote, status and statistics of each instrument, and the trades of a while.
// The last tick of a book tells that there is one; where it is no image, the core asks for one.
func (r *reader) boot(ctx context.Context, history time.Duration) error {
	definitions := jetstream.ConsumerConfig{FilterSubjects: []string{subject.AllOf(market.ChannelDefinition)}}
	states := lastOf(market.ChannelQuote, market.ChannelStatus, market.ChannelStats, market.ChannelBook)
	for _, cfg := range []jetstream.ConsumerConfig{definitions, states} {
		if err := r.read(ctx, cfg, r.last, r.later); err != nil {
			return err
		}
	}
	if history >= 0 {
		if err := r.trades(ctx, history, r.later); err != nil {
			return err
		}
	}
	return r.meanwhile(ctx, market.ChannelDefinition, market.ChannelQuote, market.ChannelStatus, market.ChannelStats, market.ChannelBook)
}

// resume reads what was published since a time up to which everything is known. Unnumbered trades are not taken where
// overlap says that they may be known already.
func (r *reader) resume(ctx context.Context, since time.Time, overlap func(uint64) bool) error {
	if r.first > 1 && r.firstAt.After(since) {
		r.f.log.Warn("the stream does not reach back to where this node stood: what is missing shows by its numbers",
			slog.Time("stood", since), slog.Time("stream", r.firstAt))
	}
	states := lastOf(market.ChannelQuote, market.ChannelStatus, market.ChannelStats)
	for _, cfg := range []jetstream.ConsumerConfig{from(since, market.ChannelDefinition), states} {
		if err := r.read(ctx, cfg, r.last, overlap); err != nil {
			return err
		}
	}
	err := r.follow(ctx, from(since, market.ChannelTrade, market.ChannelBook), overlap, true)
	if errors.Is(err, errTooMany) {
		// Of too many changes the numbers tell what to ask for, book by book.
		err = r.trades(ctx, r.f.o.Now().Sub(since), overlap)
	}
	if err != nil {
		return err
	}
	return r.meanwhile(ctx, market.ChannelDefinition, market.ChannelQuote, market.ChannelStatus, market.ChannelStats)
}

// meanwhile reads what the stream got on some channels since it was opened. Part of it was routed before this node listened.
func (r *reader) meanwhile(ctx context.Context, channels ...market.Channel) error {
	info, err := r.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("stream %s: %w", r.name, err)
	}
	if info.State.LastSeq == r.last {
		return nil
	}
	cfg := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.last + 1, FilterSubjects: subjects(channels)}
	return r.read(ctx, cfg, info.State.LastSeq, nil)
}

// trades follows the trades of a while, or of less where that is too much.
func (r *reader) trades(ctx context.Context, history time.Duration, overlap func(uint64) bool) error {
	for ; ; history /= 2 {
		err := r.follow(ctx, from(r.f.o.Now().Add(-history), market.ChannelTrade), overlap, false)
		if !errors.Is(err, errTooMany) || history == 0 {
			return err
		}
	}
}

// lastOf selects the last message of each instrument on some channels.
func lastOf(channels ...market.Channel) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubjects: subjects(channels)}
}

// from selects all messages on some channels from a time on.
func from(since time.Time, channels ...market.Channel) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since, FilterSubjects: subjects(channels)}
}

func subjects(channels []market.Channel) (all []string) {
	for _, ch := range channels {
		all = append(all, subject.AllOf(ch))
	}
	return all
}

var errTooMany = errors.New("the stream holds more than is to be read")

// read tells the feed the messages that cfg selects, up to a number in the stream or the end of what there is.
func (r *reader) read(ctx context.Context, cfg jetstream.ConsumerConfig, upTo uint64, overlap func(uint64) bool) error {
	return r.each(ctx, cfg, func(p pull) (bool, error) {
		return p.last < upTo && p.pending > 0, r.tell(found{messages: p.stored(overlap), join: r.join})
	})
}

// follow does so until the stream has come by what was published before this node listened, as far as that can be told. It
// says whether it brings all changes of books.
func (r *reader) follow(ctx context.Context, cfg jetstream.ConsumerConfig, overlap func(uint64) bool, books bool) error {
	pauses := 0
	return r.each(ctx, cfg, func(p pull) (bool, error) {
		if err := r.tell(found{messages: p.stored(overlap), join: r.join}); err != nil || p.pending > 0 {
			return true, err
		}
		if p.paused {
			pauses++
		} else {
			pauses = 0
		}
		var at reach
		if err := r.f.do(ctx, func() { at = r.f.reach(books) }); err != nil {
			return false, err
		}
		return pauses < at.patience(), nil
	})
}

func (r *reader) tell(what found) error {
	if !r.f.tell(what) {
		return context.Canceled
	}
	return nil
}

// pull is what one fetch from the stream brought: at the stream's end it may be nothing.
type pull struct {
	messages []jetstream.Msg
	metadata []*jetstream.MsgMetadata
	pending  uint64 // messages selected beyond these
	last     uint64 // number in the stream of the last one
	paused   bool   // nothing came for a while
}

// stored returns the messages as the feed wants them.
func (p *pull) stored(overlap func(uint64) bool) []storedMessage {
	out := make([]storedMessage, len(p.messages))
	for i, m := range p.messages {
		md := p.metadata[i]
		out[i] = storedMessage{m.Subject(), m.Data(), md.Timestamp.UnixMicro(), overlap != nil && overlap(md.Sequence.Stream)}
	}
	return out
}

// each gives the messages that cfg selects to take, a few hundred at a time and in order, until it wants no
// more. At the end of what there is it waits a moment for more, and gives an empty pull if none comes.
func (r *reader) each(ctx context.Context, cfg jetstream.ConsumerConfig, take func(pull) (bool, error)) error {
	cfg.AckPolicy = jetstream.AckNonePolicy
	cfg.MemoryStorage = true
	cfg.Replicas = 1
	cfg.InactiveThreshold = 30 * time.Second // the server's own clean-up, should this process die
	consumer, err := r.js.CreateConsumer(ctx, r.name, cfg)
	if err != nil {
		return fmt.Errorf("stream %s: %w", r.name, err)
	}
	info := consumer.CachedInfo()
	defer r.forget(info.Name)
	most := r.most
	if most == 0 {
		most = maxStored
	}
	if info.NumPending/uint64(len(cfg.FilterSubjects)) > most && cfg.DeliverPolicy == jetstream.DeliverByStartTimePolicy {
		return errTooMany
	}
	p := pull{pending: info.NumPending}
	if p.pending == 0 {
		if more, err := take(p); err != nil || !more {
			return err
		}
	}
	for {
		if p, err = r.pull(ctx, consumer, p); err != nil {
			return err
		}
		if more, err := take(p); err != nil || !more {
			return err
		}
	}
}

// pull fetches what comes next behind p.
func (r *reader) pull(ctx context.Context, consumer jetstream.Consumer, p pull) (pull, error) {
	within := readWithin
	if p.pending == 0 {
		within = pause
	}
	wait, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	next := pull{last: p.last}
	batch, err := consumer.Fetch(int(max(1, min(p.pending, chunk))), jetstream.FetchContext(wait))
	if err != nil {
		return next, fmt.Errorf("stream %s: %w", r.name, err)
	}
	for m := range batch.Messages() {
		md, err := m.Metadata()
		if err != nil {
			return next, fmt.Errorf("stream %s: %w", r.name, err)
		}
		next.messages, next.metadata = append(next.messages, m), append(next.metadata, md)
		next.pending, next.last = md.NumPending, md.Sequence.Stream
	}
	switch err := batch.Error(); {
	case len(next.messages) > 0:
		return next, nil
	case ctx.Err() != nil:
		return next, ctx.Err()
	case p.pending == 0:
		next.paused = true
		return next, nil // as may be
	case err != nil:
		return next, fmt.Errorf("stream %s: %w", r.name, err)
	}
	return next, fmt.Errorf("stream %s: %d messages did not come within %v", r.name, p.pending, readWithin)
}

// forget removes a consumer. The server would do so by itself, only later; so nobody waits for it once the
// feed is being stopped.
func (r *reader) forget(consumer string) {
	ctx, cancel := context.WithTimeout(r.f.ctx, readWithin)
	defer cancel()
	if err := r.js.DeleteConsumer(ctx, r.name, consumer); err != nil {
		r.f.log.Debug("a consumer is left to expire", slog.String("consumer", consumer), slog.Any("err", err))
	}
}
