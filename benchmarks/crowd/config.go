package crowd

import (
	"fmt"
	"time"

	"github.com/feedd/feedd/benchmarks/load"
)

// Config says where to connect, and as whom.
type Config struct {
	URL    string  `json:"url"`
	Groups []Group `json:"groups"`
	Seed   uint64  `json:"seed"`
}

// Group is clients that do the same.
type Group struct {
	Name    string `json:"name"`
	Clients int    `json:"clients"`
	JSON    bool   `json:"json,omitempty"`
	Deflate bool   `json:"deflate,omitempty"`
	// Hidden clients say that nobody looks at them.
	Hidden bool `json:"hidden,omitempty"`
	// Slow clients read for a moment and then not for nineteen.
	Slow bool `json:"slow,omitempty"`
	// Visits is how long a client stays until it leaves and comes again, on average; 0: for good.
	Visits    time.Duration       `json:"visits,omitempty"`
	CadenceMS uint32              `json:"cadence_ms"`
	Choice    load.Choice         `json:"choice"`
	Subscribe []load.Subscription `json:"subscribe"`
}

func (c *Config) validate() error {
	if len(c.Groups) == 0 {
		return fmt.Errorf("no groups: want at least one")
	}
	for _, g := range c.Groups {
		if g.Clients < 1 || len(g.Subscribe) == 0 {
			return fmt.Errorf("group %s: %d clients with %d subscriptions: want at least one of each", g.Name, g.Clients, len(g.Subscribe))
		}
		if err := g.Choice.Validate(); err != nil {
			return fmt.Errorf("group %s: %w", g.Name, err)
		}
	}
	return nil
}

// Mark is what happened since the last one.
type Mark struct {
	Clients int `json:"clients"`
	// Live clients now, with all that they asked for. Away are those that are to be: between two visits.
	Live   int   `json:"live"`
	Away   int   `json:"away"`
	Frames int64 `json:"frames"`
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"`
	// Connects that succeeded, and how connections ended, or did not come about.
	Connects int64          `json:"connects"`
	Ended    map[string]int `json:"ended,omitempty"`
	// Told are trades of which a client was told that it lacks them.
	Told     int64    `json:"told_missing"`
	Problems []string `json:"problems,omitempty"`
}

// Comparison is how clients' state compares with what was published last.
type Comparison struct {
	Quotes   int      `json:"quotes"`
	Books    int      `json:"books"`
	Tapes    int      `json:"tapes"`
	Problems []string `json:"problems,omitempty"`
}
