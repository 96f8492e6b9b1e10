package snapshot

import (
	"sync/atomic"

	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// Reader reads the state while it stands still. Keep it for microseconds: ingest waits meanwhile.
type Reader Store

// Acquire stops the state until Release. Several readers may hold it at a time.
func (s *Store) Acquire() *Reader {
	s.mu.RLock()
	return (*Reader)(s)
}

// Release lets the state move on.
func (r *Reader) Release() { r.mu.RUnlock() }

// QuoteTicks counts the changes of an instrument's quote.
func (r *Reader) QuoteTicks(id market.InstrumentID) uint64 { return r.records[id].quoteTicks }

// Quote returns the quote itself, valid until Release.
func (r *Reader) Quote(id market.InstrumentID) *market.Quote { return &r.records[id].quote }

// Status returns an instrument's status and the count of its changes.
func (r *Reader) Status(id market.InstrumentID) (market.Status, uint64) {
	rec := &r.records[id]
	return rec.status, rec.statusTicks
}

// Source returns a source's name, status and count of changes; k is its key.
func (r *Reader) Source(k Key) (string, market.Status, uint64) {
	src := &r.sources[k.Instrument()]
	return src.name, src.status, src.ticks
}

// Settled reports whether the state of an instrument is there: always, unless Store.Forget was called.
func (r *Reader) Settled(id market.InstrumentID) bool { return !r.records[id].unsettled }

// Instrument returns the instrument, valid until Release.
func (r *Reader) Instrument(id market.InstrumentID) *market.Instrument {
	return &r.records[id].instrument
}

// TradesEnd returns the index behind the last event of an instrument's log of trades.
func (r *Reader) TradesEnd(id market.InstrumentID) uint64 { return r.records[id].trades.next }

// trades is an instrument's log, for somebody who begins to read there.
func (r *Reader) trades(id market.InstrumentID) *log {
	l := &r.records[id].trades
	if atomic.LoadUint32(&l.sought) == 0 {
		atomic.StoreUint32(&l.sought, 1)
	}
	return l
}

// TradesCursor returns the cursor of a reader that has read everything.
func (r *Reader) TradesCursor(id market.InstrumentID) Cursor { return r.trades(id).end() }

// TradesBack returns the cursor of a new reader that wants the last n events.
func (r *Reader) TradesBack(id market.InstrumentID, n int) Cursor {
	return r.trades(id).back(n)
}

// TradesBefore returns the cursor of a new reader whose first event is the one ahead of index end.
func (r *Reader) TradesBefore(id market.InstrumentID, end uint64) Cursor {
	return r.trades(id).before(end)
}

// TradesSeek returns the cursor of a reader that resumes behind p.
func (r *Reader) TradesSeek(id market.InstrumentID, p market.Position) Cursor {
	return r.trades(id).seek(p)
}

// Trades appends the rows from c up to index to as fragments, stopping once dst holds limit bytes, and
// brings c forward. It returns how many events were lost because the log had overtaken c.
func (r *Reader) Trades(dst []byte, id market.InstrumentID, c *Cursor, to uint64, limit int) ([]byte, uint64) {
	out := rows{dst: dst, limit: limit}
	lost := r.records[id].trades.read(c, to, &out)
	return out.dst, lost
}

// TradeTexts does the same as text.
func (r *Reader) TradeTexts(f *wire.TextFrame, id market.InstrumentID, c *Cursor, to uint64, limit int) uint64 {
	rec := &r.records[id]
	return rec.trades.read(c, to, &rows{text: f, instrument: &rec.instrument, limit: limit})
}

// Follow has changes of k in the journal from now on, until as many Unfollow.
func (r *Reader) Follow(k Key) { r.follow(k, 1) }

// Unfollow takes back one Follow.
func (r *Reader) Unfollow(k Key) { r.follow(k, -1) }

func (r *Reader) follow(k Key, n int32) {
	atomic.AddInt32(r.followed(k), n)
	r.followers.Add(int64(n))
}

func (r *Reader) followed(k Key) *int32 {
	if k.Channel() == keySource {
		return &r.sources[k.Instrument()].followed
	}
	return &r.records[k.Instrument()].followed[k.Channel()]
}

// JournalEnd returns the position behind all changes so far.
func (r *Reader) JournalEnd() uint64 { return r.journal.next }

// Changes returns the followed keys that changed since position from, newest last and with repeats, in two pieces
// of the ring, and the position behind them. It reports false where the journal no longer goes back that
// far. The pieces are valid until Release.
func (r *Reader) Changes(from uint64) (a, b []Key, next uint64, ok bool) {
	j := &r.journal
	if j.next-from > journalSize {
		return nil, nil, j.next, false
	}
	if from == j.next {
		return nil, nil, j.next, true
	}
	lo, hi := from%journalSize, j.next%journalSize
	if lo < hi {
		return j.keys[lo:hi], nil, j.next, true
	}
	return j.keys[lo:], j.keys[:hi], j.next, true
}
