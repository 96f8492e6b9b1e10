package revoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/auth"
)

const (
	// lookAgain is the time between two looks for a bucket that is not there, or that could not be read.
	lookAgain = 500 * time.Millisecond
	// rewatchEvery is how long a watch is trusted: watches have been known to die in silence.
	rewatchEvery = time.Minute
	// askWithin bounds one question to JetStream.
	askWithin = 3 * time.Second
	// backlog is how many messages may wait; beyond it the bucket tells the rest.
	backlog = 4096
)

// Follower hears of revocations. Its methods may be called from several goroutines at a time.
type Follower interface {
	// Revoked tells of one, perhaps again.
	Revoked(r auth.Revocation)
	// Known says that all that are remembered have been told, or that nothing remembers any. It is called again about
	// once a minute.
	Known()
}

// Follow tells f of all revocations until ctx ends.
func Follow(ctx context.Context, nc *nats.Conn, f Follower, log *slog.Logger) error {
	live := make(chan *nats.Msg, backlog)
	sub, err := nc.ChanSubscribe(Subject, live)
	if err != nil {
		return fmt.Errorf("listening for revocations: %w", err)
	}
	l := &listener{nc: nc, to: f, log: log}
	var listening sync.WaitGroup
	defer listening.Wait()
	listening.Go(func() {
		for {
			select {
			case m := <-live:
				l.take(m.Data)
			case <-ctx.Done():
				_ = sub.Unsubscribe() // fails where the connection is closed
				return
			}
		}
	})
	for ctx.Err() == nil {
		if err := l.watch(ctx); err != nil {
			select {
			case <-time.After(lookAgain):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

type listener struct {
	nc      *nats.Conn
	to      Follower
	log     *slog.Logger
	trouble string // of watch: what was told last, so that it is told once
}

// watch tells what the bucket remembers until that fails, or the watch has been trusted for long enough.
func (l *listener) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rewatchEvery)
	defer cancel()
	asking, done := context.WithTimeout(ctx, askWithin)
	defer done()
	kv, err := openBucket(asking, l.nc, false)
	var w jetstream.KeyWatcher
	if err == nil {
		w, err = kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	}
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		l.to.Known() // there is none, or nobody who keeps any
		return err
	case err != nil:
		if text := err.Error(); ctx.Err() == nil && l.trouble != text {
			l.trouble = text
			l.log.Warn("revocations of before cannot be read; trying again", "error", err)
		}
		return err
	}
	defer func() { _ = w.Stop() }() // what it cannot end ends with the connection
	l.trouble = ""
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("the watch of the bucket has ended")
			case e == nil: // the end of what there is
				l.to.Known()
			default:
				l.take(e.Value())
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// take passes one on. What cannot be read is told, since somebody may now be let in who should not.
func (l *listener) take(text []byte) {
	var r auth.Revocation
	err := json.Unmarshal(text, &r)
	if err == nil {
		err = r.Validate()
	}
	if err != nil || len(text) > maxBytes {
		l.log.Error("a revocation cannot be read, and nobody is shut out by it", "bytes", len(text), "error", err)
		return
	}
	l.to.Revoked(r)
}
