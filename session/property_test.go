package session_test

import (
	"cmp"
	"fmt"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/throttle"
)

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// oracle is what a session should hold, written down the plain way.
type oracle struct {
	place    *place
	subs     map[fanout.Handle]*oracleSub
	standing oracleSub
}

type oracleSub struct {
	id         market.InstrumentID
	channel    market.Channel
	depth      uint8
	wish       throttle.Wish
	visibility throttle.Visibility
}

// subscribe returns what each pair, in the order asked, is to be answered with: a handle, or a refusal.
func (o *oracle) subscribe(m *feedv1.Subscribe) (handles []uint32) {
	channels := m.Channels
	if len(channels) == 0 {
		channels = []string{"quote"}
	}
	for _, text := range m.Symbols {
		sym, err := market.ParseSymbol(text)
		id, known := o.place.directory.Lookup(sym)
		for _, name := range channels {
			ch := market.ParseChannel(name)
			if err != nil || !known || ch == market.ChannelNone {
				handles = append(handles, 0)
				continue
			}
			view := o.view(ch, m)
			h := o.place.engine.Handle(id, ch, view)
			if o.subs[h] == nil && len(o.subs) >= o.place.tier().Subscriptions {
				handles = append(handles, 0)
				continue
			}
			wish := o.standing.wish
			if m.CadenceMs != nil {
				wish = throttle.WishOf(m.CadenceMs)
			}
			o.subs[h] = &oracleSub{id, ch, view.Depth, wish, o.standing.visibility}
			handles = append(handles, uint32(h))
		}
	}
	return handles
}

// view is the form of a channel's rows that a request asks for.
func (*oracle) view(ch market.Channel, m *feedv1.Subscribe) (v market.View) {
	switch ch {
	case market.ChannelBook:
		v.Depth, v.Group = uint8(m.Depth), m.PriceGroup
	case market.ChannelBar:
		v.Interval = cmp.Or(m.BarSeconds, 60)
	case market.ChannelTrade:
		v.Summary = m.TradeSummary
	}
	return v
}

func (o *oracle) setRate(m *feedv1.SetRate) {
	apply := func(s *oracleSub) {
		if m.CadenceMs != nil {
			s.wish = throttle.WishOf(m.CadenceMs)
		}
		if m.Visibility != 0 {
			s.visibility = throttle.Visibility(m.Visibility - 1)
		}
	}
	if m.CadenceMs == nil && m.Visibility == 0 {
		return
	}
	for _, h := range m.Handles {
		if s := o.subs[fanout.Handle(h)]; s != nil {
			apply(s)
		}
	}
	if len(m.Handles) == 0 {
		for _, s := range o.subs {
			apply(s)
		}
		apply(&o.standing)
	}
}

func (o *oracle) unsubscribe(m *feedv1.Unsubscribe) {
	for _, h := range m.Handles {
		delete(o.subs, fanout.Handle(h))
	}
	if len(m.Handles) == 0 {
		clear(o.subs)
	}
}

// active is what the engine should be sending.
func (o *oracle) active() map[fanout.Handle]throttle.Cadence {
	all := map[fanout.Handle]throttle.Cadence{}
	for h, s := range o.subs {
		all[handleOf(s.id, market.ChannelStatus)] = throttle.Immediate
		all[o.place.engine.SourceHandle(o.place.directory.Instrument(s.id).Source)] = throttle.Immediate
		if s.channel != market.ChannelStatus {
			all[h] = throttle.Resolve(o.place.tier(), throttle.Request{Channel: s.channel, Wish: s.wish, Visibility: s.visibility}).Cadence
		}
	}
	return all
}

