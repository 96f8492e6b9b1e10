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
	join int // on whose behalf; 0: none
	js   jetstream.JetStream
	name string
	last uint64 // number of the stream's last message when it was opened
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
	r.name, r.last = info.Config.Name, info.State.LastSeq
	return true, nil
}

// boot reads every definition, the last quote, status and statistics of each instrument, and the trades of a while.
// The last tick of a book tells that there is one; where it is no image, the core asks for one.
func (r *reader) boot(ctx context.Context, history time.Duration) error {
	// Unnumbered ticks that the stream got later are taken to be kept back.
	overlap := func(seq uint64) bool { return seq > r.last }
	definitions := jetstream.ConsumerConfig{FilterSubjects: []string{subject.AllOf(market.ChannelDefinition)}}
	if err := r.read(ctx, definitions, overlap); err != nil {
		return err
	}
	if err := r.read(ctx, lastStates(), overlap); err != nil {
		return err
	}
	if history < 0 {
		return nil
	}
	for ; ; history /= 2 {
		err := r.follow(ctx, tradesSince(r.f.o.Now().Add(-history)), overlap)
		if !errors.Is(err, errTooMany) || history == 0 {
			return err
		}
	}
}

// rejoin reads what was published since the connection was lost. Unnumbered ticks among it cannot be told from those
// that arrived.
func (r *reader) rejoin(ctx context.Context, since time.Time) error {
	overlap := func(uint64) bool { return true }
	definitions := jetstream.ConsumerConfig{
		FilterSubjects: []string{subject.AllOf(market.ChannelDefinition)},
		DeliverPolicy:  jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	}
	for _, cfg := range []jetstream.ConsumerConfig{definitions, lastStates()} {
		if err := r.read(ctx, cfg, overlap); err != nil {
			return err
		}
	}
	return r.follow(ctx, tradesSince(since), overlap)
}

func lastStates() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		FilterSubjects: []string{subject.AllOf(market.ChannelQuote), subject.AllOf(market.ChannelStatus),
			subject.AllOf(market.ChannelStats), subject.AllOf(market.ChannelBook)},
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	}
}

func tradesSince(since time.Time) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		FilterSubjects: []string{subject.AllOf(market.ChannelTrade)},
		DeliverPolicy:  jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	}
}

var errTooMany = errors.New("the stream holds more than is to be read")

// read tells the feed the messages that cfg selects, up to where the stream stood when it was opened.
func (r *reader) read(ctx context.Context, cfg jetstream.ConsumerConfig, overlap func(uint64) bool) error {
	return r.each(ctx, cfg, func(p pull) (bool, error) {
		return p.last < r.last && p.pending > 0, r.tell(found{messages: p.stored(overlap), join: r.join})
	})
}

// follow does so beyond that point, until the feed ends the context or the stream brings nothing for a while.
func (r *reader) follow(ctx context.Context, cfg jetstream.ConsumerConfig, overlap func(uint64) bool) error {
	idle := false
	return r.each(ctx, cfg, func(p pull) (bool, error) {
		if idle = idle && len(p.messages) == 0; idle {
			return false, nil
		}
		idle = len(p.messages) == 0
		return true, r.tell(found{messages: p.stored(overlap), join: r.join, caughtUp: p.pending == 0})
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
	if info.NumPending > maxStoredTrades && cfg.DeliverPolicy == jetstream.DeliverByStartTimePolicy {
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
		within = followIdle
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
		return next, nil // nothing came, as may be
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
