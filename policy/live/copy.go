package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/feedd/feedd/policy"
)

const lastGood = "last-good.json"

// save keeps v in dir, whole or not at all.
func save(dir string, v *policy.Version) error {
	if dir == "" || v.Kind == policy.BuiltIn {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, lastGood+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already, if all went well
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, lastGood))
}

// load returns what was kept in dir; the zero version where there is nothing.
func load(dir string) (v policy.Version, err error) {
	if dir == "" {
		return v, nil
	}
	name := filepath.Join(dir, lastGood)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		return policy.Version{}, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}
