package live

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/feedd/feedd/policy"
)

// pollEvery is how often a file is looked at. Watching for events misses what Kubernetes and network file systems do.
const pollEvery = 2 * time.Second

// File is a source that is a file of somebody's making. Its revisions count the changes that were seen.
type File struct {
	path string
	poke chan struct{}

	// Of the goroutine that watches.
	seen os.FileInfo
	last policy.Version
}

var _ Source = (*File)(nil)

// NewFile returns the source of a path. dir is where the last good copy lies, whose revision goes on.
func NewFile(path, dir string) *File {
	last, _ := load(dir) // New says what is wrong with it
	return &File{path: path, poke: make(chan struct{}, 1), last: last}
}

// Kind implements Source.
func (f *File) Kind() string { return string(policy.File) }

// Place implements Source.
func (f *File) Place() string { return f.path }

// Reload has the file read now, changed or not.
func (f *File) Reload() {
	select {
	case f.poke <- struct{}{}:
	default:
	}
}

// Watch implements Source.
func (f *File) Watch(ctx context.Context, to Listener) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for anyway := true; ; {
		f.look(anyway, to)
		anyway = false
		select {
		case <-tick.C:
		case <-f.poke:
			anyway = true
		case <-ctx.Done():
			return
		}
	}
}

// look reads the file if it seems to have changed.
func (f *File) look(anyway bool, to Listener) {
	at, err := os.Stat(f.path)
	if err == nil && !anyway && f.seen != nil && os.SameFile(at, f.seen) && at.ModTime().Equal(f.seen.ModTime()) && at.Size() == f.seen.Size() {
		return
	}
	var text []byte
	if err == nil {
		text, err = readSome(f.path, policy.MaxBytes+1)
	}
	if err != nil {
		f.seen = nil
		to.Lost(err)
		return
	}
	f.seen = at
	if string(text) != f.last.Text || f.last.Kind != policy.File {
		f.last = policy.Version{Revision: f.last.Revision + 1, Kind: policy.File, Text: string(text), Time: at.ModTime().UTC()}
	}
	to.Found(f.last)
}

// readSome reads at most limit bytes.
func readSome(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Put implements Source.
func (f *File) Put(context.Context, policy.Version, uint64) (uint64, error) {
	return 0, policy.ErrReadOnly
}

// History implements Source. A file has none.
func (f *File) History(context.Context) ([]policy.Version, error) { return nil, nil }

// Report implements Source.
func (f *File) Report(context.Context, policy.Node) error { return nil }

// Nodes implements Source.
func (f *File) Nodes(context.Context) ([]policy.Node, error) { return nil, nil }
