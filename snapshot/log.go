package snapshot

import (
	"math/bits"
	"sort"
	"sync/atomic"

	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
)

// log is the ring of an instrument's last events. Rows are encoded when they are appended, once for all
// readers, as differences to the row before.
type log struct {
	handle market.Handle
	bounds bounds

	ring        []event           // length is a power of two
	first, next uint64            // entries first ≤ i < next are held, at i modulo len(ring)
	chunk       []byte            // where rows are appended; a full one is left to those who hold its rows
	origin      market.Position   // just ahead of the first event ever appended
	ended       []market.Position // last events of the epochs that were dropped whole, latest last; at most maxEnded
	late        []belated         // events that came to the log long after they came to the node, oldest first
	sought      uint32            // 1: somebody has read here, or may. Readers set it with atomics, as record.followed
}

// belated is a run of events that waited for others, or for the stream, before they came to the log: entries from ≤ i < to. Their age says
// nothing of whether readers had the time to read them, so they are kept until then.
type belated struct {
	from, to uint64
	until    int64
}

const (
	// belatedBy is by how much an event is late that is kept for longer; what is less the window allows for.
	belatedBy = 500_000
	// belatedTogether is for how long late events are of one run. So there are a handful of them at most.
	belatedTogether = 1_000_000
)

// bounds say how large a log may grow: to keep events whatever their age, and to most while the oldest came
// less than window microseconds ago.
type bounds struct {
	keep, most int
	window     int64
}

// ceil2 returns the smallest power of two that is not below n.
func ceil2(n int) int { return 1 << bits.Len(uint(n-1)) }

// event is a trade, or the mark of a gap.
type event struct {
	trade market.Trade // of a gap, Position is its end and RefersTo its start
	row   []byte
}

// kindGap marks the event of a gap; it is not a kind that publishers can send.
const kindGap market.TradeKind = 255

func (e *event) gap() (wire.Range, bool) {
	return wire.Range{Epoch: e.trade.Position.Epoch, From: e.trade.RefersTo, To: e.trade.Position.Sequence}, e.trade.Kind == kindGap
}

// start is the first sequence that e stands for.
func (e *event) start() market.Sequence {
	if e.trade.Kind == kindGap {
		return e.trade.RefersTo
	}
	return e.trade.Position.Sequence
}

const (
	logFirstSize = 16
	logChunkSize = 2048
	maxRowSize   = 128 // larger than any row of a trade or gap
	maxEnded     = 8   // restarts of a publisher that a reader can sleep through and still be told each range
)

func (l *log) at(i uint64) *event { return &l.ring[i&uint64(len(l.ring)-1)] }

// append takes a trade at the time now, or before it: 0 where that is not known.
func (l *log) append(t *market.Trade, now int64) {
	e := l.push(t.Position, t.Position.Sequence, t.IngestTime)
	l.belate(t.IngestTime, now)
	e.trade = *t
	from := len(l.chunk)
	if l.next >= l.first+2 && follows(&l.at(l.next-2).trade, t) {
		l.chunk = wire.AppendTradeDelta(l.chunk, l.handle, &l.at(l.next-2).trade, t)
	} else {
		l.chunk = wire.AppendTradeFull(l.chunk, l.handle, t)
	}
	e.row = l.chunk[from:len(l.chunk):len(l.chunk)]
}

// follows reports whether t may be told as a difference to prev.
func follows(prev, t *market.Trade) bool {
	return prev.Kind != kindGap && prev.Position.Epoch == t.Position.Epoch && prev.Position.Sequence+1 == t.Position.Sequence
}

func (l *log) appendGap(epoch market.Epoch, from, to market.Sequence, now int64) {
	var came int64 // a gap has no time of its own
	if l.next > l.first {
		came = l.at(l.next - 1).trade.IngestTime
	}
	e := l.push(market.Position{Epoch: epoch, Sequence: to}, from, came)
	l.belate(came, now)
	e.trade = market.Trade{
		Position: market.Position{Epoch: epoch, Sequence: to}, RefersTo: from, Kind: kindGap, IngestTime: came,
	}
	r, _ := e.gap()
	at := len(l.chunk)
	l.chunk = wire.AppendGap(l.chunk, l.handle, r)
	e.row = l.chunk[at:len(l.chunk):len(l.chunk)]
}

