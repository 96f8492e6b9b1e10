package ingest

import "github.com/feedd/feedd/market"

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
	// Connected tells whether there is a NATS server, Booted whether the state at start-up has been read.
	Connected, Booted bool
}

// tally is what the core counts.
type tally struct {
	ticks       [market.ChannelDefinition + 1]uint64
	gaps, lost  uint64
	instruments int
	lastTick    int64
	// As of the last call of the core's tick.
	sources, suspectSources, held int
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
	st.Sources, st.SuspectSources, st.Held = t.sources, t.suspectSources, t.held
}
