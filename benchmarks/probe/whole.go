package probe

import (
	"errors"
	"io"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/internal/client/quoterow"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// Whole is a client of a server that sends whole quotes, as feedd's peers do. It checks what Probe checks: that each
// quote is one of its instrument's, and that none is older than the one before.
type Whole struct {
	record      *Record
	instruments map[string]int // number by symbol, of all that there are
	symbols     []string
	held        map[int]feed.Quote
	sequences   map[int]uint64
	asked       []int         // instruments in the order subscribed (centrifuge)
	channels    map[int64]int // instrument by the number of its channel (centrifuge)
	frame       feedv1.ServerFrame
	batch       marketdatav1.TickBatch
}

// NewWhole returns a client that adds to record. instruments and symbols are those that there are, one the reverse of
// the other.
func NewWhole(record *Record, instruments map[string]int, symbols []string) *Whole {
	return &Whole{
		record: record, instruments: instruments, symbols: symbols,
		held: make(map[int]feed.Quote), sequences: make(map[int]uint64), channels: make(map[int64]int),
	}
}

// Broadcast takes a frame of full rows, whose handles are the numbers of instruments, counted from 1.
func (w *Whole) Broadcast(received int64, payload []byte) {
	if err := proto.Unmarshal(payload, &w.frame); err != nil {
		w.record.problem("frame of %d bytes: %v", len(payload), err)
		return
	}
	w.record.frames++
	record(w.record.lateness, received-int64(w.frame.GetCutTimeUs()))
	rows, err := quoterow.Read(w.frame.GetQuotes())
	if err != nil {
		w.record.problem("%v", err)
	}
	for _, q := range rows {
		age := int64(w.frame.GetCutTimeUs()) - 1000*(int64(q.AgeMs)+int64(q.TransitMs))
		w.quote(received, int(q.Handle)-1, q.Sequence, age,
			feed.Quote{Bid: q.Bid, BidSize: q.BidSize, Ask: q.Bid + q.Spread, AskSize: q.AskSize})
	}
}

// Centrifuge takes a frame of replies and pushes, whose publications are batches of ticks.
func (w *Whole) Centrifuge(received int64, payload []byte) {
	d := protocol.NewProtobufReplyDecoder(payload)
	rows := w.record.rows
	for {
		reply, err := d.Decode()
		switch {
		case errors.Is(err, io.EOF):
			if w.record.rows > rows {
				w.record.frames++
			}
			return
		case err != nil:
			w.record.problem("frame of %d bytes: %v", len(payload), err)
			return
		case reply.GetError() != nil:
			w.record.problem("centrifuge says %d: %s", reply.GetError().GetCode(), reply.GetError().GetMessage())
		case reply.GetSubscribe() != nil:
			w.joined(received, int(reply.GetId())-2, reply.GetSubscribe())
		case reply.GetPush() != nil:
			w.push(received, reply.GetPush())
		}
	}
}

// Asks tells the client which instruments it subscribes to, in order: answers do not repeat them.
func (w *Whole) Asks(symbols []string) {
	for _, symbol := range symbols {
		w.asked = append(w.asked, w.instruments[symbol])
	}
}

// joined takes the answer to the nth subscription.
func (w *Whole) joined(received int64, nth int, s *protocol.SubscribeResult) {
	if nth < 0 || nth >= len(w.asked) {
		w.record.problem("centrifuge answers subscription %d of %d", nth+1, len(w.asked))
		return
	}
	if s.GetId() != 0 {
		w.channels[s.GetId()] = w.asked[nth]
	}
	for _, p := range s.GetPublications() {
		w.publication(received, w.asked[nth], p)
	}
}

func (w *Whole) push(received int64, push *protocol.Push) {
	if push.GetPub() == nil {
		return
	}
	i, ok := w.channels[push.GetId()]
	if push.GetId() == 0 {
		i, ok = w.instruments[push.GetChannel()]
	}
	if !ok {
		w.record.problem("centrifuge publishes in channel %d %q, which was not subscribed", push.GetId(), push.GetChannel())
		return
	}
	w.publication(received, i, push.GetPub())
}

func (w *Whole) publication(received int64, i int, p *protocol.Publication) {
	if err := proto.Unmarshal(p.GetData(), &w.batch); err != nil || len(w.batch.GetQuotes()) == 0 {
		w.record.problem("publication of %d bytes with %d quotes: %v", len(p.GetData()), len(w.batch.GetQuotes()), err)
		return
	}
	last := len(w.batch.GetQuotes()) - 1
	q := w.batch.GetQuotes()[last]
	w.record.conflated += int64(last)
	w.quote(received, i, w.batch.GetSequence()+uint64(last), q.GetExchangeTimeUs(),
		feed.Quote{Bid: q.GetBid(), BidSize: q.GetBidSize(), Ask: q.GetAsk(), AskSize: q.GetAskSize()})
}

// quote takes the newest quote of instrument i, which the exchange gave the time at.
func (w *Whole) quote(received int64, i int, sequence uint64, at int64, q feed.Quote) {
	w.record.rows++
	w.record.full++
	switch {
	case i < 0 || i >= len(w.symbols):
		w.record.problem("a row of instrument %d, which nobody publishes", i)
		return
	case !feed.Check(i, q):
		w.record.problem("%s: no tick had the values %+v", w.symbols[i], q)
	case sequence < w.sequences[i]:
		w.record.problem("%s: tick %d after %d", w.symbols[i], sequence, w.sequences[i])
	}
	_, known := w.held[i]
	w.held[i], w.sequences[i] = q, sequence
	if !known {
		return // as old as the last tick before subscribing
	}
	record(w.record.age, received-at)
	if feed.Stamped(q) {
		record(w.record.delay, received-q.BidSize)
	}
}

// Complete reports whether so many instruments have a quote.
func (w *Whole) Complete(quotes int) bool { return len(w.held) >= quotes }

// Holds returns the last quote of each instrument that had a row.
func (w *Whole) Holds() []Last {
	var all []Last
	for i, q := range w.held {
		all = append(all, Last{w.symbols[i], q})
	}
	return all
}