// push makes room for one event that ends at p, begins at start and came at now.
func (l *log) push(p market.Position, start market.Sequence, now int64) *event {
	if l.next == 0 {
		l.origin = market.Position{Epoch: p.Epoch, Sequence: start - 1}
	}
	for l.next-l.first >= uint64(l.bounds.keep) && l.old(now) {
		l.drop(p.Epoch)
	}
	if l.next-l.first == uint64(len(l.ring)) {
		l.makeRoom(p.Epoch)
	}
	if cap(l.chunk)-len(l.chunk) < maxRowSize {
		l.chunk = make([]byte, 0, logChunkSize)
	}
	l.next++
	return l.at(l.next - 1)
}

// belate notes that the last event, which came to the node at a time, comes to readers at another, if that is long after.
func (l *log) belate(came, now int64) {
	if now-came <= belatedBy || atomic.LoadUint32(&l.sought) == 0 {
		return
	}
	l.spared(now)
	until := now + l.bounds.window + belatedTogether
	if n := len(l.late); n > 0 && until-l.late[n-1].until < belatedTogether {
		l.late[n-1].to = l.next
		return
	}
	l.late = append(l.late, belated{from: l.next - 1, to: l.next, until: until})
}

// old reports whether readers have had their time for the oldest event.
func (l *log) old(now int64) bool {
	return now-l.at(l.first).trade.IngestTime >= l.bounds.window && !l.spared(now)
}

// spared reports whether the oldest event came late, and not long ago.
func (l *log) spared(now int64) bool {
	over := 0
	for over < len(l.late) && (l.late[over].to <= l.first || l.late[over].until <= now) {
		over++
	}
	if l.late = l.late[over:]; len(l.late) == 0 {
		l.late = nil
		return false
	}
	return l.late[0].from <= l.first
}

// drop lets go of the oldest event, ahead of one of epoch next.
func (l *log) drop(next market.Epoch) {
	oldest := l.at(l.first).trade.Position
	l.first++
	if l.first < l.next {
		next = l.at(l.first).trade.Position.Epoch
	}
	if next == oldest.Epoch {
		return
	}
	if len(l.ended) == maxEnded {
		l.ended = l.ended[:copy(l.ended, l.ended[1:])]
	}
	l.ended = append(l.ended, oldest)
}

// makeRoom doubles a full ring, or drops its oldest event, ahead of one of epoch next, where it may not grow.
func (l *log) makeRoom(next market.Epoch) {
	size := max(logFirstSize, 2*len(l.ring))
	if size > l.bounds.most && len(l.ring) > 0 {
		l.drop(next)
		return
	}
	l.resize(size)
}

// resize moves all events to a ring of size, which they fit into.
func (l *log) resize(size int) {
	ring := make([]event, size)
	for i := l.first; i < l.next; i++ {
		ring[i&uint64(size-1)] = *l.at(i)
	}
	l.ring = ring
}

// slack says what a burst left behind: with which event the log could begin now, and how large a ring would do. All events stay unless
// those beyond bounds.keep are older than bounds.window. There is as much room as events at least, so that a steady market does not have
// the ring grow and shrink in turns.
func (l *log) slack(now int64) (first uint64, size int) {
	first, size = l.first, len(l.ring)
	least, keep := max(logFirstSize, ceil2(l.bounds.keep)), uint64(l.bounds.keep)
	if size <= least {
		return first, size
	}
	// What came late, which is rare, is given back another time.
	if n := len(l.late); n > 0 && l.late[n-1].until > now {
		return first, size
	}
	if l.next-first > keep && now-l.at(l.next-keep-1).trade.IngestTime >= l.bounds.window {
		first = l.next - keep
	}
	for size > least && l.next-first <= uint64(size/4) {
		size /= 2
	}
	return first, size
}

// trim gives that back.
func (l *log) trim(first uint64, size int) {
	for begin := l.at(first).trade.Position.Epoch; l.first < first; {
		if l.at(l.first).trade.Position.Epoch == begin {
			l.first = first // no epoch ends on the way
			break
		}
		l.drop(begin)
	}
	l.resize(size)
}

// Cursor is a reader's place in a log.
type Cursor struct {
	Index uint64          // of the next event, counted from the log's beginning
	Last  market.Position // of the event before it; zero: none was read
	Fresh bool            // the reader holds no row: the next trade must be a full one
	Past  bool            // the reader is further behind than Index can say: it resumes from before the ring
}

