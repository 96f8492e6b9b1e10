package market

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, scale := rapid.Int64().Draw(t, "v"), uint8(rapid.IntRange(0, MaxScale).Draw(t, "scale"))
		text := string(AppendDecimal(nil, v, scale))
		want := new(big.Rat).SetFrac(big.NewInt(v), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
		if text != want.FloatString(int(scale)) {
			t.Fatalf("%d at %d is %q, want %q", v, scale, text, want.FloatString(int(scale)))
		}
		if v == math.MinInt64 {
			return // has no positive counterpart, so text cannot name it
		}
		if got, err := ParseDecimal(text, scale); err != nil || got != v {
			t.Fatalf("%q reads as %d, %v", text, got, err)
		}
	})
}

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text  string
		scale uint8
		want  int64
		err   string
	}{
		{"61837.63", 2, 6183763, ""},
		{"61837.63000000", 2, 6183763, ""},
		{"-.5", 1, -5, ""},
		{"5.", 0, 5, ""},
		{"007", 2, 700, ""},
		{"0.005", 2, 0, "more than 2 decimals"},
		{"1e5", 2, 0, `unexpected 'e'`},
		{"", 2, 0, "no digits"},
		{"-", 2, 0, "no digits"},
		{".", 2, 0, "no digits"},
		{"1.2.3", 2, 0, `unexpected '.'`},
		{" 1", 2, 0, `unexpected ' '`},
		{"+1", 2, 0, `unexpected '+'`},
		{"9223372036854775807", 0, math.MaxInt64, ""},
		{"9223372036854775808", 0, 0, "too large"},
		{"9223372036854775807", 1, 0, "too large"},
	} {
		got, err := ParseDecimal(c.text, c.scale)
		if (err == nil) != (c.err == "") || got != c.want || (err != nil && !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q at %d: %d, %v", c.text, c.scale, got, err)
		}
	}
}

func TestRescaleNeverLosesADigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "v")
		from, to := uint8(rapid.IntRange(0, 20).Draw(t, "from")), uint8(rapid.IntRange(0, 20).Draw(t, "to"))
		got, ok := Rescale(v, from, to)
		if !ok {
			return
		}
		ten := func(n uint8) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
		if new(big.Rat).SetFrac(big.NewInt(v), ten(from)).Cmp(new(big.Rat).SetFrac(big.NewInt(got), ten(to))) != 0 {
			t.Fatalf("%d at %d is not %d at %d", v, from, got, to)
		}
	})
}

func TestParseSymbol(t *testing.T) {
	for text, ok := range map[string]bool{
		"binance:BTCUSDT": true, "sim:BRK.B": true, "sim:EUR/USD": true, "v:a:b": true,
		"BTCUSDT": false, ":x": false, "v:": false, "": false, "v:a b": false, "v:\x00": false, "v:" + strings.Repeat("x", 63): false,
	} {
		s, err := ParseSymbol(text)
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if ok && s.String() != text {
			t.Errorf("%q reads back as %q", text, s)
		}
	}
}

func TestChannelsAndPositions(t *testing.T) {
	for c := ChannelQuote; c < channelEnd; c++ {
		if ParseChannel(c.String()) != c {
			t.Errorf("channel %d is called %q, which parses to %d", c, c, ParseChannel(c.String()))
		}
	}
	if ParseChannel("") != ChannelNone || ParseChannel("nonsense") != ChannelNone || Channel(99).String() != "" {
		t.Error("an unknown channel has a name")
	}
	for i, p := range []Position{{1, 1}, {1, 2}, {2, 1}} {
		for j, q := range []Position{{1, 1}, {1, 2}, {2, 1}} {
			if p.Before(q) != (i < j) {
				t.Errorf("%v before %v: %v", p, q, p.Before(q))
			}
		}
	}
}

func TestAmount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sum, want, volume := Amount{}, new(big.Int), int64(0)
		for range rapid.IntRange(0, 20).Draw(t, "trades") {
			price, size := rapid.Int64().Draw(t, "price"), rapid.Int64Range(0, 1<<53).Draw(t, "size")
			product := new(big.Int).Mul(big.NewInt(price), big.NewInt(size))
			if rapid.Bool().Draw(t, "minus") {
				sum, want = sum.Minus(Times(price, size)), want.Sub(want, product)
			} else {
				sum, want, volume = sum.Plus(Times(price, size)), want.Add(want, product), volume+size
			}
		}
		scale := uint8(rapid.IntRange(0, 2*MaxScale).Draw(t, "scale"))
		text := new(big.Rat).SetFrac(want, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).FloatString(int(scale))
		if got := string(sum.AppendText(nil, scale)); got != text {
			t.Fatalf("%s, want %s", got, text)
		}
		if sum != AmountOf(sum.Words()) {
			t.Fatal("words do not come back")
		}
		mean := new(big.Rat)
		if volume > 0 {
			mean.SetFrac(want, big.NewInt(volume))
		}
		if rounded := mean.FloatString(0); new(big.Int).Abs(want).BitLen() < 100 {
			if exact, err := strconv.ParseInt(rounded, 10, 64); err == nil && sum.Over(volume) != exact {
				t.Fatalf("mean %d, want %s", sum.Over(volume), rounded)
			}
		}
	})
}

func TestGroupOK(t *testing.T) {
	for g, want := range map[int64]bool{0: true, 1: true, 2: true, 5: true, 10: true, 200: true, 5e18: true, 3: false, 15: false, 25: false, -1: false, -10: false, math.MaxInt64: false, math.MinInt64: false} {
		if GroupOK(g) != want {
			t.Errorf("GroupOK(%d) = %v", g, !want)
		}
	}
}

// Fits agrees with the regular expression that a pattern stands for.
func TestFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab:*]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab:]{0,8}`).Draw(t, "text")
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
		if Fits(pattern, text) != want {
			t.Fatalf("%q and %q: want %v", pattern, text, want)
		}
	})
}
