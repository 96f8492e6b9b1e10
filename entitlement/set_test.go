package entitlement

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
)

func mustParse(t testing.TB, rules ...string) *Set {
	t.Helper()
	s, err := Parse(rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBest(t *testing.T) {
	const none = "none"
	deep := mustParse(t, "x:* book depth=1", "x:* book delayed", "x:A book depth=10", "y:* quote,trade delayed=20m", "y:* quote delayed=15m", "z:*")
	for _, c := range []struct {
		symbol  string
		channel market.Channel
		view    market.View
		least   time.Duration
		want    string
	}{
		{"x:B", market.ChannelBook, market.View{}, 0, "0s 1"},
		{"x:A", market.ChannelBook, market.View{Depth: 20}, 0, "0s 10"},
		{"x:B", market.ChannelBook, market.View{Depth: 20}, time.Millisecond, "1ms 0"},
		{"x:B", market.ChannelBook, market.View{Depth: 5, Group: 10}, 0, "1ms 0"}, // a grouped one shows more than it has levels
		{"x:B", market.ChannelQuote, market.View{}, 0, none},
		{"x:B", market.ChannelStatus, market.View{}, 0, "0s 1"}, // goes with anything
		{"y:Q", market.ChannelQuote, market.View{}, 0, "15m0s 0"},
		{"y:Q", market.ChannelTrade, market.View{}, 0, "20m0s 0"},
		{"y:Q", market.ChannelQuote, market.View{}, time.Hour, "1h0m0s 0"},
		{"y:Q", market.ChannelBook, market.View{}, 0, none},
		{"z:Q", market.ChannelBar, market.View{}, 0, "0s 0"},
		{"w:Q", market.ChannelBar, market.View{}, 0, none},
	} {
		got := none
		if r, ok := deep.Best(c.symbol, c.channel, c.view, c.least); ok {
			got = r.Delay.String() + " " + string('0'+rune(r.Depth/10)) + string('0'+rune(r.Depth%10))
			got = strings.Replace(got, " 0", " ", 1)
		}
		if got != c.want {
			t.Errorf("%s %v %+v from %v on: %s, want %s", c.symbol, c.channel, c.view, c.least, got, c.want)
		}
	}
}

func TestNothingIsAllowedByDefault(t *testing.T) {
	for _, s := range []*Set{nil, {}, mustParse(t)} {
		if _, ok := s.Best("x:A", market.ChannelQuote, market.View{}, 0); ok || s.Knows("x:A") || s.All() || s.String() != "nothing" {
			t.Errorf("%v allows something", s)
		}
	}
	if s := Everything(); !s.All() || !s.Knows("x:A") || s.String() != "*" {
		t.Errorf("everything is %v", s)
	}
}

func TestRulesThatCannotBe(t *testing.T) {
	for text, says := range map[string]string{
		"":                        "want \"PATTERN",
		"nyse":                    "want venue:NAME",
		strings.Repeat("x", 65):   "at most 64 bytes",
		"nyse:* quotes":           `channel "quotes"`,
		"nyse:* definition":       `channel "definition"`,
		"nyse:* quote trade":      "separate them by commas",
		"nyse:* quote, trade":     `channel ""`,
		"nyse:* depth=7":          "want one of",
		"nyse:* depth=0":          "want one of",
		"nyse:* delayed=0s":       "from 1s",
		"nyse:* delayed=25h":      "24h",
		"nyse:* delayed=soon":     "want a duration",
		"nyse:* timeliness=never": `"timeliness=never"`,
	} {
		if r, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v; want %q", text, r, err, says)
		}
	}
	if _, err := Parse(make([]string, MaxRules+1)); err == nil || !strings.Contains(err.Error(), "at most 100") {
		t.Errorf("too many: %v", err)
	}
}

func drawRule(t *rapid.T) string {
	words := []string{rapid.SampledFrom([]string{"*", "x:*", "x:A", "y:*", "*:A"}).Draw(t, "pattern")}
	words = append(words, rapid.SampledFrom([]string{"", "quote", "quote,trade", "book", "bar,stats"}).Draw(t, "channels"),
		rapid.SampledFrom([]string{"", "depth=1", "depth=10"}).Draw(t, "depth"),
		rapid.SampledFrom([]string{"", "delayed", "delayed=15m0s", "delayed=20m0s"}).Draw(t, "delay"))
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

func TestRulesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawRule(t)
		if r, err := ParseRule(text); err != nil || r.String() != text {
			t.Fatalf("%q came back as %q, %v", text, r, err)
		}
	})
}

// A set is the union of its rules: more rules never take anything away, and what a set gives one rule gives alone.
func TestARuleMoreNeverTakesAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(rapid.Custom(drawRule), 1, 6).Draw(t, "rules")
		symbol := rapid.SampledFrom([]string{"x:A", "x:B", "y:A"}).Draw(t, "symbol")
		ch := rapid.SampledFrom([]market.Channel{market.ChannelQuote, market.ChannelTrade, market.ChannelBook, market.ChannelStats}).Draw(t, "channel")
		v := market.View{}
		if ch == market.ChannelBook {
			v.Depth = rapid.SampledFrom([]uint8{0, 1, 5, 20}).Draw(t, "depth")
		}
		all, err := Parse(rules)
		if err != nil {
			t.Fatal(err)
		}
		whole, ok := all.Best(symbol, ch, v, 0)
		alone := false
		for _, rule := range rules {
			one, err := Parse([]string{rule})
			if err != nil {
				t.Fatal(err)
			}
			r, gives := one.Best(symbol, ch, v, 0)
			if gives && (!ok || r.Delay < whole.Delay) {
				t.Fatalf("%q alone gives %+v, all together %+v, %v", rule, r, whole, ok)
			}
			alone = alone || gives && r == whole
		}
		if ok != alone {
			t.Fatalf("%q give %+v, %v, but no one of them alone does", rules, whole, ok)
		}
		if ok && deeper(whole.Clamp(v.Depth), whole.Depth) {
			t.Fatalf("%d levels are given where %d are allowed", whole.Clamp(v.Depth), whole.Depth)
		}
	})
}

func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{"*", "nyse:* quote,trade delayed", "x:A book depth=10 delayed=20m", "* *", "x:A =", "depth=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || again != r {
			t.Errorf("%q is %q, which is read as %q, %v", text, r, again, err)
		}
	})
}
