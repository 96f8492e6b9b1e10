package checkpoint

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/feedd/feedd/internal/drop"
)

// share is the part of the time that writing may take: 1 in share.
const share = 20

// Keeper writes checkpoints into a directory. Run and Save must not run at the same time; Stats may be called from any
// goroutine.
type Keeper struct {
	o Options

	// Of whoever runs Run or Save.
	failure string // why the last one could not be written; empty: it was

	// mu guards what Stats shows.
	mu    sync.Mutex
	stats Stats
}

// Options of a Keeper; all must be set but Prepare.
type Options struct {
	Dir   string
	Every time.Duration // between the beginnings of two checkpoints, at least
	// Prepare is called ahead of each checkpoint; it may refuse. nil: nothing is to be prepared.
	Prepare func() error
	// Fill writes the sections. Where ctx ends, it should give up with the error of ctx.
	Fill     func(ctx context.Context, w *Writer) error
	Counters *drop.Counters // drop.UnsavedState is counted
	Log      *slog.Logger
}

// Stats is how a Keeper fares.
type Stats struct {
	Last  time.Time     // when the last good checkpoint was begun; zero: there is none of this process
	Took  time.Duration // to write it
	Bytes int64         // its size
}

// NewKeeper returns a keeper that has written nothing yet.
func NewKeeper(o Options) *Keeper { return &Keeper{o: o} }

// Stats returns how the keeper fares.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

// Run writes checkpoints until ctx ends, and returns when the last one is written or given up.
func (k *Keeper) Run(ctx context.Context) {
	timer := time.NewTimer(k.o.Every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(k.pause(k.Save(ctx)))
	}
}

// pause is how long to wait behind a checkpoint that took so long.
func (k *Keeper) pause(took time.Duration) time.Duration {
	return max(k.o.Every-took, took*(share-1), 0)
}

// Save writes one checkpoint now, and returns how long that took, whether it could be written or not. Failure is told in the
// log once, and again when its reason changes or is gone.
func (k *Keeper) Save(ctx context.Context) (took time.Duration) {
	began := time.Now()
	size, err := k.save(ctx, began)
	took = time.Since(began)
	if errors.Is(err, context.Canceled) {
		return took // given up, since it is done once more at the end
	}
	if err != nil {
		k.o.Counters.Add(drop.UnsavedState, 1)
		if reason := err.Error(); reason != k.failure {
			k.failure = reason
			k.o.Log.Warn("the state cannot be saved: a restart would begin with what was saved before, and with the stream",
				slog.String("dir", k.o.Dir), slog.Any("err", err))
		}
		return took
	}
	if k.failure != "" {
		k.failure = ""
		k.o.Log.Info("the state is saved again", slog.String("dir", k.o.Dir))
	}
	k.mu.Lock()
	k.stats = Stats{Last: began, Took: took, Bytes: size}
	k.mu.Unlock()
	return took
}

func (k *Keeper) save(ctx context.Context, at time.Time) (int64, error) {
	if k.o.Prepare != nil {
		if err := k.o.Prepare(); err != nil {
			return 0, err
		}
	}
	return save(k.o.Dir, at.UnixMicro(), func(w *Writer) error { return k.o.Fill(ctx, w) })
}
