package fanout

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client/quoterow"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// bare frames nothing: the payload is the frame.
type bare Encoding

func (b bare) Encoding() Encoding { return Encoding(b) }

func (b bare) AppendFrame(dst, payload []byte, _ Use, _ int) []byte { return append(dst, payload...) }

// reader is a client as simple as can be: it applies rows by the rules of feed.proto and complains about
// whatever it may not see. It is a Conn too, which can be stalled: then it takes one more frame, as an outbox
// does, and no further one.
type reader struct {
	encoding Encoding
	errs     []error

	stalled, full bool // full: the outbox holds a frame
	contended     bool // another goroutine is at it
	wake          func()
	gone          map[Handle]bool // unsubscribed: no row may come
	counting      bool            // the quotes' Bid counts their ticks, so it must agree with what frames say was merged

	frames, bytes, rows int
	refused             uint64 // frames that found the outbox full
	conflated           uint64
	merged, perhaps     uint64 // by the quotes of the frame that is read: ticks beyond one a row; and those that came ahead of a first row
	quotes              map[Handle]*market.Quote
	trades              map[Handle]*tape
	statuses            map[Handle]*feedv1.Status
	sources             map[string]*feedv1.SourceStatus
	quoteOf, tradeOf    map[string]Handle // text rows go by symbol
	heartbeats          int
	last                *feedv1.ServerFrame
}

// tape is what was read of one log.
type tape struct {
	trade      market.Trade
	holds      bool // a full row came, so differences may follow
	events     []market.Trade
	lost, gaps uint64
	lastPos    market.Position
	flagged    bool // a loss or gap was named since the last trade
}

func newReader(e Encoding) *reader {
	return &reader{
		encoding: e, quotes: map[Handle]*market.Quote{}, trades: map[Handle]*tape{},
		gone: map[Handle]bool{}, statuses: map[Handle]*feedv1.Status{}, sources: map[string]*feedv1.SourceStatus{}, quoteOf: map[string]Handle{}, tradeOf: map[string]Handle{},
	}
}

func (r *reader) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

func (r *reader) Ready() bool { return !r.full }

func (r *reader) Send(b []byte) bool {
	if r.full || r.contended {
		r.refused++
		return false
	}
	r.full = r.stalled
	r.apply(b)
	return true
}

// resume ends a stall.
func (r *reader) resume() {
	r.stalled, r.full, r.contended = false, false, false
	r.wake()
}

func (r *reader) tape(h Handle) *tape {
	t := r.trades[h]
	if t == nil {
		t = &tape{}
		r.trades[h] = t
	}
	return t
}

func (r *reader) apply(b []byte) {
	r.frames++
	r.bytes += len(b)
	f := &feedv1.ServerFrame{}
	var err error
	if r.encoding == JSON {
		err = protojson.Unmarshal(b, f)
	} else {
		err = proto.Unmarshal(b, f)
	}
	if err != nil {
		r.fail("undecodable frame %q: %v", b, err)
		return
	}
	r.last = f
	if f.Heartbeat != nil {
		r.heartbeats++
		return
	}
	if f.CutTimeUs == 0 {
		r.fail("a frame without the time of its cut: %v", f)
	}
	r.conflated += uint64(f.Conflated)
	r.merged, r.perhaps = 0, 0
	rows, err := quoterow.Read(f.Quotes)
	if err != nil {
		r.fail("%v", err)
	}
	for _, row := range rows {
		r.quote(row, int64(f.CutTimeUs))
	}
	for _, l := range f.Losses {
		t := r.tape(Handle(l.Handle))
		t.lost += l.To - l.From + 1
		t.holds, t.flagged = false, true
	}
	for _, g := range f.Gaps {
		t := r.tape(Handle(g.Handle))
		t.gaps += g.To - g.From + 1
		t.flagged = true
	}
	for _, row := range f.Trades {
		r.tradeRow(row)
	}
	for _, s := range f.Statuses {
		r.statuses[Handle(s.Handle)] = s
	}
	for _, s := range f.SourceStatuses {
		r.sources[s.Source] = s
	}
	for _, q := range f.QuoteTexts {
		r.rows++
		bid, _ := market.ParseDecimal(q.Bid, 2)
		h := r.quoteOf[q.Symbol]
		r.merge(h, bid)
		r.quotes[h] = &market.Quote{Bid: bid, Position: market.Position{Epoch: market.Epoch(q.Epoch), Sequence: market.Sequence(q.Sequence)}}
	}
	for _, row := range f.TradeTexts {
		price, _ := market.ParseDecimal(row.Price, 2)
		r.event(r.tradeOf[row.Symbol], market.Trade{
			Price: price, Position: market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)},
		})
	}
	if n := uint64(f.Conflated); r.counting && (n < r.merged || n > r.merged+r.perhaps) {
		r.fail("a frame says that %d ticks were merged, its rows that it was %d: %v", n, r.merged, f)
	}
}

