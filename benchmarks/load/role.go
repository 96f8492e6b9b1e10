package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/feedd/feedd/benchmarks/proc"
)

// Requests of the role. Connect takes a Config and answers with a Joined, Mark answers with a Window, Holds
// with the models of all probes ([]probe.Last).
const (
	Connect = "connect"
	Mark    = "mark"
	Holds   = "holds"
)

// Joined tells how long it took until all sessions were live.
type Joined struct {
	Seconds float64 `json:"seconds"`
}

// Patience is how long all sessions may take to be live.
const Patience = 60 * time.Second

// Role is the process of the load generator: it answers requests until in ends.
func Role(in io.Reader, out io.Writer) error {
	var l *Loop
	defer func() {
		if l != nil {
			l.Stop()
		}
	}()
	return proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		if do == Connect {
			var cfg Config
			if err := json.Unmarshal(body, &cfg); err != nil {
				return nil, err
			}
			if l != nil {
				return nil, errors.New("already connected")
			}
			var err error
			if l, err = Start(cfg); err != nil {
				return nil, err
			}
			begin := time.Now()
			err = l.Connect(Patience)
			return Joined{Seconds: time.Since(begin).Seconds()}, err
		}
		if l == nil {
			return nil, errors.New("not connected yet")
		}
		switch do {
		case Mark:
			return l.Mark()
		case Holds:
			return l.Holds()
		}
		return nil, fmt.Errorf("unknown request: want %s, %s or %s", Connect, Mark, Holds)
	})
}
