package lists

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// File is the lists of a file, as they were when it was last read. Its methods may be called from any goroutine, but
// Reload from one at a time.
type File struct {
	path string
	now  atomic.Pointer[edition]
}

// edition is what one reading of the file found.
type edition struct {
	*Set
	revision uint64
}

// Open reads a file for the first time. The error names it.
func Open(path string) (*File, error) {
	f := &File{path: path}
	f.now.Store(&edition{})
	return f, f.Reload()
}

// Reload reads the file again. With an error, which names the file and the line, everything stays as it was.
func (f *File) Reload() error {
	s, err := read(f.path)
	if err != nil {
		return err
	}
	f.now.Store(&edition{s, f.now.Load().revision + 1})
	return nil
}

func read(path string) (*Set, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // was only read
	// One byte more than allowed tells that there are too many; a pipe without end does no harm.
	text, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, err
	}
	s, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Entries returns the symbols and patterns of a list. The caller must not change them.
func (f *File) Entries(name string) ([]string, bool) { return f.now.Load().Entries(name) }

// Has reports whether a symbol stands in a list or fits one of its patterns.
func (f *File) Has(name, symbol string) bool { return f.now.Load().Has(name, symbol) }

// Names returns the names of all lists, sorted. The caller must not change them.
func (f *File) Names() []string { return f.now.Load().Names() }

// Revision counts how often the file was read.
func (f *File) Revision() uint64 { return f.now.Load().revision }
