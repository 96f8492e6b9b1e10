package ingest

import (
	"github.com/feedd/feedd/internal/histogram"
	"github.com/feedd/feedd/market"
)

// Stats is how ingest fares, for metrics and readiness.
type Stats struct {
	// Ticks accepted since the start, by channel.
	Ticks map[market.Channel]uint64
	// Gaps is how many holes in a numbering were noticed, Lost how many trades were given up.
	Gaps, Lost uint64
	// Instruments is how many are defined.
	Instruments int
	// Sources is how many are known, SuspectSources how many of them are not believed.
	Sources, SuspectSources int
	// Held is how many trades and book events wait behind gaps, or for the rest of an image.
	Held int
	// LastTick is when the last live tick came, in microseconds; 0: none yet.
	LastTick int64
	// Transit is the time from the exchange to here, of the newest tick of each batch that says when it was made. Ahead is how
	// many of them were made later than they came, by our clock; they count as 0.
	Transit histogram.Reading
	Ahead   uint64
	// Reconnects is how often the connection to NATS came back.
	Reconnects uint64
	// Heard is when each source was last heard, in microseconds, in the order in which they were first heard: the first
	// maxSourcesTold of them.
	Heard []Heard
	// Connected tells whether there is a NATS server, Booted whether the state at start-up has been read.
	Connected, Booted bool
	// Recorded tells whether a stream records every channel of the ticks, as of the last look.
	Recorded bool
}

// Heard is when a source was last heard.
type Heard struct {
	Source  string
	At      int64
	Suspect bool
	// Rivals is how often a publisher was heard under the source's name beside the one that counts.
	Rivals uint64
}

// maxSourcesTold bounds Stats.Heard, since metrics hold a series for each.
const maxSourcesTold = 64

// tally is what the core counts.
type tally struct {
	ticks       [market.ChannelDefinition + 1]uint64
	gaps, lost  uint64
	instruments int
	lastTick    int64
	// As of the last call of the core's tick.
	sources, suspectSources, held int
	heard                         []Heard // replaced, never changed
	// Of the newest tick since the transit was last taken; 0: none says it.
	made, came int64
	ahead      uint64
}

// fill writes what was counted into st.
func (t *tally) fill(st *Stats) {
	st.Ticks = make(map[market.Channel]uint64)
	for ch := market.ChannelQuote; ch <= market.ChannelDefinition; ch++ {
		if ch != market.ChannelBar {
			st.Ticks[ch] = t.ticks[ch]
		}
	}
	st.Gaps, st.Lost, st.Instruments, st.LastTick = t.gaps, t.lost, t.instruments, t.lastTick
	st.Sources, st.SuspectSources, st.Held, st.Heard, st.Ahead = t.sources, t.suspectSources, t.held, t.heard, t.ahead
}

// noteTransit notes when the last tick of c.batch was made and came, if it says so.
func (c *core) noteTransit(ch market.Channel) {
	made := int64(0)
	switch n := c.batch.Len(); ch {
	case market.ChannelQuote:
		made = c.batch.Quotes[n-1].ExchangeTime
	case market.ChannelTrade:
		made = c.batch.Trades[n-1].ExchangeTime
	}
	if made != 0 {
		c.tally.made, c.tally.came = made, c.now
	}
}

// takeTransit counts the transit of the newest tick of a batch.
func (c *core) takeTransit(h *histogram.Durations) {
	t := &c.tally
	if t.made == 0 {
		return
	}
	if t.came < t.made {
		t.ahead++
	}
	h.Observe(t.came-t.made, 1)
	t.made = 0
}

// tellHeard lists the sources for Stats.
func (c *core) tellHeard() {
	c.tally.heard = make([]Heard, 0, min(len(c.sourceBySeen), maxSourcesTold))
	for _, src := range c.sourceBySeen[:cap(c.tally.heard)] {
		at := src.lastTick
		for _, l := range src.lines {
			at = max(at, l.at)
		}
		c.tally.heard = append(c.tally.heard, Heard{src.name, at, src.quality == market.QualitySuspect, src.rivals})
	}
}
