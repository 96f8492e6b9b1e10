package crowd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
)

// Requests of the role.
const (
	Come    = "come"    // takes a Config
	Tell    = "tell"    // answers with a Mark
	Cut     = "cut"     // takes the share of clients whose connections break, answers with their number
	Stall   = "stall"   // takes a Stalling, answers with a number
	Litter  = "litter"  // sends garbage to the host and port that it takes, answers with a number
	Compare = "compare" // takes a feed.Final, answers with a Comparison
)

// Stalling is clients that read nothing for a while.
type Stalling struct {
	Share float64       `json:"share"`
	Lasts time.Duration `json:"lasts"`
}

// Patience is how long clients may take to come to what was published last.
const Patience = 30 * time.Second

// Role is the process of the crowd: it answers requests until in ends.
func Role(in io.Reader, out io.Writer) error {
	var c *Crowd
	defer func() {
		if c != nil {
			c.Stop()
		}
	}()
	return proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		if do == Come {
			var cfg Config
			if err := json.Unmarshal(body, &cfg); err != nil {
				return nil, err
			}
			if c != nil {
				return nil, errors.New("they are there already")
			}
			var err error
			c, err = Start(cfg)
			return nil, err
		}
		if c == nil {
			return nil, errors.New("nobody has come yet")
		}
		return c.answer(do, body)
	})
}

func (c *Crowd) answer(do string, body json.RawMessage) (any, error) {
	switch do {
	case Tell:
		return c.Mark(), nil
	case Cut:
		var share float64
		err := json.Unmarshal(body, &share)
		return c.Cut(share), err
	case Stall:
		var s Stalling
		err := json.Unmarshal(body, &s)
		return c.Stall(s.Share, s.Lasts), err
	case Litter:
		var host string
		if err := json.Unmarshal(body, &host); err != nil {
			return nil, err
		}
		return c.Garbage(host)
	case Compare:
		var final feed.Final
		if err := json.Unmarshal(body, &final); err != nil {
			return nil, err
		}
		return c.Compare(final, Patience), nil
	}
	return nil, fmt.Errorf("unknown request")
}
