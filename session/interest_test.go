package session_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
)

var _ session.Interest = (*ingest.Feed)(nil)

// fakeInterest counts holders, and fails where rows of what nobody holds could still be sent.
type fakeInterest struct {
	t       *testing.T
	place   *place
	holders map[market.InstrumentID]int
	awaited int
}

func (i *fakeInterest) Hold(id market.InstrumentID) { i.holders[id]++ }

func (i *fakeInterest) Release(id market.InstrumentID) {
	for _, ch := range []market.Channel{market.ChannelQuote, market.ChannelTrade, market.ChannelStatus} {
		if _, sent := i.place.engine.active[handleOf(id, ch)]; sent && i.place.engine.detached == 0 {
			i.t.Errorf("instrument %d is released while its %s is sent", id, ch)
		}
	}
	if i.holders[id]--; i.holders[id] == 0 {
		delete(i.holders, id)
	}
}

func (i *fakeInterest) Await(_ context.Context, id market.InstrumentID) {
	if i.holders[id] == 0 {
		i.t.Errorf("the state of instrument %d is awaited, which nobody holds", id)
	}
	i.awaited++
}

// A session holds each of its instruments once, from ahead of the first subscription until behind the end of the last, whatever
// ends it.
func TestInterestFollowsWhatIsHeld(t *testing.T) {
	p := newPlace(exchange())
	interest := &fakeInterest{t: t, place: p, holders: map[market.InstrumentID]int{}}
	p.env.Interest, p.env.Access = interest, p.access
	binance, err := entitlement.Parse([]string{"binance:*"})
	if err != nil {
		t.Fatal(err)
	}
	p.access.tokens = map[string]*entitlement.Identity{"all": {User: "ada", May: entitlement.Everything()}, "less": {User: "ada", May: binance}}
	s := p.open(fanout.Proto)
	say := func(f *feedv1.ClientFrame) { s.Receive(encodeClient(t, fanout.Proto, f)) }
	held := func(want int) {
		t.Helper()
		for id, n := range interest.holders {
			if n != 1 {
				t.Errorf("instrument %d is held %d times", id, n)
			}
		}
		if len(interest.holders) != want {
			t.Errorf("%d instruments are held, want %d", len(interest.holders), want)
		}
	}
	subscribe := func(symbols []string, channels ...string) {
		say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: symbols, Channels: channels, CadenceMs: proto.Uint32(100)}}})
	}
	say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{Token: "all"}}})
	subscribe([]string{"binance:BTCUSDT", "nyse:BRK.B"}, "quote", "trade")
	held(2)
	subscribe([]string{"binance:*USDT"}, "quote")
	held(4)
	say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{Handles: []uint32{uint32(handleOf(0, market.ChannelQuote))}}}})
	held(4) // its trades are
	say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_RefreshToken{RefreshToken: &feedv1.RefreshToken{Token: "less"}}})
	held(3)
	if _, err := p.env.Snapshot(p.access.tokens["all"], &feedv1.Subscribe{Symbols: []string{"nyse:BRK.B"}}, fanout.Proto, 1<<20); err != nil || interest.awaited != 1 {
		t.Fatalf("a snapshot waited %d times: %v", interest.awaited, err)
	}
	held(3)
	s.End()
	s.Refresh()
	held(0)
}
