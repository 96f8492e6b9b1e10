package feed

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/feedd/feedd/benchmarks/proc"
)

// Requests of the role. Begin takes a Config and answers with Where, Resume publishes, Pause stops and
// answers with the last quotes ([]Quote), Count answers with Published, Ticks with how many quotes each instrument has had ([]uint64), Tops takes a depth and answers with the best
// levels of all books ([]Book), Ends stops and takes the same and answers with a Final, Speed takes how many times as fast as at first the market runs.
const (
	Begin  = "open"
	Resume = "resume"
	Pause  = "pause"
	Count  = "count"
	Tops   = "tops"
	Ends   = "end"
	Speed  = "speed"
	Ticks  = "ticks"
)

// Role is the process of the market: it answers requests until in ends.
func Role(in io.Reader, out io.Writer) error {
	var s *Source
	defer func() {
		if s != nil {
			s.Close()
		}
	}()
	return proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		if do == Begin {
			var cfg Config
			if err := json.Unmarshal(body, &cfg); err != nil {
				return nil, err
			}
			if s != nil {
				return nil, errors.New("already open")
			}
			var err error
			if s, err = Open(cfg); err != nil {
				return nil, err
			}
			return s.Where(), nil
		}
		if s == nil {
			return nil, errors.New("not open yet")
		}
		switch do {
		case Resume:
			s.Resume()
			return nil, nil
		case Pause:
			return s.Pause()
		case Ticks:
			return s.Ticks(), nil
		case Count:
			return s.Published()
		case Speed:
			var times float64
			if err := json.Unmarshal(body, &times); err != nil {
				return nil, err
			}
			return nil, s.Speed(times)
		case Tops, Ends:
			var depth int
			if err := json.Unmarshal(body, &depth); err != nil {
				return nil, err
			}
			if do == Ends {
				return s.End(depth)
			}
			return s.Tops(depth), nil
		}
		return nil, errors.New("unknown request")
	})
}
