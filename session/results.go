package session

import (
	"fmt"
	"sync"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// maxRefusalTexts in an answer; further refusals carry only their code.
const maxRefusalTexts = 32

// result is a line of the answer to a subscribe.
type result struct {
	symbol, channel string
	view            market.View
	by              string        // the pattern or list that brought it
	replaces        fanout.Handle // the subscription whose place it takes

	// Of a refused pair.
	code feedv1.ErrorCode
	text string

	// Of an accepted one.
	handle fanout.Handle
	grant  decision
	id     market.InstrumentID
	fresh  bool // the first of its instrument, which is told with it
}

func (r *request) refusePair(symbol string, w channelWish, code feedv1.ErrorCode, text string) {
	r.env.Counters.Add(drop.RefusedSymbol, 1)
	if code == feedv1.ErrorCode_ERROR_CODE_NOT_ENTITLED {
		r.env.Counters.Add(drop.NotEntitled, 1)
	}
	if r.texts++; r.texts > maxRefusalTexts {
		text = ""
	}
	delete(r.resume, resumeKey{symbol, w.name})
	r.results = append(r.results, result{symbol: clip(symbol, market.MaxSymbolLen), channel: w.name, view: w.view, code: code, text: text})
}

// acceptPair subscribes a pair, or moves it where it is held already; by is the pattern that brought it. Where it cannot
// it does nothing and says why.
func (r *request) acceptPair(id market.InstrumentID, symbol string, w channelWish, by string) (refused feedv1.ErrorCode, text string) {
	want, g := r.want(id, w)
	if code, text := r.barred(g, symbol, w.name); code != 0 {
		return code, text
	}
	if feedOf(want.id) != g.feed {
		return feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, notYetDelayed
	}
	id = want.id
	in, _ := r.held.instrument(id)
	room := len(r.held.subs) < r.tier().Subscriptions
	if in == nil && !room {
		return tooMany, r.noRoom() // whatever its handle is
	}
	view := granted(w.view, w.channel, g)
	want.handle = r.env.handle(id, w.channel, view)
	status := r.env.statusHandle(id)
	if want.handle == 0 || status == 0 {
		return tooMany, serverFull
	}
	sub := r.held.find(want.handle)
	if sub == nil && !room {
		return tooMany, r.noRoom()
	}
	key := resumeKey{symbol, w.name}
	after := r.resume[key]
	delete(r.resume, key)
	res := result{symbol: symbol, channel: w.name, view: view, by: by, id: id, handle: want.handle}
	if sub == nil {
		res.fresh = r.holdInstrument(id, status)
		r.hold(want)
		sub = r.held.find(want.handle)
		r.live.welcome(want.handle)
	}
	sub.wish, sub.visibility, sub.history, sub.depth, sub.sizes, sub.timeliness = want.wish, want.visibility, want.history, want.depth, want.sizes, want.timeliness
	res.grant = r.give(sub, g, after, &r.moves)
	r.results = append(r.results, res)
	return 0, ""
}

const notYetDelayed = "not known in the delayed data yet: it is newer than that is late"

// want is a subscription as it would begin, and what it would be given. Its id is that of another feed than the one that
// is given where that one does not know the instrument.
func (r *request) want(id market.InstrumentID, w channelWish) (subscription, decision) {
	want := subscription{
		id: id, channel: w.channel, cadence: throttle.Cadences, wish: r.wish, visibility: r.standing.visibility, history: uint16(w.history),
		depth: w.view.Depth, sizes: sizesOf(w.view.Sizes), summary: w.view.Summary, grouped: w.view.Group != 0,
		timeliness: r.timeliness,
	}
	d := r.resolve(&want)
	if own, known := r.env.counterpart(d.feed, id); known {
		want.id = own
	}
	return want, d
}

const tooMany = feedv1.ErrorCode_ERROR_CODE_TOO_MANY_SUBSCRIPTIONS

const serverFull = "this server holds as many different views as it may; subscribe one that others have, such as another depth"

// holdInstrument begins the statuses of an instrument, unless it is held already.
func (r *request) holdInstrument(id market.InstrumentID, status fanout.Handle) bool {
	if in, _ := r.held.instrument(id); in != nil {
		return false
	}
	d := r.env.description(id)
	in := heldInstrument{id: id, source: r.env.sourceHandle(id, d.in.Source), told: d.told}
	r.carry(id)
	if r.held.addInstrument(in) {
		r.moves.add(fanout.Item{Handle: in.source}, throttle.Immediate)
	}
	r.moves.add(fanout.Item{Handle: status}, throttle.Immediate)
	return true
}

// refuseUnusedResumes tells of positions that no pair of the request took.
func (r *request) refuseUnusedResumes(given []*feedv1.Resume) {
	for _, res := range given {
		if _, unused := r.resume[resumeKey{res.Symbol, res.Channel}]; unused {
			r.refusePair(res.Symbol, channelWish{name: res.Channel}, feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, fmt.Sprintf("a position to resume %s of %q from, which this request does not subscribe", res.Channel, clip(res.Symbol, market.MaxSymbolLen)))
		}
	}
}

// partBytes is about how large a part of an answer grows. Parts are small against a frame so that one more
// row or instrument than expected never matters, and so that little is pending while the client reads.
const partBytes = 16 << 10

// Upper bounds of what an element takes in either encoding beside its strings.
const (
	resultBytes     = 280
	instrumentBytes = 420
	grantBytes      = 100
	handleBytes     = 12
)

// paper is what an answer is written on before it is encoded. New for each it would be 100 KB of garbage for a client that
// subscribes a hundred symbols, and when thousands come at once, collecting that took as long as all else.
type paper struct {
	results []result
	lines   []feedv1.SubscribeResult
}

var papers = sync.Pool{New: func() any { return new(paper) }}

// largestPaper is how many results a paper may have had to be kept for another answer.
const largestPaper = 4096

// keep has p serve another answer.
func (p *paper) keep() {
	if cap(p.results) <= largestPaper {
		papers.Put(p)
	}
}

// linesFor returns n lines, which hold what was written there before.
func (p *paper) linesFor(n int) []feedv1.SubscribeResult {
	if p == nil {
		return make([]feedv1.SubscribeResult, n)
	}
	if len(p.lines) < n {
		p.lines = make([]feedv1.SubscribeResult, n)
	}
	return p.lines
}

// reply sends the results.
func (r *request) reply(id uint32) bool { return r.parts(id, r.answer) }

// parts sends the results in parts that each stand for themselves: instruments and grants go with the results that
// they concern.
func (r *request) parts(id uint32, send func(*feedv1.ServerFrame) bool) bool {
	part, size := newPart(id), 0
	lines := r.paper.linesFor(len(r.results))
	for i := range r.results {
		res, line := &r.results[i], &lines[i]
		instrument, add := r.write(line, res)
		if size > 0 && size+add > partBytes {
			part.Subscribed.Partial = true
			if !send(part) {
				return false
			}
			part, size = newPart(id), 0
		}
		size += add
		part.Subscribed.Results = append(part.Subscribed.Results, line)
		if instrument != nil {
			part.Subscribed.Instruments = append(part.Subscribed.Instruments, instrument)
		}
		if res.handle != 0 {
			before := len(part.Grants)
			part.Grants = appendGrant(part.Grants, res.grant, res.handle)
			size += grantBytes * (len(part.Grants) - before)
		}
	}
	return send(part)
}

func newPart(id uint32) *feedv1.ServerFrame {
	return &feedv1.ServerFrame{ReplyTo: id, Subscribed: new(feedv1.Subscribed)}
}

// write fills in the line of a result. It returns the instrument to be told with it, and how many bytes both may take.
func (r *request) write(line *feedv1.SubscribeResult, res *result) (instrument *feedv1.Instrument, size int) {
	line.Reset()
	line.Symbol, line.Channel, line.Handle, line.Code, line.Text = res.symbol, res.channel, uint32(res.handle), res.code, res.text
	line.By, line.Replaces, line.DelayMs = res.by, uint32(res.replaces), uint32(res.grant.delay.Milliseconds())
	line.Depth, line.PriceGroup, line.BarSeconds, line.TradeSummary = uint32(res.view.Depth), res.view.Group, res.view.Interval, res.view.Summary
	size = resultBytes + handleBytes + textBytes(line.Symbol, line.Channel, line.Text, line.By)
	if res.fresh {
		d := r.env.description(res.id)
		instrument, size = d.wire, size+d.size
	}
	return instrument, size
}

// textBytes is what strings take in JSON, which is never less than in protobuf.
func textBytes(texts ...string) (n int) {
	for _, text := range texts {
		n += len(text)
		for i := range len(text) {
			switch c := text[i]; {
			case c < ' ':
				n += len(`\u0000`) - 1
			case c == '"' || c == '\\':
				n++
			}
		}
	}
	return n
}
