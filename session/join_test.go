package session_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/throttle"
)

// joinOracle is what a session should hold whose patterns and lists stay live, written down the plain way.
type joinOracle struct {
	place *place
	held  map[uint32]bool
	away  map[uint32]bool
	live  map[string]bool
}

func (o *joinOracle) fits(pattern, symbol string) bool {
	name, isList := strings.CutPrefix(pattern, "@")
	entries := []string{pattern}
	if isList {
		entries = o.place.lists.entries[name]
	}
	return slices.ContainsFunc(entries, func(entry string) bool { ok, _ := path.Match(entry, symbol); return ok })
}

// take subscribes what fits a pattern now; again, also what was sent away.
func (o *joinOracle) take(pattern string, again bool) {
	for id, in := range o.place.directory.instruments {
		h := uint32(handleOf(market.InstrumentID(id), market.ChannelQuote))
		if in.Delisted || !o.fits(pattern, in.Symbol.String()) || o.away[h] && !again {
			continue
		}
		o.held[h] = true
		delete(o.away, h)
	}
}

func (o *joinOracle) end() {
	if len(o.live) == 0 {
		clear(o.away)
	}
}

// Whatever comes, changes or goes, and however often the connection is not ready, a session ends up with exactly
// what fits its patterns and lists, told once each, in frames that each stand for themselves.
func TestPatternsStayLive(t *testing.T) {
	patterns := []string{"a:*", "*:X*", "b:X*", "*", "@one", "@two", "*1"}
	symbols := []string{"a:X1", "a:X2", "a:Y1", "b:X1", "b:Y", "c:X1"}
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom([]fanout.Encoding{fanout.Proto, fanout.JSON}).Draw(t, "encoding")
		p := newPlace(nil)
		p.tier().RequestBurst = 1000
		p.lists.set("one", []string{"a:X1", "b:*"})
		p.lists.set("two", nil)
		o := &joinOracle{place: p, held: map[uint32]bool{}, away: map[uint32]bool{}, live: map[string]bool{}}
		s := p.open(e)
		told := map[uint32]bool{}
		p.conn.log = func(payload []byte) {
			f := decodeServer(t, e, payload)
			for _, r := range f.GetSubscribed().GetResults() {
				if told[r.Handle] && f.ReplyTo == 0 {
					t.Fatalf("told of %v twice", r)
				}
				told[r.Handle] = r.Handle != 0
			}
			for _, h := range f.GetUnsubscribed().GetHandles() {
				delete(told, h)
			}
		}
		for id := uint32(1); id < 40; id++ {
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0, 1:
				for range rapid.IntRange(1, 4).Draw(t, "definitions") {
					sym, _ := market.ParseSymbol(rapid.SampledFrom(symbols).Draw(t, "symbol"))
					p.directory.define(market.Instrument{
						Symbol: sym, Source: rapid.SampledFrom([]string{"one", "two"}).Draw(t, "source"), Delisted: rapid.Bool().Draw(t, "delisted"),
					})
				}
				if rapid.IntRange(0, 4).Draw(t, "forget") == 0 {
					p.directory.forgotten = len(p.directory.changes)
				}
			case 2:
				pattern := rapid.SampledFrom(patterns).Draw(t, "pattern")
				s.Receive(encodeClient(t, e, &feedv1.ClientFrame{Id: id, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: []string{pattern}}}}))
				o.live[pattern] = true
				o.take(pattern, true)
			case 3:
				m := &feedv1.Unsubscribe{Patterns: []string{rapid.SampledFrom(patterns).Draw(t, "pattern")}}
				s.Receive(encodeClient(t, e, &feedv1.ClientFrame{Id: id, Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: m}}))
				delete(o.live, m.Patterns[0])
				o.end()
			case 4:
				if len(o.held) == 0 {
					continue
				}
				h := rapid.SampledFrom(slices.Sorted(maps.Keys(o.held))).Draw(t, "handle")
				s.Receive(encodeClient(t, e, &feedv1.ClientFrame{Id: id, Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{Handles: []uint32{h}}}}))
				delete(o.held, h)
				o.away[h] = true
				o.end()
			case 5:
				p.lists.set("two", rapid.SliceOfN(rapid.SampledFrom(append([]string{"c:*"}, symbols...)), 0, 3).Draw(t, "entries"))
			}
			p.now += 100_000
			p.conn.busy = rapid.IntRange(0, 2).Draw(t, "busy")
			for !s.Refresh() {
				p.conn.busy = rapid.IntRange(0, 2).Draw(t, "busy")
			}
			for pattern := range o.live {
				o.take(pattern, false)
			}
			got, want := fmt.Sprint(p.engine.active), fmt.Sprint(o.active())
			if got != want {
				t.Fatalf("the engine sends %v,\nwant %v", got, want)
			}
			if p.engine.fault != "" {
				t.Fatal(p.engine.fault)
			}
		}
	})
}

