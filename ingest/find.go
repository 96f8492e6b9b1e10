package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/ingest/tick"
	"github.com/feedd/feedd/internal/subject"
)

// answerWithin is how long a publisher may take to answer.
const answerWithin = time.Second

// Whom a request is for in the first place. Each has a queue, so that publishers who do not answer hold up nobody else.
const (
	ofPublisher = iota
	ofStream
	parties
)

// maxAsking bounds the requests that are under way at a time.
var maxAsking = [parties]int{ofPublisher: 32, ofStream: 8}

// errands are the requests for one party.
type errands struct {
	queue    []request
	underWay int
}

func (r *request) party() int {
	if r.series == nil {
		return ofPublisher
	}
	return ofStream
}

// ask starts what the core wants, a few at a time.
func (f *Feed) ask() {
	if f.o.Delay > 0 {
		f.core.takeRequests() // whoever could answer knows what this feed must not know yet
		return
	}
	for _, r := range f.core.takeRequests() {
		e := &f.errands[r.party()]
		e.queue = append(e.queue, r)
	}
	for party := range f.errands {
		e := &f.errands[party]
		for e.underWay < maxAsking[party] && len(e.queue) > 0 {
			r := e.queue[0]
			e.queue = e.queue[1:]
			e.underWay++
			f.finder.Add(1)
			go f.find(r)
		}
		if len(e.queue) == 0 {
			e.queue = nil // the array behind a storm of requests is not kept
		}
	}
}

// find is the goroutine that answers one request; it ends when it has told how that went, or with the feed.
func (f *Feed) find(r request) {
	defer f.finder.Done()
	if r.series == nil {
		f.tell(found{request: r, done: true, answered: f.askPublisher(r)})
		return
	}
	// The stream first, which has all it was sent; then the publisher, which may have what never reached NATS. For the
	// image of a book it was asked already.
	searched := f.searchBoth(r)
	if searched.complete || r.image() {
		f.tell(found{request: r, done: true, hopeless: searched.hopeless, away: searched.away})
		return
	}
	if !searched.asked {
		f.askPublisher(r)
	}
	f.tell(found{request: r, done: true, hopeless: searched.hopeless, away: searched.away})
}

// searchBoth looks in the stream. Where that does not answer at once it asks the publisher meanwhile, who remembers little: a second
// of a busy instrument.
func (f *Feed) searchBoth(r request) search {
	if r.image() {
		return f.searchStream(r)
	}
	result := make(chan search, 1)
	f.finder.Go(func() { result <- f.searchStream(r) })
	select {
	case s := <-result:
		return s
	case <-time.After(answerSoon):
		f.askPublisher(r)
		s := <-result
		s.asked = true
		return s
	}
}

// askPublisher asks for an instrument's state and passes the answer on. It reports whether there was one.
func (f *Feed) askPublisher(r request) bool {
	ctx, cancel := context.WithTimeout(f.ctx, answerWithin)
	defer cancel()
	// The library's own queue takes half a megabyte, for every instrument that a node does not know yet.
	inbox, answers := f.nc.NewInbox(), make(chan *nats.Msg, fewAnswers)
	sub, err := f.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return false
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is closed
	if err := f.nc.PublishRequest(subject.Snapshot(r.symbol), inbox, nil); err != nil {
		return false
	}
	for {
		select {
		case m := <-answers:
			// A stream that records the requests acknowledges them to the same inbox: not every reply is an answer.
			if batches, ok := tick.Batches(m.Data); ok {
				return f.tell(found{request: r, batches: batches})
			}
			if len(m.Data) == 0 && m.Header.Get("Status") == noResponders {
				return false
			}
		case <-ctx.Done():
			if f.ctx.Err() == nil {
				f.log.Debug("no answer to a snapshot request", slog.String("symbol", r.symbol.String()), slog.Any("err", ctx.Err()))
			}
			return false
		}
	}
}

const (
	// fewAnswers to one request are kept: the publisher's, one of each line, and what a stream says.
	fewAnswers = 16
	// noResponders is the status with which the NATS server answers where nobody else would.
	noResponders = "503"
)
