// Package flight keeps the last moments of the process in memory, and writes them to disk when something was late: who ran,
// who waited, and for what. "go tool trace FILE" shows it.
package flight

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// memory bounds what is kept, in bytes, and age says how far back it should reach; the former wins.
	memory = 16 << 20
	age    = 10 * time.Second
	// pause is the least time from one file to the next: what makes cuts late goes on for a while.
	pause = time.Minute
)

// Options of a Recorder.
type Options struct {
	Dir  string
	Keep int // files; the oldest go first. At least 1
	Log  *slog.Logger
}

// Recorder records until Stop. Its methods may be called from any goroutine.
type Recorder struct {
	options  Options
	recorder *trace.FlightRecorder

	mu   sync.Mutex
	last time.Time // of the last file
}

// Start begins to record. There can be one at a time in a process.
func Start(o Options) (*Recorder, error) {
	r := &Recorder{options: o, recorder: trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: age, MaxBytes: memory})}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	return r, r.recorder.Start()
}

// Stop ends the recording.
func (r *Recorder) Stop() { r.recorder.Stop() }

// WriteTo writes what is kept at this moment.
func (r *Recorder) WriteTo(w io.Writer) (int64, error) { return r.recorder.WriteTo(w) }

// Late writes a file for something that was late, unless there was one just now.
func (r *Recorder) Late(late time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < pause {
		return
	}
	r.last = now
	path, err := r.write(now)
	if err != nil {
		r.options.Log.Error("the moments before a late cut cannot be written", slog.Any("err", err))
		return
	}
	r.options.Log.Warn("a cut came late: the moments before are in a file for \"go tool trace\"", slog.Duration("late", late), slog.String("file", path))
}

// write makes a whole file, and then removes what is too much.
func (r *Recorder) write(now time.Time) (path string, err error) {
	path = filepath.Join(r.options.Dir, "late-"+now.UTC().Format("20060102T150405.000")+".trace")
	f, err := os.CreateTemp(r.options.Dir, ".new-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = r.recorder.WriteTo(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return "", err
	}
	return path, r.prune()
}

// prune removes all but the newest files.
func (r *Recorder) prune() error {
	entries, err := os.ReadDir(r.options.Dir)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "late-") && strings.HasSuffix(e.Name(), ".trace") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	for len(names) > r.options.Keep {
		if err := os.Remove(filepath.Join(r.options.Dir, names[0])); err != nil {
			return fmt.Errorf("removing an old file: %w", err)
		}
		names = names[1:]
	}
	return nil
}
