package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/feedd/feedd/benchmarks/proc"
)

// Requests of the role. Begin takes a Config and answers with Where, Resume publishes, Pause stops and
// answers with the last quotes ([]Quote), Count answers with Published.
const (
	Begin  = "open"
	Resume = "resume"
	Pause  = "pause"
	Count  = "count"
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
		case Count:
			return s.Published()
		}
		return nil, fmt.Errorf("unknown request: want %s, %s, %s or %s", Begin, Resume, Pause, Count)
	})
}
