package subject

import (
	"strings"
	"testing"

	"github.com/feedd/feedd/market"
)

func TestSubjectsAsDocumented(t *testing.T) {
	for _, c := range []struct {
		sym  market.Symbol
		want string
	}{
		{market.Symbol{Venue: "binance", Name: "BTCUSDT"}, "md.binance.BTCUSDT.quote"},
		{market.Symbol{Venue: "nyse", Name: "BRK.B"}, "md.nyse.BRK%2EB.quote"},
		{market.Symbol{Venue: "fx", Name: "EUR/USD"}, "md.fx.EUR%2FUSD.quote"},
		{market.Symbol{Venue: "opt", Name: "50%>*"}, "md.opt.50%25%3E%2A.quote"},
		{market.Symbol{Venue: "tse", Name: "日経"}, "md.tse.%E6%97%A5%E7%B5%8C.quote"},
		{market.Symbol{Venue: "a.b", Name: "X"}, "md.a%2Eb.X.quote"},
	} {
		got := For(c.sym, market.ChannelQuote)
		if got != c.want {
			t.Errorf("subject of %v = %q, want %q", c.sym, got, c.want)
		}
		back, err := Parse(got)
		if err != nil || back.Symbol != c.sym || back.Channel != market.ChannelQuote || back.Kind != Ticks {
			t.Errorf("Parse(%q) = %+v, %v", got, back, err)
		}
	}
}

func TestParse(t *testing.T) {
	btc := market.Symbol{Venue: "demo", Name: "BTC-USD"}
	for _, c := range []struct {
		subject string
		want    Subject
		err     string // what the error must say; empty: none
	}{
		{"md.demo.BTC-USD.trade", Subject{Symbol: btc, Channel: market.ChannelTrade}, ""},
		{"md.demo.BTC-USD.candles", Subject{Symbol: btc}, ""},
		{"md.demo.BTC/USD.quote", Subject{Symbol: market.Symbol{Venue: "demo", Name: "BTC/USD"}, Channel: market.ChannelQuote}, ""},
		{"md.demo.BRK%2eB.quote", Subject{Symbol: market.Symbol{Venue: "demo", Name: "BRK.B"}, Channel: market.ChannelQuote}, ""},
		{"md.demo.heartbeat", Subject{Kind: Heartbeats, Symbol: market.Symbol{Venue: "demo"}}, ""},
		{"md.snapshot.demo.BTC-USD", Subject{Kind: SnapshotRequest, Symbol: btc}, ""},
		{"md.snapshot.demo.quote", Subject{Kind: SnapshotRequest, Symbol: market.Symbol{Venue: "demo", Name: "quote"}}, ""},
		{"md.snapshot.heartbeat", Subject{}, "taken by snapshot requests"},
		{"md.%73napshot.X.quote", Subject{}, "taken by snapshot requests"},
		{"md.demo.BTC%2.quote", Subject{}, "two hexadecimal digits"},
		{"md.demo.BTC%G0.quote", Subject{}, "two hexadecimal digits"},
		{"md.demo.BTC%20USD.quote", Subject{}, "space or control"},
		{"md.de%3Amo.X.quote", Subject{}, "venue:NAME"},
		{"md.demo.%FF.quote", Subject{}, "not UTF-8"},
		{"md.%FF.heartbeat", Subject{}, "not UTF-8"},
		{"md.demo.BTC-USD", Subject{}, "want md.<venue>"},
		{"md.demo.BRK.B.quote", Subject{}, "want md.<venue>"},
		{"md..X.quote", Subject{}, "want md.<venue>"},
		{"md", Subject{}, "want md.<venue>"},
		{"", Subject{}, "want md.<venue>"},
		{"xx.demo.X.quote", Subject{}, "want md.<venue>"},
		{"md.demo." + strings.Repeat("X", 80) + ".quote", Subject{}, "at most 64 bytes"},
	} {
		got, err := Parse(c.subject)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("Parse(%q) = %+v, %v, want %+v", c.subject, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("Parse(%q): error %v, want one that says %q", c.subject, err, c.err)
		}
	}
}

// FuzzToken: every name makes a token that NATS takes as one, and reads back as itself.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"BTCUSDT", "BRK.B", "a b", "%", "%%2E", "\x00\xff", "日経", ">", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		token := Token(name)
		if strings.ContainsAny(token, ".*> \t\r\n/") {
			t.Fatalf("token %q of %q holds what NATS reads otherwise", token, name)
		}
		back, err := ParseToken(token)
		if err != nil || back != name {
			t.Fatalf("ParseToken(%q) = %q, %v, want %q", token, back, err, name)
		}
	})
}

// FuzzParse: whatever parses is a valid symbol, and its canonical subject parses to the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"md.demo.BTC-USD.quote", "md.demo.heartbeat", "md.snapshot.demo.X", "md.a.%2e.trade", "md.%", "md...."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		var canonical string
		switch s.Kind {
		case Ticks:
			if s.Channel == market.ChannelNone {
				return
			}
			canonical = For(s.Symbol, s.Channel)
		case Heartbeats:
			canonical = Heartbeat(s.Symbol.Venue)
		case SnapshotRequest:
			canonical = Snapshot(s.Symbol)
		}
		again, err := Parse(canonical)
		if err != nil || again != s {
			t.Fatalf("Parse(%q) = %+v, but Parse(%q) = %+v, %v", text, s, canonical, again, err)
		}
	})
}
