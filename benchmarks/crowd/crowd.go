package crowd

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
)

// Crowd is all clients. Its methods belong to one goroutine.
type Crowd struct {
	cfg     Config
	members []*member
	random  *rand.Rand
	stop    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	mark   Mark       // counts of the window
	stay   bool       // nobody leaves by itself any more
	failed int        // problems so far, the untold included
}

// Start has all clients come, over a few seconds. Stop ends them.
func Start(cfg Config) (*Crowd, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Crowd{cfg: cfg, random: rand.New(rand.NewPCG(cfg.Seed, 0xc0d)), stop: stop}
	c.mark.Ended = make(map[string]int)
	for _, g := range cfg.Groups {
		for i := range g.Clients {
			c.members = append(c.members, newMember(c, g, i, c.random.Uint64()))
		}
	}
	for _, m := range c.members {
		c.running.Go(func() { m.run(ctx) })
	}
	return c, nil
}

// Stop ends all clients and returns when they are gone.
func (c *Crowd) Stop() {
	c.stop()
	c.running.Wait()
}

// Mark returns what happened since the last call.
func (c *Crowd) Mark() Mark {
	live, away := 0, 0
	for _, m := range c.members {
		switch m.look() {
		case stateLive:
			live++
		case stateAway:
			away++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	mark := c.mark
	mark.Clients, mark.Live, mark.Away = len(c.members), live, away
	mark.Ended = maps.Clone(c.mark.Ended)
	c.mark = Mark{Ended: make(map[string]int)}
	return mark
}

// some are a share of the clients that are live, at least one if there are any.
func (c *Crowd) some(share float64) []*member {
	var live []*member
	for _, m := range c.members {
		if m.look() == stateLive {
			live = append(live, m)
		}
	}
	c.random.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	n := int(share * float64(len(live)))
	return live[:min(len(live), max(1, n))]
}

// Cut ends the connections of a share of the clients, as a link that breaks does. They come back.
func (c *Crowd) Cut(share float64) int {
	cut := c.some(share)
	var dropping sync.WaitGroup
	for _, m := range cut {
		dropping.Go(m.drop)
	}
	dropping.Wait()
	return len(cut)
}

// Stall has a share of the clients read nothing for a while.
func (c *Crowd) Stall(share float64, lasts time.Duration) int {
	stalled := c.some(share)
	for _, m := range stalled {
		m.stall(lasts)
	}
	return len(stalled)
}

// Compare holds what each client has against what was published last, for as long as it takes until both are equal, or
// patience is over. Nobody leaves by itself from then on.
func (c *Crowd) Compare(final feed.Final, patience time.Duration) Comparison {
	c.mu.Lock()
	c.stay = true
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := make([]Comparison, len(c.members))
	var comparing sync.WaitGroup
	for i, m := range c.members {
		comparing.Go(func() { all[i] = m.compare(ctx, final) })
	}
	comparing.Wait()
	var sum Comparison
	for _, one := range all {
		sum.Quotes += one.Quotes
		sum.Books += one.Books
		sum.Tapes += one.Tapes
		if len(sum.Problems) < tellProblems {
			sum.Problems = append(sum.Problems, one.Problems...)
		}
	}
	return sum
}

// tellProblems bounds how many are told in words.
const tellProblems = 20

func (c *Crowd) problem(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed++; c.failed <= tellProblems {
		c.mark.Problems = append(c.mark.Problems, fmt.Sprintf(format, args...))
	}
}

// ended counts how a connection ended.
func (c *Crowd) ended(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark.Ended[how]++
}

func (c *Crowd) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark.Connects++
}

func (c *Crowd) staying() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stay
}
