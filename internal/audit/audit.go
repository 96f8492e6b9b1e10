// Package audit is the record of what operators did: entries are added to a file and never changed.
package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Entry is one thing that somebody did, or was refused.
type Entry struct {
	Time    time.Time `json:"time"`
	Node    string    `json:"node"`
	Actor   string    `json:"actor"`
	Role    string    `json:"role"`
	Action  string    `json:"action"`           // such as policy.apply
	Target  string    `json:"target,omitempty"` // what it was done to
	Reason  string    `json:"reason"`
	Outcome string    `json:"outcome"` // done or refused
	Detail  string    `json:"detail,omitempty"`
}

// Outcomes.
const (
	Done    = "done"
	Refused = "refused"
)

const (
	// remembered entries can be read back without the file.
	remembered = 1000
	// tailBytes of a file are read at the start.
	tailBytes = 1 << 20
)

// Log is a record of entries. Its methods may be called from any goroutine.
type Log struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	recent []Entry // the newest last; at most remembered
}

// Open returns the record in a file, which is made where it is missing; an empty path keeps it in memory alone. Every entry also
// goes to log.
func Open(path string, log *slog.Logger) (*Log, error) {
	l := &Log{path: path, log: log}
	if path == "" {
		return l, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	defer f.Close()
	return l, l.readTail(f)
}

// readTail remembers the last entries. Lines that are none, as one that a crash cut off, are passed over.
func (l *Log) readTail(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if st.Size() > tailBytes {
		if _, err := f.Seek(-tailBytes, io.SeekEnd); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, tailBytes)
	for lines.Scan() {
		var e Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			l.remember(e)
		}
	}
	return nil
}

func (l *Log) remember(e Entry) {
	l.recent = append(l.recent, e)
	if beyond := len(l.recent) - remembered; beyond > 0 {
		l.recent = slices.Delete(l.recent, 0, beyond)
	}
}

// Add records an entry. Where the file cannot be written the entry is kept in memory and the log says so: a full disk must not
// keep operators from acting.
func (l *Log) Add(e Entry) {
	l.log.Info("audit", slog.String("actor", e.Actor), slog.String("role", e.Role), slog.String("action", e.Action), slog.String("target", e.Target),
		slog.String("reason", e.Reason), slog.String("outcome", e.Outcome), slog.String("detail", e.Detail))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remember(e)
	if err := l.append(&e); err != nil {
		l.log.Error("the audit file cannot be written: the entry is only in this log", slog.String("file", l.path), slog.Any("err", err))
	}
}

// append opens the file each time, so that it can be moved away while the process runs.
func (l *Log) append(e *Entry) error {
	if l.path == "" {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// Recent returns the newest entries, at most n, the newest first.
func (l *Log) Recent(n int) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.recent[max(0, len(l.recent)-n):])
	slices.Reverse(all)
	return all
}
