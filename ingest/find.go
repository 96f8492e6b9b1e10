package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

const (
	// maxAsking bounds the requests that are under way at a time.
	maxAsking = 8
	// answerWithin is how long a publisher may take to answer.
	answerWithin = time.Second
	// fetchBack is how far back a gap is looked for where no earlier trade tells when it was.
	fetchBack = 10 * time.Minute
)

// ask starts what the core wants, a few at a time.
func (f *Feed) ask() {
	f.queue = append(f.queue, f.core.takeRequests()...)
	for f.asking < maxAsking && len(f.queue) > 0 {
		r := f.queue[0]
		f.queue = f.queue[1:]
		f.asking++
		f.finder.Add(1)
		go f.find(r)
	}
	if len(f.queue) == 0 {
		f.queue = nil // the array behind a storm of requests is not kept
	}
}

// find is the goroutine that answers one request; it ends when it has told how that went, or with the feed.
func (f *Feed) find(r request) {
	defer f.finder.Done()
	if r.series == nil {
		f.tell(found{request: r, done: true, answered: f.askPublisher(r)})
		return
	}
	// The stream first, which has all it was sent; then the publisher, which may have what never reached NATS.
	searched := f.searchStream(r)
	if searched.complete {
		f.tell(found{request: r, done: true})
		return
	}
	f.askPublisher(r)
	f.tell(found{request: r, done: true, hopeless: searched.hopeless})
}

// askPublisher asks for an instrument's state and passes the answer on. It reports whether there was one.
func (f *Feed) askPublisher(r request) bool {
	ctx, cancel := context.WithTimeout(f.ctx, answerWithin)
	defer cancel()
	inbox := f.nc.NewInbox()
	sub, err := f.nc.SubscribeSync(inbox)
	if err != nil {
		return false
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is closed
	if err := f.nc.PublishRequest(subject.Snapshot(r.symbol), inbox, nil); err != nil {
		return false
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			if !errors.Is(err, nats.ErrNoResponders) && f.ctx.Err() == nil {
				f.log.Debug("no answer to a snapshot request", slog.String("symbol", r.symbol.String()), slog.Any("err", err))
			}
			return false
		}
		// A stream that records the requests acknowledges them to the same inbox: not every reply is an answer.
		if batches, ok := tick.Batches(m.Data); ok {
			return f.tell(found{request: r, batches: batches})
		}
	}
}

// search is how looking for trades in the stream went.
type search struct {
	complete bool // all of them were found
	hopeless bool // the stream cannot bring them any more
}

// searchStream looks for the trades of r and passes on what it finds.
func (f *Feed) searchStream(r request) search {
	ctx, cancel := context.WithTimeout(f.ctx, readWithin)
	defer cancel()
	stream := &reader{f: f}
	there, err := stream.open(ctx)
	switch {
	case err != nil:
		return search{} // it may come back
	case !there:
		return search{hopeless: true}
	}
	since := f.o.Now().Add(-fetchBack)
	if r.since != 0 {
		since = time.UnixMicro(r.since).Add(-clockSlack)
	}
	w := &window{request: r}
	err = stream.each(ctx, jetstream.ConsumerConfig{
		FilterSubjects: []string{r.subject}, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	}, func(p pull) (bool, error) {
		w.take(p.stored(nil))
		return p.pending > 0, nil
	})
	if err != nil {
		f.log.Debug("looking for missing trades in the stream", slog.String("subject", r.subject), slog.Any("err", err))
		return search{hopeless: errors.Is(err, errTooMany)}
	}
	if len(w.messages) > 0 && !f.tell(found{messages: w.messages}) {
		return search{}
	}
	return search{complete: w.have == uint64(r.to-r.from)+1, hopeless: w.beyond}
}

// window picks the messages that hold trades of a request.
type window struct {
	request  request
	batch    tick.Batch
	messages []storedMessage
	have     uint64          // trades between from and to
	covered  market.Sequence // the last of them, so that what is in the stream twice counts once
	beyond   bool            // the stream holds later trades, so that it does not lag behind the gap
}

func (w *window) take(messages []storedMessage) {
	for _, m := range messages {
		if w.batch.ReadProtobuf(m.payload) != nil || w.batch.Epoch < uint64(w.request.epoch) || len(w.batch.Trades) == 0 {
			continue
		}
		first := market.Sequence(w.batch.Sequence)
		last := first + market.Sequence(len(w.batch.Trades)-1)
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
