package session

import (
	"context"
	"slices"
	"time"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// TradeSource has trades that the engine's log no longer holds. Its methods may be called from any goroutine.
type TradeSource interface {
	// Trades returns the trades of an instrument between two positions, both left out, in order; where there are
	// more, the newest limit of them. complete: none is missing from what is returned.
	Trades(ctx context.Context, sym market.Symbol, after, before market.Position, limit int) (trades []market.Trade, complete bool, err error)
}

// Bounds of what one request to resume may have fetched, and of how many requests do so at a time: each holds its
// trades until the client has taken them.
const (
	maxFetched   = 65_536 // trades
	fetchWithin  = 5 * time.Second
	fillsAtATime = 8
)

// Backfill sends clients that resume behind the engine's log what they missed. All sessions of a server share one.
type Backfill struct {
	source TradeSource
	slots  chan struct{}
}

// NewBackfill returns a Backfill from a source.
func NewBackfill(source TradeSource) *Backfill {
	return &Backfill{source: source, slots: make(chan struct{}, fillsAtATime)}
}

// resumption is a subscription that is to go on behind a position which the engine's log does not reach back to.
type resumption struct {
	item    fanout.Item
	cadence throttle.Cadence
	oldest  market.Position // that the log holds
}

// takeResumptions takes those out of m.
func (s *Session) takeResumptions(m *moves) (behind []resumption) {
	for c := range m.items {
		m.items[c] = slices.DeleteFunc(m.items[c], func(it fanout.Item) bool {
			// None, unnumbered trades (which the stream cannot tell apart either), or sums of them.
			if it.After.Epoch == 0 || s.env.feed(s.env.feedOfHandle(it.Handle)).Backfill == nil || s.held.find(it.Handle).summary {
				return false
			}
			b := resumption{item: it, cadence: throttle.Cadence(c)}
			if !s.behindLog(&b) {
				return false
			}
			behind = append(behind, b)
			return true
		})
	}
	return behind
}

// behindLog reports whether the log does not reach back to where b stands, and notes how far it does.
func (s *Session) behindLog(b *resumption) bool {
	oldest, ok := s.env.feed(s.env.feedOfHandle(b.item.Handle)).Engine.TradesFrom(b.item.Handle)
	next := market.Position{Epoch: b.item.After.Epoch, Sequence: b.item.After.Sequence + 1}
	b.oldest = oldest
	return ok && next.Before(oldest)
}

// resume fetches and sends what each resumption missed, and then has the engine go on behind that. What could not be
// had the engine tells as lost. The other subscriptions of the session are served meanwhile.
func (s *Session) resume(behind []resumption) {
	if len(behind) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
	defer cancel()
	s.stopWith(cancel)
	defer s.stopWith(nil)
	left := maxFetched
	for _, b := range behind {
		// The log forgets while this goes on, so what it held at first may have to be fetched as well.
		for more := true; more && ctx.Err() == nil && left > 0; {
			after := b.item.After
			left -= s.fill(ctx, &b, left)
			more = after != b.item.After && s.behindLog(&b)
		}
		s.engine.Subscribe([]fanout.Item{b.item}, b.cadence)
	}
}

// stopWith notes how to cut a backfill short when the server stops.
func (s *Session) stopWith(cancel func()) {
	s.mu.Lock()
	s.mu.cancel = cancel
	s.mu.Unlock()
}

// fill sends the trades of one resumption, brings it forward to the last of them, and returns how many they were.
func (s *Session) fill(ctx context.Context, b *resumption, limit int) int {
	feed := s.env.feed(s.env.feedOfHandle(b.item.Handle))
	select {
	case feed.Backfill.slots <- struct{}{}:
		defer func() { <-feed.Backfill.slots }()
	case <-ctx.Done():
		return 0
	}
	sub := s.held.find(b.item.Handle)
	in := s.env.instrument(sub.id)
	trades, complete, err := feed.Backfill.source.Trades(ctx, in.Symbol, b.item.After, b.oldest, limit)
	if err != nil {
		s.env.Log.Debug("trades cannot be fetched", "session", s.id, "symbol", in.Symbol, "error", err)
		return 0
	}
	if !complete {
		// Only the log may know how many trades an epoch had that has ended, so what goes missing around its end is
		// left to the engine.
		end := slices.IndexFunc(trades, func(t market.Trade) bool { return t.Position.Epoch != b.item.After.Epoch })
		if end >= 0 {
			trades = trades[:end]
		}
	}
	f := refill{encoding: s.encoding, handle: b.item.Handle, instrument: &in, last: b.item.After, delay: feed.Delay}
	for rest := trades; len(rest) > 0; {
		f.begin()
		for len(rest) > 0 && f.len() < partBytes {
			f.run(rest)
			f.add(&rest[0])
			rest = rest[1:]
		}
		payload, err := f.finish(s.env.Clock())
		if err != nil || ctx.Err() != nil || !s.conn.Drained() || !s.conn.SendControl(payload) {
			break
		}
		b.item.After = f.last
	}
	s.env.Counters.Add(drop.LostEvents, f.lost)
	return len(trades)
}

// refill writes fetched trades as rows.
type refill struct {
	encoding   fanout.Encoding
	handle     fanout.Handle
	delay      time.Duration
	instrument *market.Instrument

	last    market.Position // of the trade before
	prev    *market.Trade   // the same, once one was written
	ends    market.Position // of the run that was announced
	lost    uint64          // trades that were named as lost
	notices feedv1.ServerFrame
	rows    []byte
	texts   wire.TextFrame
}

func (f *refill) begin() {
	f.notices.Reset()
	f.rows = f.rows[:0]
	f.texts.Reset()
}

func (f *refill) len() int {
	const noticeBytes = 90 // in either encoding, at most
	return len(f.rows) + f.texts.Len() + noticeBytes*(len(f.notices.Gaps)+len(f.notices.Losses))
}

// run announces the run of numbers that begins with rest, unless it has been, and what is missing ahead of it.
func (f *refill) run(rest []market.Trade) {
	first := rest[0].Position
	if !f.ends.Before(first) {
		return
	}
	from := market.Sequence(1)
	if first.Epoch == f.last.Epoch {
		from = f.last.Sequence + 1
	}
	switch {
	case from == first.Sequence:
	case f.prev == nil: // further back than the stream goes, or than is fetched for one client
		f.lost += uint64(first.Sequence - from)
		f.notices.Losses = append(f.notices.Losses, &feedv1.Lost{Handle: uint32(f.handle), From: uint64(from), To: uint64(first.Sequence - 1), Epoch: uint64(first.Epoch)})
	default:
		f.notices.Gaps = append(f.notices.Gaps, &feedv1.Gap{Handle: uint32(f.handle), From: uint64(from), To: uint64(first.Sequence - 1), Epoch: uint64(first.Epoch)})
	}
	f.ends = first
	for _, t := range rest[1:] {
		if t.Position != (market.Position{Epoch: f.ends.Epoch, Sequence: f.ends.Sequence + 1}) {
			break
		}
		f.ends = t.Position
	}
	f.notices.Gaps = append(f.notices.Gaps, &feedv1.Gap{Handle: uint32(f.handle), From: uint64(first.Sequence), To: uint64(f.ends.Sequence), Epoch: uint64(first.Epoch), Recovered: true})
}

func (f *refill) add(t *market.Trade) {
	switch {
	case f.encoding == fanout.JSON:
		f.texts.Trade(f.instrument, t)
	case f.prev != nil && t.Position == (market.Position{Epoch: f.last.Epoch, Sequence: f.last.Sequence + 1}):
		f.rows = wire.AppendTradeDelta(f.rows, f.handle, f.prev, t)
	default:
		f.rows = wire.AppendTradeFull(f.rows, f.handle, t)
	}
	f.prev, f.last = t, t.Position
}

// finish returns the frame of a cut.
func (f *refill) finish(cut int64) ([]byte, error) {
	payload, err := encode(f.encoding, &f.notices)
	if err != nil {
		return nil, err
	}
	h := wire.Header{CutTime: cut - f.delay.Microseconds(), Delay: uint32(f.delay.Milliseconds())}
	if f.encoding == fanout.JSON {
		return merge(f.encoding, payload, f.texts.Append(nil, h)), nil
	}
	return merge(f.encoding, payload, wire.AppendHeader(f.rows, h)), nil
}