// end is the cursor of a reader that has read everything.
func (l *log) end() Cursor {
	c := Cursor{Index: l.next}
	if l.next > l.first {
		c.Last = l.at(l.next - 1).trade.Position
	}
	return c
}

// back is the cursor of a new reader that wants the last n events.
func (l *log) back(n int) Cursor {
	return l.fresh(l.next - min(uint64(max(n, 0)), l.next-l.first))
}

// before is the cursor of a new reader that wants the event ahead of index end.
func (l *log) before(end uint64) Cursor { return l.fresh(max(l.first, end-1)) }

func (l *log) fresh(index uint64) Cursor {
	c := Cursor{Index: index, Fresh: true}
	switch {
	case index > l.first:
		c.Last = l.at(index - 1).trade.Position
	case l.next > l.first:
		oldest := l.at(l.first)
		c.Last = market.Position{Epoch: oldest.trade.Position.Epoch, Sequence: oldest.start() - 1}
	}
	return c
}

// seek is the cursor of a reader that resumes behind p.
func (l *log) seek(p market.Position) Cursor {
	n := int(l.next - l.first)
	i := sort.Search(n, func(i int) bool { return p.Before(l.at(l.first + uint64(i)).trade.Position) })
	c := Cursor{Index: l.first + uint64(i), Last: p, Fresh: true}
	if i == 0 && n > 0 {
		oldest := l.at(l.first)
		c.Past = p.Before(market.Position{Epoch: oldest.trade.Position.Epoch, Sequence: oldest.start() - 1})
	}
	return c
}

// lost calls name with each range between c and the oldest event that is held, oldest first: one of c's epoch,
// one of each that came and went since. Of a reader that more than maxEnded epochs have passed, the oldest stay
// unnamed.
func (l *log) lost(c *Cursor, name func(wire.Range)) {
	last := c.Last
	if last == (market.Position{}) {
		last = l.origin
	}
	oldest := l.at(l.first)
	until := func(end market.Position) {
		r := wire.Range{Epoch: end.Epoch, From: 1, To: end.Sequence}
		if end.Epoch == last.Epoch {
			r.From = last.Sequence + 1
		}
		if last.Before(end) && r.From <= r.To {
			name(r)
		}
	}
	for _, end := range l.ended {
		until(end)
	}
	until(market.Position{Epoch: oldest.trade.Position.Epoch, Sequence: oldest.start() - 1})
}

// rows is where a reader's rows go: to dst as fragments or, where text is set, to text. It is one concrete
// type rather than an interface so that a read allocates nothing.
type rows struct {
	dst        []byte
	text       *wire.TextFrame
	instrument *market.Instrument // for text
	limit      int                // bytes at which no further row is added
}

func (o *rows) full() bool {
	if o.text != nil {
		return o.text.Len() >= o.limit
	}
	return len(o.dst) >= o.limit
}

func (o *rows) lost(h market.Handle, r wire.Range) {
	if o.text != nil {
		o.text.Lost(h, r)
		return
	}
	o.dst = wire.AppendLost(o.dst, h, r)
}

func (o *rows) event(h market.Handle, e *event, whole bool) {
	r, gap := e.gap()
	switch {
	case o.text != nil && gap:
		o.text.Gap(h, r)
	case o.text != nil:
		o.text.Trade(o.instrument, &e.trade)
	case whole && !gap:
		o.dst = wire.AppendTradeFull(o.dst, h, &e.trade)
	default:
		o.dst = append(o.dst, e.row...)
	}
}

// read brings c forward to index to or until out is full, and returns how many events were lost on the way.
func (l *log) read(c *Cursor, to uint64, out *rows) (lost uint64) {
	if c.Index < l.first || c.Past {
		l.lost(c, func(r wire.Range) {
			lost += r.Len()
			out.lost(l.handle, r)
		})
		oldest := l.at(l.first)
		*c = Cursor{Index: l.first, Last: market.Position{Epoch: oldest.trade.Position.Epoch, Sequence: oldest.start() - 1}, Fresh: true}
	}
	for ; c.Index < to && !out.full(); c.Index++ {
		e := l.at(c.Index)
		out.event(l.handle, e, c.Fresh)
		c.Fresh = c.Fresh && e.trade.Kind == kindGap
		c.Last = e.trade.Position
	}
	return lost
}
