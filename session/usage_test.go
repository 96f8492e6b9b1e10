package session_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/usage"
)

var _ session.Usage = (*usage.Meter)(nil)

// An instrument's channel counts once in a session, in however many views, from its first subscription to its last one's
// end, whatever ends it.
func TestUsageFollowsWhatIsHeld(t *testing.T) {
	p := newPlace(exchange())
	meter := usage.NewMeter(p.now)
	p.env.Usage, p.env.Access = meter, p.access
	binance, err := entitlement.Parse([]string{"binance:*"})
	if err != nil {
		t.Fatal(err)
	}
	p.access.tokens = map[string]*entitlement.Identity{"all": {User: "ada", May: entitlement.Everything()}, "less": {User: "ada", May: binance}}
	s := p.open(fanout.Proto)
	say := func(f *feedv1.ClientFrame) { s.Receive(encodeClient(t, fanout.Proto, f)) }
	held := func(want string) {
		t.Helper()
		p.now += 1e6
		got := ""
		for _, r := range meter.Today(p.now).Rows {
			if r.Held > 0 {
				got += r.User + " " + r.Venue + " " + r.Channel.String() + " " + string('0'+rune(r.Held)) + "; "
			}
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	subscribe := func(depth uint32, symbols []string, channels ...string) {
		say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: symbols, Channels: channels, Depth: depth, CadenceMs: proto.Uint32(100)}}})
	}
	say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{Token: "all"}}})
	subscribe(10, []string{"binance:BTCUSDT", "nyse:BRK.B"}, "quote", "book")
	held("ada binance quote 1; ada binance book 1; ada nyse quote 1; ada nyse book 1; ")
	subscribe(20, []string{"binance:BTCUSDT", "nyse:BRK.B"}, "quote", "book")
	held("ada binance quote 1; ada binance book 1; ada nyse quote 1; ada nyse book 1; ")
	subscribe(0, []string{"binance:*USDT"}, "quote")
	held("ada binance quote 3; ada binance book 1; ada nyse quote 1; ada nyse book 1; ")
	say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Unsubscribe{Unsubscribe: &feedv1.Unsubscribe{
		Handles: []uint32{uint32(handleOf(0, market.ChannelQuote)), 1_000_000 + uint32(handleOf(0, market.ChannelBook))},
	}}})
	held("ada binance quote 2; ada binance book 1; ada nyse quote 1; ada nyse book 1; ")
	say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_RefreshToken{RefreshToken: &feedv1.RefreshToken{Token: "less"}}})
	held("ada binance quote 2; ada binance book 1; ")
	if _, err := p.env.Snapshot(p.access.tokens["all"], &feedv1.Subscribe{Symbols: []string{"*"}}, fanout.Proto, 1<<20); err != nil {
		t.Fatal(err)
	}
	held("ada binance quote 2; ada binance book 1; ")
	s.End()
	held("")
	rows := meter.Today(p.now).Rows
	if len(rows) != 4 || rows[0].Line != (usage.Line{User: "ada", Venue: "binance", Channel: market.ChannelQuote}) || rows[0].Begun != 3 || rows[0].Peak != 3 || rows[0].Holding != 11*time.Second {
		t.Errorf("%+v", rows)
	}
}