// merge counts what a row of a quote stands for beyond one tick. A first row may stand for those that came
// since its reader subscribed, where it did so ahead of all.
func (r *reader) merge(h Handle, bid int64) {
	if r.gone[h] {
		r.fail("a row of %d, which is not subscribed any more", h)
	}
	switch held := r.quotes[h]; {
	case held == nil:
		r.perhaps += uint64(bid - 1)
	case bid > held.Bid:
		r.merged += uint64(bid-held.Bid) - 1
	}
}

func (r *reader) quote(row quoterow.Row, cut int64) {
	r.rows++
	h := Handle(row.Handle)
	q := r.quotes[h]
	if row.Sequence != 0 {
		r.merge(h, row.Bid)
		p := market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}
		if q != nil && p.Before(q.Position) {
			r.fail("quote %d goes back from %v to %v", h, q.Position, p)
		}
		q = &market.Quote{Position: p}
		r.quotes[h] = q
	} else if q == nil {
		r.fail("quote %d: a difference without a full row before it", h)
		return
	}
	before := q.Bid
	if row.Sequence == 0 {
		r.merge(h, before+row.Bid)
	}
	q.Bid += row.Bid
	q.BidSize += row.BidSize
	q.Ask += row.Bid + row.Spread
	q.AskSize += row.AskSize
	if row.Has != nil {
		q.Has = market.Has(*row.Has)
	}
	q.IngestTime = cut - int64(row.AgeMs)*1000
	// Test quotes count up in Bid, so that a step back shows even in differences.
	if row.Sequence == 0 && q.Bid < before {
		r.fail("quote %d steps back from %d to %d", h, before, q.Bid)
	}
	if q.Ask != q.Bid*3+1 || q.BidSize%7 != q.Bid%7 || q.AskSize%5 != q.Bid%5 || q.BidSize/7 != q.AskSize/5 {
		r.fail("quote %d is torn: %+v", h, q)
	}
}

func (r *reader) tradeRow(row *feedv1.Trade) {
	t := r.tape(Handle(row.Handle))
	tr := market.Trade{Size: int64(row.Size), Aggressor: market.Side(row.Aggressor)}
	prev := market.Trade{}
	if row.Sequence != 0 {
		tr.Position = market.Position{Epoch: market.Epoch(row.Epoch), Sequence: market.Sequence(row.Sequence)}
	} else {
		if !t.holds {
			r.fail("trade %d: a difference without a full row before it", row.Handle)
			return
		}
		prev = t.trade
		tr.Position = prev.Position
		tr.Position.Sequence++
	}
	tr.Price, tr.ExchangeTime = prev.Price+row.Price, prev.ExchangeTime+row.ExchangeTimeUs
	id := uint64(row.Id)
	if prev.ID != 0 {
		id++
	}
	tr.ID = prev.ID + id
	if tr.Size != tr.Price%11 || tr.ID != uint64(tr.Price) {
		r.fail("trade %d is torn: %+v", row.Handle, tr)
	}
	r.event(Handle(row.Handle), tr)
}

func (r *reader) event(h Handle, tr market.Trade) {
	r.rows++
	t := r.tape(h)
	if r.gone[h] {
		r.fail("a trade of %d, which is not subscribed any more", h)
	}
	next := market.Position{Epoch: t.lastPos.Epoch, Sequence: t.lastPos.Sequence + 1}
	switch {
	case t.lastPos == (market.Position{}), tr.Position == next, tr.Position.Epoch > t.lastPos.Epoch:
	case !t.lastPos.Before(tr.Position):
		if tr.Position == t.lastPos && !t.holds {
			return // sent again as the base of differences
		}
		r.fail("trade goes back from %v to %v", t.lastPos, tr.Position)
	case !t.flagged:
		r.fail("trades between %v and %v are missing without a word", t.lastPos, tr.Position)
	}
	t.trade, t.holds, t.flagged, t.lastPos = tr, true, false, tr.Position
	t.events = append(t.events, tr)
}
