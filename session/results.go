package session

import (
	"fmt"

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
	about := r.env.instrument(id)
	in := heldInstrument{id: id, source: r.env.sourceHandle(id, about.Source), told: fingerprint(about)}
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

// reply sends the results.
func (r *request) reply(id uint32) bool { return r.parts(id, r.answer) }

// parts sends the results in parts that each stand for themselves: instruments and grants go with the results that
// they concern.
func (r *request) parts(id uint32, send func(*feedv1.ServerFrame) bool) bool {
	part, size := newPart(id), 0
	for i := range r.results {
		res := &r.results[i]
		line, instrument, add := r.lines(res)
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

// lines returns what a result adds to an answer, and how many bytes it may take.
func (r *request) lines(res *result) (line *feedv1.SubscribeResult, instrument *feedv1.Instrument, size int) {
	line = &feedv1.SubscribeResult{
		Symbol: res.symbol, Channel: res.channel, Handle: uint32(res.handle), Code: res.code, Text: res.text,
		By: res.by, Replaces: uint32(res.replaces), Depth: uint32(res.view.Depth), PriceGroup: res.view.Group, BarSeconds: res.view.Interval, TradeSummary: res.view.Summary,
		DelayMs: uint32(res.grant.delay.Milliseconds()),
	}
	size = resultBytes + handleBytes + textBytes(line.Symbol, line.Channel, line.Text, line.By)
	if res.fresh {
		instrument = r.env.wireInstrument(res.id)
		size += instrumentSize(instrument)
	}
	return line, instrument, size
}

func instrumentSize(in *feedv1.Instrument) int {
	return instrumentBytes + textBytes(in.Symbol, in.Description, in.Base, in.Quote, in.Source, in.TimeZone)
}

// maxNameLen bounds the words of an instrument in bytes, so that it fits a part whatever its publisher says.
const maxNameLen = 256

func (e *Env) wireInstrument(id market.InstrumentID) *feedv1.Instrument {
	in, status := e.instrument(id), e.statusHandle(id)
	return &feedv1.Instrument{
		Symbol: in.Symbol.String(), PriceScale: uint32(in.PriceScale), SizeScale: uint32(in.SizeScale),
		PriceStep: in.PriceStep, SizeStep: in.SizeStep, Description: clip(in.Description, maxNameLen),
		Base: clip(in.Base, maxNameLen), Quote: clip(in.Quote, maxNameLen), Source: in.Source, StatusHandle: uint32(status),
		AssetClass: in.Asset.String(), SessionStartS: in.SessionStart, TimeZone: clip(in.TimeZone, maxNameLen), Delisted: in.Delisted,
		DelayMs: uint32(e.feed(feedOf(id)).Delay.Milliseconds()),
	}
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
