package probe

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Probe is one client's model of the market.
type Probe struct {
	record      *Record
	instruments map[string]int  // number by symbol, of all that there are
	rows        map[uint32]*row // by handle
	lastCut     uint64
	frame       feedv1.ServerFrame
}

type row struct {
	symbol     string
	instrument int
	known      bool // a full row has come
	quote      feed.Quote
	has        uint32
	sequence   uint64 // of the last full row
	epoch      uint64
}

// hasQuote are the bits of a quote with both sides.
const hasQuote = 0b11

// New returns a probe that knows instruments by their symbols and adds to record.
func New(record *Record, instruments map[string]int) *Probe {
	return &Probe{record: record, instruments: instruments, rows: make(map[uint32]*row)}
}

// Frame takes one message of the server that arrived at received (microseconds since the Unix epoch).
func (p *Probe) Frame(received int64, payload []byte) {
	proto.Reset(&p.frame)
	if err := proto.Unmarshal(payload, &p.frame); err != nil {
		p.record.problem("frame of %d bytes: %v", len(payload), err)
		return
	}
	if e := p.frame.GetError(); e != nil {
		p.record.problem("error %v: %s", e.GetCode(), e.GetText())
	}
	for _, r := range p.frame.GetSubscribed().GetResults() {
		p.subscribed(r)
	}
	if len(p.frame.GetQuotes()) == 0 {
		return
	}
	p.cut(received)
	for _, q := range p.frame.GetQuotes() {
		p.quote(received, q)
	}
}

func (p *Probe) subscribed(r *feedv1.SubscribeResult) {
	if r.GetHandle() == 0 {
		p.record.problem("subscribe %s: %v: %s", r.GetSymbol(), r.GetCode(), r.GetText())
		return
	}
	i, ok := p.instruments[r.GetSymbol()]
	if !ok {
		p.record.problem("subscribed to %s, which nobody asked for", r.GetSymbol())
		return
	}
	p.rows[r.GetHandle()] = &row{symbol: r.GetSymbol(), instrument: i}
}

func (p *Probe) cut(received int64) {
	cut := p.frame.GetCutTimeUs()
	switch {
	case cut == 0:
		p.record.problem("a frame with rows and no cut time")
		return
	case cut < p.lastCut:
		p.record.problem("cut time %d after %d", cut, p.lastCut)
	}
	record(p.record.lateness, received-int64(cut))
	if p.lastCut != 0 && cut != p.lastCut {
		record(p.record.interval, int64(cut-p.lastCut))
	}
	p.lastCut = cut
	p.record.frames++
	p.record.conflated += int64(p.frame.GetConflated())
}

// quote applies one row: full where it has a sequence, else the difference to the row before.
func (p *Probe) quote(received int64, q *feedv1.Quote) {
	p.record.rows++
	r := p.rows[q.GetHandle()]
	if r == nil {
		p.record.problem("row of handle %d, which was never given", q.GetHandle())
		return
	}
	first := !r.known
	if q.GetSequence() != 0 {
		p.record.full++
		if r.known && (q.GetEpoch() < r.epoch || q.GetEpoch() == r.epoch && q.GetSequence() < r.sequence) {
			p.record.problem("%s: full row %d/%d after %d/%d", r.symbol, q.GetEpoch(), q.GetSequence(), r.epoch, r.sequence)
		}
		*r = row{symbol: r.symbol, instrument: r.instrument, known: true, sequence: q.GetSequence(), epoch: q.GetEpoch()}
	} else if !r.known {
		p.record.problem("%s: a difference ahead of any full row", r.symbol)
		return
	}
	if q.Has != nil {
		r.has = q.GetHas()
	}
	r.quote.Bid += q.GetBid()
	r.quote.BidSize += q.GetBidSize()
	r.quote.Ask += q.GetAsk()
	r.quote.AskSize += q.GetAskSize()
	if r.has&hasQuote != hasQuote {
		p.record.problem("%s: a side is missing (has=%b)", r.symbol, r.has)
		return
	}
	if !feed.Check(r.instrument, r.quote) {
		p.record.problem("%s: no tick had the values %+v", r.symbol, r.quote)
		return
	}
	if first {
		return // as old as the last tick before subscribing
	}
	exchange := int64(p.frame.GetCutTimeUs()) - 1000*(int64(q.GetAgeMs())+int64(q.GetTransitMs()))
	record(p.record.age, received-exchange)
	if feed.Stamped(r.quote) {
		record(p.record.delay, received-r.quote.BidSize)
	}
}

// Complete reports whether n instruments are subscribed and each has a row.
func (p *Probe) Complete(n int) bool {
	if len(p.rows) < n {
		return false
	}
	for _, r := range p.rows {
		if !r.known {
			return false
		}
	}
	return true
}

// Last is what a probe holds of an instrument.
type Last struct {
	Instrument int        `json:"instrument"`
	Known      bool       `json:"known"`
	Quote      feed.Quote `json:"quote"`
}

// Holds returns the probe's model.
func (p *Probe) Holds() []Last {
	var all []Last
	for _, r := range p.rows {
		all = append(all, Last{Instrument: r.instrument, Known: r.known, Quote: r.quote})
	}
	return all
}

// Compare counts what differs between the models of probes and the last quotes published, by instrument,
// and tells the first difference in words.
func Compare(held []Last, published []feed.Quote) (differ int, first string) {
	for _, l := range held {
		var why string
		switch {
		case l.Instrument < 0 || l.Instrument >= len(published):
			why = "nobody publishes it"
		case !l.Known:
			why = "no row ever came"
		case l.Quote != published[l.Instrument]:
			why = fmt.Sprintf("it is %+v, published was %+v", l.Quote, published[l.Instrument])
		default:
			continue
		}
		if differ++; differ == 1 {
			first = fmt.Sprintf("instrument %d: %s", l.Instrument, why)
		}
	}
	return differ, first
}
