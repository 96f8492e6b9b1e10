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

// What a request is about. Each kind has a queue, so that publishers who do not answer hold up nobody else, nor do the images of
// all books at once, while the stream has no leader, a few trades whose time runs.
const (
	forState = iota
	forGap
	forImage
	parties
)

// maxAsking bounds the requests that are under way at a time, and maxSearches those of them that read the stream, each of which holds up
// to maxFound: fewer than there may be gaps, whose publishers are asked meanwhile, and more than there may be images.
var maxAsking = [parties]int{forState: 32, forGap: 32, forImage: 8}

const maxSearches = 12

// errands are the requests for one party.
type errands struct {
	queue    []request
	underWay int
}

func (r *request) party() int {
	switch {
	case r.series == nil:
		return forState
	case r.image():
		return forImage
	}
	return forGap
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
	switch r.party() {
	case forState:
		f.tell(found{request: r, done: true, answered: f.askPublisher(r)})
	case forImage: // its publisher was asked already
		s := f.searchStream(f.ctx, r)
		f.tell(found{request: r, done: true, hopeless: s.hopeless, away: s.away})
	default:
		f.findGap(r)
	}
}

// findGap asks the stream first, which has all it was sent; then the publisher, which may have what never reached NATS. Where the
// stream does not answer at once it asks the publisher meanwhile, who remembers little: a second of a busy instrument.
func (f *Feed) findGap(r request) {
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	result := make(chan search, 1)
	f.finder.Go(func() { result <- f.searchStream(ctx, r) })
	soon := answerSoon
	if f.absent.Load() {
		soon = 0
	}
	var s search
	asked, told := r.told, r.told // one that answered once remembers no more of this gap later
	ask := func() {
		if !asked {
			asked, told = true, f.askPublisher(r)
		}
	}
	select {
	case s = <-result:
	case <-time.After(soon):
		if ask(); told && !f.wants(r) {
			f.tell(found{request: r, done: true})
			return
		}
		s = <-result
	}
	if !s.complete {
		ask()
	}
	f.tell(found{request: r, done: true, hopeless: s.hopeless, away: s.away, answered: told})
}

// wants asks the feed's goroutine whether what a request is for is still missing.
func (f *Feed) wants(r request) (open bool) {
	if err := f.do(f.ctx, func() { open = r.series.wants(r) }); err != nil {
		return false // the feed is being stopped
	}
	return open
}

// noteStream takes down whether the stream answers.
func (f *Feed) noteStream(answers bool) {
	switch absent := f.absent.Swap(!answers); {
	case absent && answers:
		f.log.Info("the stream answers again")
	case !absent && !answers:
		f.log.Warn("the stream does not answer: publishers are asked at once for what is missing, and it when it does")
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
