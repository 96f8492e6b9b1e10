package checkpoint

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of a directory. The one being written has always the same name, so that what a crash leaves is overwritten by
// the next; the directory belongs to one process.
const (
	current  = "checkpoint"
	previous = "checkpoint.previous"
	begun    = "checkpoint.begun"
	// refused is where a damaged checkpoint is put, for whoever wants to know what became of it.
	refused = "checkpoint.damaged"
)

// Names returns where checkpoints may lie in dir, the one to try first ahead.
func Names(dir string) []string {
	return []string{filepath.Join(dir, current), filepath.Join(dir, previous)}
}

// save writes a checkpoint of a time in microseconds into dir, which is made where it is missing, and returns its size. Until
// it has succeeded, the checkpoints that were there stay.
func save(dir string, at int64, fill func(*Writer) error) (size int64, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	name := filepath.Join(dir, begun)
	if size, err = write(name, at, fill); err != nil {
		_ = os.Remove(name) // half a checkpoint is of no use, and on a full disk in the way
		return 0, err
	}
	names := Names(dir)
	// Between these two a crash leaves only the previous one, which is whole.
	if err := ignoreMissing(os.Rename(names[0], names[1])); err != nil {
		return 0, err
	}
	if err := os.Rename(name, names[0]); err != nil {
		return 0, err
	}
	return size, syncDir(dir)
}

func write(name string, at int64, fill func(*Writer) error) (int64, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close() // again, where an error came first
	buffered := bufio.NewWriterSize(f, 256<<10)
	w, err := newWriter(buffered, at)
	if err == nil {
		err = fill(w)
	}
	if err == nil {
		err = w.end()
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	return w.bytes, err
}

// syncDir has the names in dir outlive the machine's sudden end.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// File is a checkpoint that was found whole.
type File struct {
	*Reader
	file *os.File
}

// Open checks all of the checkpoint in a file, and returns it at its first section. The error says what is wrong with it; it
// is fs.ErrNotExist where there is none.
func Open(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	r, err := newReader(f, st.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &File{r, f}, nil
}

// Close gives the file back. What was only read cannot fail to be closed in a way that matters.
func (f *File) Close() { f.file.Close() }

// SetAside keeps a checkpoint that is of no use from becoming the fallback of the next one. Where that fails, it does no harm
// but that.
func SetAside(name string) {
	_ = os.Rename(name, filepath.Join(filepath.Dir(name), refused))
}
