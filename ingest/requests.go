package ingest

import "github.com/feedd/feedd/market"

// request is what the core wants of the world: the missing ticks of a series, or (where series is nil) the state of
// an instrument. Where from is 0, the last image of a book that the stream holds is wanted, and what is behind it. The
// core is told how it went by fetched or snapshotDone.
type request struct {
	inst    *instrument
	symbol  market.Symbol
	series  *series
	channel market.Channel
	subject string
	epoch   market.Epoch
	from    market.Sequence // first missing tick
	to      market.Sequence // the last one of the same gap
	known   market.Sequence // the last one that is known of: there may be more gaps up to here
	since   int64           // ingest time of the last good tick; 0: none
	told    bool            // the publisher has answered, and it was not in the answer
}

// image reports whether r is for the image of a book.
func (r *request) image() bool { return r.series != nil && r.from == 0 }

// fetchState is how far the search for a gap's ticks is.
type fetchState struct {
	asking   bool
	attempts int             // that are over
	next     int64           // not before
	hopeless market.Sequence // neither the stream nor the publisher has any up to here; 0: not known
	noImage  bool            // the stream has no image of the book
	away     bool            // the stream did not answer, at least once
	told     bool            // the publisher did, and does not have it
}

// reset starts over for another gap. A request that is under way still is.
func (f *fetchState) reset() { *f = fetchState{asking: f.asking} }

// Waits between attempts, in microseconds: the stream may lag behind what arrives live.
const (
	fetchWait       int64 = 100_000
	fetchWaitMax    int64 = 1_000_000 // so that a stream that is back is asked while there is time
	snapshotWait          = 1_000_000
	snapshotWaitMax       = 30_000_000
)

// manySnapshots is how many snapshot requests may be open before books look for their images in the stream instead:
// where publishers do not answer at all, each request takes its time.
const manySnapshots = 64

// takeRequests returns what is wanted since the last call.
func (c *core) takeRequests() []request {
	r := c.requests
	c.requests = nil
	return r
}

func (c *core) askTicks(s *series, epoch market.Epoch, from, to, known market.Sequence) {
	if s.fetch.asking || c.now < s.fetch.next {
		return
	}
	s.fetch.asking = true
	c.requests = append(c.requests, request{
		inst: s.inst, symbol: s.inst.symbol, series: s, channel: s.channel, subject: s.subject, epoch: epoch, from: from, to: to, known: known, since: s.arrived, told: s.fetch.told,
	})
}

// wanted returns the first range of numbers that a series waits for.
func (s *series) wanted() (epoch market.Epoch, from, to market.Sequence, open bool) {
	if s.channel == market.ChannelBook {
		return s.bookGap()
	}
	epoch, from, to, _, open = s.gap()
	return epoch, from, to, open
}

// outcome is how a request for ticks went.
type outcome struct {
	hopeless bool // another try would find no more
	away     bool // the stream did not answer
	told     bool // the publisher did
}

// wants reports whether what a request is for is still the first that s waits for.
func (s *series) wants(r request) bool {
	epoch, from, _, open := s.wanted()
	return open && epoch == r.epoch && from == r.from
}

// fetched says that a request for ticks is over; what it found was handed to stored or snapshot.
func (c *core) fetched(r request, o outcome, now int64) {
	c.now = now
	s := r.series
	s.fetch.asking = false
	if r.image() {
		s.fetch.noImage = s.fetch.noImage || o.hopeless
		if o.away {
			s.fetch.next = min(s.fetch.next, now+fetchWaitMax)
		}
		return // mend waits by itself
	}
	if !s.wants(r) {
		return // the gap that was asked for is closed; perhaps another is open
	}
	if o.hopeless {
		s.fetch.hopeless = r.to
		return
	}
	s.fetch.away, s.fetch.told = s.fetch.away || o.away, s.fetch.told || o.told
	s.fetch.next = now + min(fetchWait<<min(s.fetch.attempts, 10), fetchWaitMax)
	s.fetch.attempts++
}

// askSnapshot asks for an instrument's state, less and less often while nobody answers. It reports whether it did so
// now.
func (c *core) askSnapshot(inst *instrument) bool {
	if inst.asking || c.now < inst.askNext || !c.connected {
		return false
	}
	inst.asking = true
	c.snapshots++
	c.requests = append(c.requests, request{inst: inst, symbol: inst.symbol})
	return true
}

// snapshot takes the answer to a request for an instrument's state.
func (c *core) snapshot(inst *instrument, batches [][]byte, now int64) {
	c.now, c.subject = now, "snapshot of "+inst.symbol.String()
	// Without its definition nothing else can be read.
	for _, definitions := range [2]bool{true, false} {
		for _, payload := range batches {
			if err := c.batch.ReadProtobuf(payload); err != nil {
				if definitions {
					c.refuseError(1, err)
				}
				continue
			}
			ch, one := c.batch.Channel()
			if !one || ch == market.ChannelNone || (ch == market.ChannelDefinition) != definitions {
				continue
			}
			if inst.carriage == cold || inst.carriage == warming {
				if !ofDirectory(ch) {
					continue // it would begin ahead of what the stream has
				}
			}
			s := c.seriesOf(inst, ch)
			if ch == market.ChannelTrade && c.keptBack && !s.begun {
				continue // nor ahead of what is kept back
			}
			arrival := now
			if published := c.batch.PublishTime; published > 0 && published < now {
				arrival = published // the state may be old, however new the answer
			}
			c.accept(s, arrival, answered, false)
		}
	}
}

// snapshotDone says that a request for an instrument's state is over.
func (c *core) snapshotDone(inst *instrument, answered bool, now int64) {
	c.now = now
	inst.asking = false
	c.snapshots--
	if answered {
		inst.askWait, inst.toldAt = 0, now
	} else {
		inst.askWait = min(max(2*inst.askWait, snapshotWait), snapshotWaitMax)
	}
	inst.askNext = now + max(inst.askWait, snapshotWait)
	if inst.askAgain {
		inst.askAgain, inst.askNext = false, 0
		c.askSnapshot(inst)
	}
	if inst.carriage == asking {
		c.settled(inst, answered)
	}
}
