package session_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/policy"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// told is what a client knows of its subscriptions, from nothing but the frames that it was sent.
type told struct {
	symbol, channel string
	depth           uint32
	grant           *feedv1.Grant
}

// follow brings what a client knows forward by one frame.
func follow(known map[uint32]*told, f *feedv1.ServerFrame) {
	for _, r := range f.GetSubscribed().GetResults() {
		delete(known, r.Replaces)
	}
	for _, r := range f.GetSubscribed().GetResults() {
		if r.Handle != 0 && known[r.Handle] == nil {
			known[r.Handle] = &told{symbol: r.Symbol, channel: r.Channel, depth: r.Depth}
		}
	}
	for _, h := range f.GetUnsubscribed().GetHandles() {
		delete(known, h)
	}
	for _, g := range f.Grants {
		for _, h := range g.Handles {
			if known[h] != nil {
				known[h].grant = g
			}
		}
	}
}

// limitsOf draws limits as a policy may have them, in the flow form of YAML.
func limitsOf(t *rapid.T, fastest int) string {
	ladder := []string{"immediate", "20ms", "50ms", "100ms", "250ms", "500ms", "1s", "2s", "5s"}
	parts := []string{"fastest: " + ladder[fastest]}
	if rapid.Bool().Draw(t, "has depth") {
		parts = append(parts, "depth: "+rapid.SampledFrom([]string{"5", "20", "all"}).Draw(t, "depth"))
	}
	if slower := fastest + 1; slower < len(ladder) && rapid.Bool().Draw(t, "has sizes") {
		parts = append(parts, "size_changes: "+rapid.SampledFrom(ladder[slower:]).Draw(t, "sizes"))
	}
	if rapid.IntRange(0, 4).Draw(t, "has none") == 0 {
		parts = []string{"timeliness: none"}
	}
	return strings.Join(parts, ", ")
}

func policyOf(t *rapid.T) string {
	text := "tiers: {default: {" + limitsOf(t, rapid.IntRange(0, 6).Draw(t, "fastest")) + "}}\nrules: [\n"
	for i, scope := range []string{`symbols: ["binance:*"], channels: [quote]`, `symbols: ["nyse:*", "*:ETH*"]`, `channels: [book]`} {
		if rapid.Bool().Draw(t, "rule") {
			text += fmt.Sprintf("  {name: r%d, %s, %s},\n", i, scope, limitsOf(t, rapid.IntRange(0, 6).Draw(t, "fastest")))
		}
	}
	text += "]\n"
	if rapid.IntRange(0, 2).Draw(t, "stop") == 0 {
		text += "stops: [{name: halt, symbols: [\"binance:*\"]}]\n"
	}
	return text
}

// Whatever policies come into force, between whatever requests, the engine sends exactly what the client was last told, and never
// more than the policy in force allows.
func TestWhatIsSentIsWhatWasToldAndAllowed(t *testing.T) {
	symbols := []string{"binance:BTCUSDT", "binance:ETHUSDT", "nyse:BRK.B", "test:FAKE", "*:*", "binance:*"}
	rapid.Check(t, func(t *rapid.T) {
		p := newPlace(exchange())
		e := rapid.SampledFrom([]fanout.Encoding{fanout.Proto, fanout.JSON}).Draw(t, "encoding")
		s := p.open(e)
		known, read := map[uint32]*told{}, 0
		ask(t, p, s, e, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{}}})
		for id := uint32(2); id < 25; id++ {
			p.now += 1_000_000
			f := &feedv1.ClientFrame{Id: id}
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				ms := rapid.SampledFrom([]uint32{0, 100, 1000}).Draw(t, "cadence")
				f.Request = &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
					Symbols:       rapid.SliceOfN(rapid.SampledFrom(symbols), 1, 3).Draw(t, "symbols"),
					Channels:      rapid.SliceOfN(rapid.SampledFrom([]string{"quote", "book", "trade"}), 1, 3).Draw(t, "channels"),
					Depth:         rapid.SampledFrom([]uint32{0, 10, 50}).Draw(t, "depth"),
					SizeCadenceMs: rapid.SampledFrom([]uint32{0, 500}).Draw(t, "sizes"), CadenceMs: &ms,
				}}
			case 2:
				f.Request = &feedv1.ClientFrame_SetRate{SetRate: &feedv1.SetRate{Visibility: feedv1.Visibility(rapid.IntRange(1, 3).Draw(t, "visibility"))}}
			case 3:
				f.Request = &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{Handles: slices.Sorted(maps.Keys(known))[:len(known)/2]}}
				if len(known) < 2 {
					continue
				}
			case 4:
				text := policyOf(t)
				d, err := policy.Parse([]byte(text))
				if err != nil {
					continue // it contradicts itself
				}
				p.env.Policy.Replace(d.Compile(uint64(id), time.Unix(0, 0)))
				for !s.Refresh() {
				}
			}
			if f.Request != nil {
				ask(t, p, s, e, f)
			}
			for ; read < len(p.conn.sent); read++ {
				follow(known, decodeServer(t, e, p.conn.sent[read]))
			}
			p.compare(t, known)
			if p.engine.fault != "" {
				t.Fatal(p.engine.fault)
			}
		}
	})
}

// compare holds what a client knows against what the engine does, and both against the policy.
func (p *place) compare(t *rapid.T, known map[uint32]*told) {
	statuses := map[fanout.Handle]bool{}
	for h, k := range known {
		sym, _ := market.ParseSymbol(k.symbol)
		id, _ := p.directory.Lookup(sym)
		statuses[handleOf(id, market.ChannelStatus)], statuses[p.engine.SourceHandle(p.directory.Instrument(id).Source)] = true, true
		cadence, sent := p.engine.active[fanout.Handle(h)]
		limits := throttle.Resolve(p.tier(), throttle.Request{Symbol: sym, Channel: market.ParseChannel(k.channel)})
		stopped := k.grant.GetReason() == feedv1.GrantReason_GRANT_REASON_PAUSED || k.grant.GetReason() == feedv1.GrantReason_GRANT_REASON_STOPPED
		switch view := p.engine.View(fanout.Handle(h)); {
		case !sent || k.grant == nil:
			t.Fatalf("%s of %s: sent %v, granted %v", k.channel, k.symbol, sent, k.grant)
		case stopped != (cadence == throttle.Paused), !stopped && cadence.Interval().Milliseconds() != int64(k.grant.CadenceMs):
			t.Fatalf("%s of %s: sent at %v, told %v", k.channel, k.symbol, cadence, k.grant)
		case limits.Timeliness != throttle.RealTime, cadence < limits.Cadence:
			t.Fatalf("%s of %s: sent at %v, allowed %+v", k.channel, k.symbol, cadence, limits)
		case k.channel == "book" && (uint32(view.Depth) != k.depth || k.depth != k.grant.Depth || limits.Depth != 0 && (view.Depth == 0 || view.Depth > limits.Depth)):
			t.Fatalf("book of %s: depth %d sent, %d told, %d granted, %d allowed", k.symbol, view.Depth, k.depth, k.grant.Depth, limits.Depth)
		case k.channel == "quote" && (view.Sizes != k.grant.SizeCadenceMs || int64(view.Sizes) < limits.SizeChanges.Interval().Milliseconds()):
			t.Fatalf("quote of %s: sizes every %d ms sent, %d told, %v allowed", k.symbol, view.Sizes, k.grant.SizeCadenceMs, limits.SizeChanges)
		}
	}
	for h := range p.engine.active {
		if known[uint32(h)] == nil && !statuses[h] {
			t.Fatalf("handle %d is sent, and the client does not know it", h)
		}
	}
}
