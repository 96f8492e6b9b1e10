package floor

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/feedd/feedd/benchmarks/proc"
)

// Requests of the role. Address answers with the address as text, Run takes a Plan, Pause stops it and
// answers with a Count.
const (
	Address = "address"
	Run     = "run"
	Pause   = "pause"
)

// Role is the process of the floor: it answers requests until in ends.
func Role(in io.Reader, out io.Writer) error {
	s, err := Listen()
	if err != nil {
		return err
	}
	defer s.Close()
	return proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		switch do {
		case Address:
			return s.Address().String(), nil
		case Run:
			var p Plan
			if err := json.Unmarshal(body, &p); err != nil {
				return nil, err
			}
			return nil, s.Run(p)
		case Pause:
			s.Pause()
			return s.Count(), nil
		}
		return nil, fmt.Errorf("unknown request: want %s, %s or %s", Address, Run, Pause)
	})
}