func (o *joinOracle) active() map[fanout.Handle]throttle.Cadence {
	all := map[fanout.Handle]throttle.Cadence{}
	for h := range o.held {
		id := market.InstrumentID(h / 10)
		all[fanout.Handle(h)] = throttle.Every250ms
		all[handleOf(id, market.ChannelStatus)] = throttle.Immediate
		all[o.place.engine.SourceHandle(o.place.directory.Instrument(id).Source)] = throttle.Immediate
	}
	return all
}

// Many that join at once come in several frames, with a look at the connection between them; none is left out.
func TestManyJoins(t *testing.T) {
	p := newPlace(nil)
	s := p.open(fanout.Proto)
	ask(t, p, s, fanout.Proto, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{}}})
	ask(t, p, s, fanout.Proto, &feedv1.ClientFrame{Id: 2, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: []string{"*"}}}})
	for _, in := range crowd(500) {
		in.Description = strings.Repeat(`"\`, 300)
		p.directory.define(in)
	}
	looks := 0
	for done := false; !done; looks++ {
		p.conn.quota = len(p.conn.sent) + 2
		before, bytes := len(p.conn.sent), 0
		done = s.Refresh()
		for _, payload := range p.conn.sent[before:] {
			bytes += len(payload)
		}
		if bytes > 48<<10 {
			t.Fatalf("%d bytes at one look", bytes)
		}
	}
	if got := len(p.engine.active); got != 1001 { // and their source
		t.Errorf("%d handles are sent", got)
	}
	if looks < 10 {
		t.Errorf("all in %d looks", looks)
	}
}

// The watcher looks where there is something new, and again while somebody was not ready.
func TestWatcher(t *testing.T) {
	p := newPlace(nil)
	s := p.open(fanout.JSON)
	s.Receive([]byte(`{"id":1,"subscribe":{"symbols":["*"]}}`))
	w := session.NewWatcher(&p.env)
	looks := 0
	for _, step := range []struct {
		what        string
		do          func()
		looks, held int
	}{
		{"nothing new", func() {}, 0, 0},
		{"an instrument", func() { p.directory.define(crowd(1)[0]) }, 1, 1},
		{"nothing new again", func() {}, 1, 1},
		{"an instrument, and a slow client", func() { p.conn.busy = 3; p.directory.define(crowd(2)[1]) }, 4, 2},
		{"a list", func() { p.lists.set("new", nil) }, 5, 2},
	} {
		step.do()
		for range 5 {
			w.Look(func(f func(*session.Session)) { looks++; f(s) })
		}
		held := 0
		for h := range p.engine.active {
			if h%10 == fanout.Handle(market.ChannelQuote) {
				held++
			}
		}
		if looks != step.looks || held != step.held {
			t.Errorf("%s: %d looks and %d subscriptions, want %d and %d", step.what, looks, held, step.looks, step.held)
		}
	}
	s.End()
}
