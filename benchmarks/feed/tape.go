package feed

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/feedd/feedd/internal/recording"
)

// Tapes reads the gaps between the quotes of every recording (*.gz) in dir, each in units of its recording's mean.
func Tapes(dir string) ([][]float32, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no recordings (*.gz) in %s", dir)
	}
	var tapes [][]float32
	for _, path := range paths {
		tape, err := readTape(path)
		if err != nil {
			return nil, err
		}
		tapes = append(tapes, tape)
	}
	return tapes, nil
}

func readTape(path string) ([]float32, error) {
	survey, err := recording.SurveyFile(path)
	if err != nil {
		return nil, err
	}
	r, err := recording.Open(path, survey)
	if err != nil {
		return nil, err
	}
	var times []int64
	var e recording.Event
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		if e.Kind == recording.Quote {
			times = append(times, e.ReceiveTime)
		}
	}
	if err = errors.Join(ignoreEOF(err), r.Close()); err != nil {
		return nil, err
	}
	return gapsOf(path, times)
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// gapsOf turns times into gaps whose mean is 1.
func gapsOf(name string, times []int64) ([]float32, error) {
	const enough = 1000
	if len(times) < enough {
		return nil, fmt.Errorf("%s: %d quotes, want at least %d", name, len(times), enough)
	}
	mean := float64(times[len(times)-1]-times[0]) / float64(len(times)-1)
	if mean <= 0 {
		return nil, fmt.Errorf("%s: all quotes came at one time", name)
	}
	gaps := make([]float32, len(times)-1)
	for i := range gaps {
		gaps[i] = float32(max(0, float64(times[i+1]-times[i])/mean))
	}
	return gaps, nil
}
