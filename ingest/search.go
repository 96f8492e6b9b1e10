package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

const (
	// fetchBack is how far back a gap is looked for where no earlier tick tells when it was.
	fetchBack = 10 * time.Minute
	// probeWithin is how long the stream may take to say that it is there, before it is asked anew.
	probeWithin = time.Second
	// findWithin is how long each further answer of it may take: who makes consumers may be another server, which died.
	findWithin = 2 * time.Second
	// maxFound bounds the payloads that one search holds, in bytes.
	maxFound = 32 << 20
)

// imageBack is how far back a book's image is looked for, one step after the other. Changes are many: most images are
// near.
var imageBack = [...]time.Duration{10 * time.Second, time.Minute, 15 * time.Minute}

// search is how looking for ticks in the stream went.
type search struct {
	complete bool // all of them were found
	hopeless bool // the stream cannot bring them any more
	away     bool // the stream did not answer: it may have them, and come back
}

// window picks messages of one subject.
type window interface {
	take([]storedMessage)
	picked() []storedMessage
}

// searchStream looks for the ticks of r and passes on what it finds. Of a stream that does not answer only one search at a time asks
// whether it is back: what an absent leader is asked is never answered, and many who wait for that would hold up those behind them.
func (f *Feed) searchStream(ctx context.Context, r request) search {
	select {
	case f.searches <- struct{}{}:
		defer func() { <-f.searches }()
	case <-ctx.Done():
		return search{}
	}
	if f.absent.Load() {
		if !f.probing.CompareAndSwap(false, true) {
			return search{away: true}
		}
		defer f.probing.Store(false)
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	stream := &reader{f: f, within: probeWithin}
	there, err := stream.open(ctx)
	stream.within = findWithin
	switch {
	case err != nil:
		return search{away: true}
	case !there:
		return search{hopeless: true}
	}
	if r.image() {
		return f.searchImage(ctx, stream, r)
	}
	since := f.o.Now().Add(stream.ahead - fetchBack)
	if r.since != 0 {
		since = time.UnixMicro(r.since).Add(stream.ahead - clockSlack)
	}
	w := &rangeWindow{request: r}
	if err := stream.through(ctx, r.subject, since, w); err != nil {
		return f.failed(r, err)
	}
	if len(w.messages) > 0 && !f.tell(found{messages: w.messages}) {
		return search{}
	}
	return search{complete: w.have == uint64(r.to-r.from)+1, hopeless: w.beyond}
}

// searchImage looks for the last image of a book, and passes it on with what is behind it.
func (f *Feed) searchImage(ctx context.Context, stream *reader, r request) search {
	now := f.o.Now().Add(stream.ahead)
	for _, back := range imageBack {
		w := &imageWindow{}
		if err := stream.through(ctx, r.subject, now.Add(-back), w); err != nil {
			return f.failed(r, err)
		}
		if w.found {
			f.tell(found{messages: w.messages})
			return search{complete: true}
		}
	}
	return search{hopeless: true}
}

func (f *Feed) failed(r request, err error) search {
	f.log.Debug("looking for missing ticks in the stream", slog.String("subject", r.subject), slog.Any("err", err))
	hopeless := errors.Is(err, errTooMany)
	return search{hopeless: hopeless, away: !hopeless}
}

// through gives w all messages of a subject from a time on.
func (r *reader) through(ctx context.Context, subj string, since time.Time, w window) error {
	cfg := jetstream.ConsumerConfig{
		FilterSubjects: []string{subj}, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	}
	return r.each(ctx, cfg, func(p pull) (bool, error) {
		w.take(p.stored(nil))
		bytes := 0
		for _, m := range w.picked() {
			bytes += len(m.payload)
		}
		if bytes > maxFound {
			return false, errTooMany
		}
		return p.pending > 0, nil
	})
}

// rangeWindow picks the messages that hold ticks of a request.
type rangeWindow struct {
	request  request
	batch    tick.Batch
	messages []storedMessage
	have     uint64          // ticks between from and to
	covered  market.Sequence // the last of them, so that what is in the stream twice counts once
	beyond   bool            // the stream holds later ticks, so that it does not lag behind the gap
}

func (w *rangeWindow) picked() []storedMessage { return w.messages }

func (w *rangeWindow) take(messages []storedMessage) {
	for _, m := range messages {
		if readNumbers(&w.batch, m.payload, w.request.channel) != nil || w.batch.Epoch < uint64(w.request.epoch) {
			continue
		}
		ch, one := w.batch.Channel()
		if !one || ch != w.request.channel {
			continue
		}
		first := market.Sequence(w.batch.Sequence)
		last := first + market.Sequence(w.batch.Len()-1)
		newer := w.batch.Epoch > uint64(w.request.epoch)
		w.beyond = w.beyond || newer || last > w.request.to
		if newer || last < w.request.from || first > w.request.known {
			continue
		}
		w.messages = append(w.messages, m)
		if from, to := max(first, w.request.from, w.covered+1), min(last, w.request.to); from <= to {
			w.have += uint64(to-from) + 1
			w.covered = to
		}
	}
}

// readNumbers reads a payload whose values do not matter, nor whether they fit any scale.
func readNumbers(b *tick.Batch, payload []byte, ch market.Channel) error {
	if !tick.IsJSON(payload) {
		return b.ReadProtobuf(payload)
	}
	err := b.ReadJSON(payload, ch, provisionalScales)
	var why *tick.Refusal
	if errors.As(err, &why) && why.Reason == drop.ScaleLoss {
		return nil
	}
	return err
}

// imageWindow picks the last image of a book and the messages behind it, and the one ahead of it, which tells that
// nothing of the image is missing.
type imageWindow struct {
	batch    tick.Batch
	messages []storedMessage
	found    bool
	inside   bool            // of an image in parts
	last     market.Position // of the last tick seen: a line that is behind begins no image
}

func (w *imageWindow) picked() []storedMessage { return w.messages }

func (w *imageWindow) take(messages []storedMessage) {
	for _, m := range messages {
		if readNumbers(&w.batch, m.payload, market.ChannelBook) != nil || len(w.batch.Books) == 0 {
			continue
		}
		w.messages = append(w.messages, m)
		p := market.Position{Epoch: market.Epoch(w.batch.Epoch), Sequence: market.Sequence(w.batch.Sequence)}
		for i := range w.batch.Books {
			e := &w.batch.Books[i]
			if p.Epoch == 0 || w.last.Before(p) {
				if e.Snapshot && !w.inside {
					w.found = true
					w.messages = w.messages[max(0, len(w.messages)-2):]
				}
				w.inside = e.Snapshot && e.Partial
				w.last = p
			}
			p.Sequence++
		}
	}
}
