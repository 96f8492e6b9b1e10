package contents

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/checkpoint"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/snapshot"
)

const (
	// maxAge is how old a checkpoint may be. What is older would show prices of another week until the market says more.
	maxAge = 7 * 24 * time.Hour
	// clocksDiffer is how far ahead a checkpoint's time may be: beyond it, the clock was set back since.
	clocksDiffer = 10 * time.Second
)

// State is what a node starts from.
type State struct {
	Store *snapshot.Store
	Past  []ingest.Past
	Place Place // Time is 0 where it is unknown: the stream must be read as if there were no checkpoint
}

// Load reads the newest checkpoint in dir that can be used, into a store that fresh makes; where there is none, the state is that of
// an empty store. What cannot be used is told in the log, counted as drop.BadCheckpoint, and where it is damaged set aside.
func Load(dir string, fresh func() *snapshot.Store, now time.Time, drops *drop.Counters, log *slog.Logger) State {
	for _, name := range checkpoint.Names(dir) {
		state := State{Store: fresh()}
		err := state.load(name, now, log)
		switch {
		case err == nil:
			return state
		case errors.Is(err, fs.ErrNotExist):
			continue
		}
		drops.Add(drop.BadCheckpoint, 1)
		log.Warn("a checkpoint cannot be used", slog.String("file", name), slog.Any("err", err))
		var damage *checkpoint.Damage
		if errors.As(err, &damage) {
			checkpoint.SetAside(name)
		}
	}
	log.Info("no checkpoint to start from: the stream and publishers say what was before", slog.String("dir", dir))
	return State{Store: fresh()}
}

func (s *State) load(name string, now time.Time, log *slog.Logger) error {
	began := time.Now()
	f, err := checkpoint.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	age := now.Sub(time.UnixMicro(f.Time()))
	if age > maxAge {
		return fmt.Errorf("it is %s old: at most %s are of use", age.Round(time.Minute), maxAge)
	}
	if s.Place, s.Past, err = Read(f.Reader, s.Store); err != nil {
		return err
	}
	if age < -clocksDiffer {
		log.Warn("the checkpoint is of a time to come: was the clock set back? The stream is read as if there were none",
			slog.String("file", name), slog.Duration("ahead", -age))
		s.Place.Time = 0
	}
	log.Info("restored", slog.String("file", name), slog.Int("instruments", len(s.Past)), slog.Duration("age", age.Round(time.Millisecond)),
		slog.Int64("bytes", f.Bytes()), slog.Duration("took", time.Since(began).Round(time.Millisecond)))
	return nil
}
