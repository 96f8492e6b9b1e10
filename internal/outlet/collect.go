package outlet

import (
	"context"
	"time"
)

// Collect takes the place of Run where a client comes and asks, again and again: it has frames come, waits until something
// waits for the client or ctx ends, and returns it. Once there is something it waits a little more, so that what a cut brings
// in several frames comes together. over tells that nothing will come any more. Between two calls Send refuses, as for any
// client that is not ready; answers still queue. One goroutine may collect at a time.
func (c *Conn) Collect(ctx context.Context, linger time.Duration) (batch []byte, over bool) {
	c.mu.Lock()
	room := c.release()
	c.mu.Unlock()
	defer c.Hold()
	if room {
		c.drained()
	}
	for !c.something() {
		select {
		case <-c.work:
		case <-ctx.Done():
			return nil, false
		}
	}
	pause := time.NewTimer(linger)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	return c.collect()
}

// Hold refuses frames until Collect or Run is called.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
	c.judge()
}

// release lets frames come again, and reports whether none did. mu is held.
func (c *Conn) release() (was bool) {
	was, c.held = c.held, false
	c.judge()
	return was && !c.full && c.open()
}

// something tells whether there is anything to collect.
func (c *Conn) something() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept != nil || c.cut || c.finished
}

func (c *Conn) collect() (batch []byte, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		batch, c.kept = *c.kept, nil
	}
	c.waiting, c.held = amount{}, true
	c.makeRoom()
	c.judge()
	c.cut = c.cut || c.finished
	return batch, c.cut
}