// Whatever a client asks, the engine sends exactly what a plain reading of the protocol says, each request is
// answered once, and no limit is passed.
func TestSubscriptionsFollowTheRequests(t *testing.T) {
	instruments := append(exchange(), crowd(10)...)
	symbols := []string{"test:NONE", "nonsense"}
	for _, in := range instruments {
		symbols = append(symbols, in.Symbol.String())
	}
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom([]fanout.Encoding{fanout.Proto, fanout.JSON}).Draw(t, "encoding")
		p := newPlace(instruments)
		p.tier().Subscriptions = rapid.IntRange(1, 20).Draw(t, "limit")
		p.tier().Fastest = rapid.SampledFrom([]throttle.Cadence{throttle.Immediate, throttle.Every100ms}).Draw(t, "fastest")
		s := p.open(e)
		o := &oracle{place: p, subs: map[fanout.Handle]*oracleSub{}, standing: oracleSub{wish: throttle.NoWish}}
		ask(t, p, s, e, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{}}})

		cadence := rapid.Ptr(rapid.SampledFrom([]uint32{0, 30, 100, 250, 9000}), true)
		handles := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) uint32 {
			h := handleOf(market.InstrumentID(rapid.IntRange(0, len(instruments)).Draw(t, "id")), market.Channel(rapid.IntRange(1, 6).Draw(t, "channel")))
			return uint32(h) + 1_000_000*rapid.Uint32Range(0, 4).Draw(t, "view")
		}), 0, 6)
		for id := uint32(2); id < 30; id++ {
			p.now += 100_000
			f := &feedv1.ClientFrame{Id: id}
			switch rapid.IntRange(0, 2).Draw(t, "request") {
			case 0:
				m := &feedv1.Subscribe{
					Symbols:   rapid.SliceOfN(rapid.SampledFrom(symbols), 1, 8).Draw(t, "symbols"),
					Channels:  rapid.SliceOfN(rapid.SampledFrom([]string{"quote", "trade", "status", "book", "bar", "stats", "pears"}), 0, 3).Draw(t, "channels"),
					CadenceMs: cadence.Draw(t, "cadence"),
					Depth:     rapid.SampledFrom([]uint32{5, 10}).Draw(t, "depth"), PriceGroup: rapid.SampledFrom([]int64{0, 20}).Draw(t, "group"),
					BarSeconds: rapid.SampledFrom([]uint32{0, 60, 3600}).Draw(t, "bar"), TradeSummary: rapid.Bool().Draw(t, "summary"),
				}
				f.Request = &feedv1.ClientFrame_Subscribe{Subscribe: m}
				want := o.subscribe(m)
				compareResults(t, ask(t, p, s, e, f), want)
			case 1:
				m := &feedv1.Unsubscribe{Handles: handles.Draw(t, "handles")}
				f.Request = &feedv1.ClientFrame_Unsubscribe{Unsubscribe: m}
				o.unsubscribe(m)
				ask(t, p, s, e, f)
			case 2:
				m := &feedv1.SetRate{Handles: handles.Draw(t, "handles"), CadenceMs: cadence.Draw(t, "cadence"), Visibility: feedv1.Visibility(rapid.IntRange(0, 3).Draw(t, "visibility"))}
				f.Request = &feedv1.ClientFrame_SetRate{SetRate: m}
				o.setRate(m)
				ask(t, p, s, e, f)
			}
			if got, want := fmt.Sprint(p.engine.active), fmt.Sprint(o.active()); got != want {
				t.Fatalf("the engine sends %v,\nwant %v", got, want)
			}
			if p.engine.fault != "" {
				t.Fatal(p.engine.fault)
			}
		}
		s.Receive(encodeClient(t, e, &feedv1.ClientFrame{Id: 99, Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{}}}))
		if len(p.engine.active) > 0 {
			t.Fatalf("unsubscribed from all, but the engine sends %v", p.engine.active)
		}
		if s.End(); p.engine.detached != 1 {
			t.Fatalf("detached %d times", p.engine.detached)
		}
	})
}

// ask sends one request and returns the frames of its answer: all but the last say that more follow.
func ask(t fataler, p *place, s *session.Session, e fanout.Encoding, f *feedv1.ClientFrame) []*feedv1.ServerFrame {
	before := len(p.conn.sent)
	s.Receive(encodeClient(t, e, f))
	var frames []*feedv1.ServerFrame
	for _, payload := range p.conn.sent[before:] {
		if len(payload) > p.env.ServerFrame {
			t.Fatalf("a frame of %d bytes", len(payload))
		}
		frames = append(frames, decodeServer(t, e, payload))
	}
	for i, frame := range frames {
		last := i == len(frames)-1
		if more := frame.Partial || frame.GetSubscribed().GetPartial(); frame.ReplyTo != f.Id || more == last {
			t.Fatalf("frame %d of %d in answer to %v: %v", i+1, len(frames), f, frame)
		}
	}
	if len(frames) == 0 {
		t.Fatalf("no answer to %v", f)
	}
	return frames
}

// compareResults checks the handles in the answer to a subscribe, and that what is granted is what was given.
func compareResults(t *rapid.T, frames []*feedv1.ServerFrame, want []uint32) {
	var got []uint32
	for _, f := range frames {
		granted := map[uint32]bool{}
		depths := map[uint32]uint32{}
		for _, g := range f.Grants {
			for _, h := range g.Handles {
				granted[h], depths[h] = true, g.Depth
			}
		}
		for _, r := range f.GetSubscribed().GetResults() {
			got = append(got, r.Handle)
			if (r.Handle == 0) == (r.Code == 0) || granted[r.Handle] != (r.Handle != 0) || depths[r.Handle] != r.Depth && r.Handle != 0 {
				t.Fatalf("result %v with grants %v", r, f.Grants)
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("handles %v, want %v", got, want)
	}
}

func encodeClient(t fataler, e fanout.Encoding, f *feedv1.ClientFrame) (payload []byte) {
	var err error
	if e == fanout.JSON {
		payload, err = protojson.Marshal(f)
	} else {
		payload, err = proto.Marshal(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
