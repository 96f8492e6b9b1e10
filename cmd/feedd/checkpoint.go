package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/checkpoint"
	"github.com/feedd/feedd/internal/checkpoint/contents"
	"github.com/feedd/feedd/internal/dirlock"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

// finalWithin bounds the last checkpoint, at the end; longer than that nobody waits for a process to go.
const finalWithin = 10 * time.Second

// saves reports whether there are to be checkpoints.
// On demand there are none: what was held by the last run's clients is of no use without what came since, and bars of before would
// hide the hole.
func (o *serveOptions) saves() bool {
	return o.Checkpoint.Every > 0 && o.dataDir != "" && !o.onDemand()
}

// onDemand reports whether only what clients hold is carried.
func (o *serveOptions) onDemand() bool { return o.Interest.Mode == "demand" }

// loadState makes the store, with what the last run left.
func (s *server) loadState() error {
	fresh := func() *snapshot.Store { return snapshot.NewStore(snapshot.Options{Counters: &s.drops}) }
	if !s.options.saves() {
		s.store = fresh()
		return nil
	}
	// A directory that cannot be written to now, as on a full disk, may be so later; one that is another's is a mistake.
	if err := s.lockData(); errors.Is(err, dirlock.ErrInUse) {
		return usagef("%w with --data-dir, or do without checkpoints with --checkpoint-every 0", err)
	}
	s.started(func() error {
		if s.dataLock != nil {
			s.dataLock.Release()
		}
		return nil
	})
	s.loaded = contents.Load(s.checkpointDir(), fresh, time.Now(), &s.drops, s.options.log)
	s.store = s.loaded.Store
	s.keeper = checkpoint.NewKeeper(checkpoint.Options{
		Dir: s.checkpointDir(), Every: s.options.Checkpoint.Every, Prepare: s.lockData, Fill: s.fillCheckpoint,
		Counters: &s.drops, Log: s.options.log,
	})
	return nil
}

func (s *server) checkpointDir() string { return filepath.Join(s.options.dataDir, "checkpoint") }

// lockData takes the data directory, unless this process has it: the NATS inside takes it for itself.
func (s *server) lockData() error {
	if s.nats != nil || s.dataLock != nil {
		return nil
	}
	lock, err := dirlock.Take(s.options.dataDir)
	if err != nil {
		return err
	}
	s.dataLock = lock
	return nil
}

// startKeeper has the state saved again and again, once all of the past is in it.
func (s *server) startKeeper() error {
	if s.keeper == nil {
		return nil
	}
	s.run("checkpoints", func(ctx context.Context) error {
		select {
		case <-s.feed.Booted():
			s.findOrigin(ctx)
			s.keeper.Run(ctx)
		case <-ctx.Done():
		}
		return nil
	})
	return nil
}

// findOrigin finds out whose ticks these are, and says so where the state at the start was made of others.
func (s *server) findOrigin(ctx context.Context) {
	s.origin = originOf(ctx, s.conn)
	before := s.loaded.Place.Origin
	if before.Stream != "" && s.origin.Stream != "" && before != s.origin {
		s.options.log.Warn("the state at the start was made of the ticks of another stream: what did not tick since is as it was there",
			slog.Group("there", originAttrs(before)...), slog.Group("here", originAttrs(s.origin)...))
	}
}

func originAttrs(o contents.Origin) []any {
	return []any{slog.String("cluster", o.Cluster), slog.String("stream", o.Stream), slog.Time("made", time.UnixMicro(o.Created).UTC())}
}

// originOf returns the zero Origin where no stream records the ticks, or it cannot be found out now.
func originOf(ctx context.Context, nc *nats.Conn) contents.Origin {
	ctx, cancel := context.WithTimeout(ctx, streamWithin)
	defer cancel()
	js, err := jetstream.New(nc)
	if err != nil {
		return contents.Origin{}
	}
	name, err := js.StreamNameBySubject(ctx, subject.AllOf(market.ChannelQuote))
	if err != nil {
		return contents.Origin{}
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return contents.Origin{}
	}
	return contents.Origin{Cluster: nc.ConnectedClusterName(), Stream: name, Created: stream.CachedInfo().Created.UnixMicro()}
}

// fillCheckpoint notes where ingest stands, and then writes the state, which goes on meanwhile.
func (s *server) fillCheckpoint(ctx context.Context, w *checkpoint.Writer) error {
	past, at, err := s.past(ctx)
	if err != nil {
		return err
	}
	return contents.Write(ctx, w, contents.Place{Time: at, Origin: s.origin}, past, s.store)
}

// stopIngest saves the state for the last time once nothing changes any more. Where the past was never read whole, what was saved
// before is worth more.
func (s *server) stopIngest() error {
	if s.keeper == nil || !s.feed.Ready() {
		return s.feed.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), finalWithin)
	defer cancel()
	past, at, noPast := s.feed.Past(ctx)
	if err := s.feed.Stop(); err != nil {
		return err
	}
	s.past = func(context.Context) ([]ingest.Past, int64, error) { return past, at, noPast }
	s.keeper.Save(ctx)
	return nil
}
