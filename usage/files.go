package usage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// saveEvery is the time between two writings of the day that lasts.
	saveEvery = time.Minute
	// keepDays is how many days are kept.
	keepDays = 400
)

// Files are the days in a directory.
type Files struct{ dir string }

// NewFiles returns those of a directory, which is made with the first day.
func NewFiles(dir string) *Files { return &Files{dir} }

func (f *Files) path(date string) string { return filepath.Join(f.dir, date+".csv") }

// Load reads a day. Its error is fs.ErrNotExist for one that was not kept.
func (f *Files) Load(date string) (Day, error) {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return Day{}, fmt.Errorf("day %q: want YYYY-MM-DD", date)
	}
	file, err := os.Open(f.path(date))
	if err != nil {
		return Day{}, err
	}
	defer file.Close()
	d, err := ReadCSV(file)
	d.Date = date
	return d, err
}

// Save writes a day in place of what was written of it.
func (f *Files) Save(d Day) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(f.dir, "writing-*")
	if err != nil {
		return err
	}
	err = errors.Join(d.WriteCSV(file), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), f.path(d.Date))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// Dates returns the days that there are, the newest first.
func (f *Files) Dates() []string {
	entries, _ := os.ReadDir(f.dir) // none where there is no directory yet
	var dates []string
	for _, e := range entries {
		if date, ok := strings.CutSuffix(e.Name(), ".csv"); ok {
			dates = append(dates, date)
		}
	}
	slices.Sort(dates)
	slices.Reverse(dates)
	return dates
}

// prune lets go of the oldest days.
func (f *Files) prune() {
	dates := f.Dates()
	for _, date := range dates[min(keepDays, len(dates)):] {
		_ = os.Remove(f.path(date)) // tried again tomorrow
	}
}

// Keep goes on with the day where the last run left it, and writes it down again and again, and for the last time when
// ctx ends.
func (f *Files) Keep(ctx context.Context, m *Meter, clock func() time.Time, log *slog.Logger) {
	now := clock()
	before, err := f.Load(now.UTC().Format(time.DateOnly))
	switch {
	case err == nil:
		m.Restore(before, now.UnixMicro())
	case !errors.Is(err, fs.ErrNotExist):
		log.Error("what was counted today before this start cannot be read, and is lost with the next writing", "error", err)
	}
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			done = true
		}
		now := clock().UnixMicro()
		for _, d := range append(m.Finished(now), m.Today(now)) {
			if err := f.Save(d); err != nil {
				log.Error("the usage of a day cannot be written", "date", d.Date, "error", err)
			}
		}
		f.prune()
	}
}
