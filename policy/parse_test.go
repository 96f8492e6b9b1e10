package policy

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/throttle"
)

var rewrite = flag.Bool("rewrite", false, "write what happened into testdata instead of comparing")

// Each policy in testdata/refused.txt is refused whole, with every line and reason. A policy ends with ====; what is
// wrong with it follows in lines that begin with "> ". go test ./policy -rewrite writes those anew.
func TestPoliciesThatAreRefused(t *testing.T) {
	const file = "testdata/refused.txt"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	var text strings.Builder
	for line := range strings.Lines(string(want)) {
		switch {
		case strings.HasPrefix(line, "> "):
		case line == "====\n":
			got.WriteString(line)
			d, err := Parse([]byte(text.String()))
			if err == nil {
				t.Errorf("taken:\n%s", &text)
			}
			if d != nil && err != nil {
				t.Errorf("both taken and refused:\n%s", &text)
			}
			for problem := range strings.SplitSeq(fmt.Sprint(err), "\n") {
				fmt.Fprintf(&got, "> %s\n", problem)
			}
			text.Reset()
		default:
			got.WriteString(line)
			if !strings.HasPrefix(line, "// ") {
				text.WriteString(line)
			}
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got.String() != string(want) {
		t.Errorf("%s does not say what is wrong; -rewrite writes this:\n%s", file, &got)
	}
}

const trading = `# Who gets what.
default_tier: free
tiers:
  free:
    fastest: 1s
    depth: 5
    bytes_per_second: 16kB
    subscriptions: 50
    trade_history: {most: 20}
  gold:
    default: 100ms
    size_changes: 1s
    timeliness: realtime
rules:
  - name: licensed
    tiers: [free]
    symbols: ["nyse:*"]
    timeliness: none
  - name: deep-bitcoin
    symbols: ["binance:BTC*"]
    channels: [book]
    depth: 100
    fastest: 250ms
stops:
  - name: luna
    symbols: ["binance:LUNA*"]
    until: 2026-01-01T00:00:00Z
`

func TestCompile(t *testing.T) {
	d, err := Parse([]byte(trading))
	if err != nil {
		t.Fatal(err)
	}
	early := time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	p := d.Compile(7, early)
	built := throttle.BuiltInTier()
	free, gold := p.Tier(""), p.Tier("gold")
	want := built
	want.Name, want.Revision = "free", 7
	want.Limits = throttle.Limits{Default: throttle.Every1s, Fastest: throttle.Every1s, Hidden: throttle.Every2s, Depth: 5}
	want.BytesPerSecond, want.Subscriptions, want.DefaultHistory, want.MaxHistory = 16_000, 50, 20, 20
	books := throttle.Channels(0).With(market.ChannelBook)
	want.Rules = []*throttle.Rule{
		{Name: "licensed", Line: 15, Symbols: []string{"nyse:*"}, Limits: throttle.Limits{Default: throttle.Every1s, Fastest: throttle.Every1s, Hidden: throttle.Every2s, Depth: 5, Timeliness: throttle.NoData}},
		{Name: "deep-bitcoin", Line: 19, Symbols: []string{"binance:BTC*"}, Channels: books, Limits: throttle.Limits{Default: throttle.Every1s, Fastest: throttle.Every250ms, Hidden: throttle.Every2s, Depth: 100}},
	}
	want.Stops = []*throttle.Stop{{Name: "luna", Symbols: []string{"binance:LUNA*"}}}
	if !reflect.DeepEqual(*free, want) {
		t.Errorf("free: got %+v, want %+v", *free, want)
	}
	if gold.Default != throttle.Every100ms || gold.SizeChanges != throttle.Every1s || len(gold.Rules) != 1 || p.Revision != 7 {
		t.Errorf("gold: %+v", gold)
	}
	ends := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if next := d.NextChange(early); !next.Equal(ends) {
		t.Errorf("the next change is at %v, want %v", next, ends)
	}
	if p := d.Compile(7, ends); len(p.Tier("free").Stops) != 0 || !d.NextChange(ends).IsZero() {
		t.Error("a stop outlives its end")
	}
}

// What a document says is what its own text, written out, says.
func TestDocumentsSurviveBeingWritten(t *testing.T) {
	d, err := Parse([]byte(trading))
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	again.root, d.root = nil, nil
	if !reflect.DeepEqual(d, again) {
		t.Errorf("got\n%s", text)
	}
}

func TestPoliciesOfUnbearableSizeAreRefused(t *testing.T) {
	many := func(n int, line string) string { return "tiers: {default: {}}\nrules:\n" + strings.Repeat(line, n) }
	for name, text := range map[string]string{
		"bytes": "tiers: {default: {}} #" + strings.Repeat("x", MaxBytes),
		"rules": many(501, "  - {name: a, fastest: 1s}\n"),
		"tiers": "tiers:\n" + func() (s string) {
			for i := range 101 {
				s += fmt.Sprintf("  t%d: {}\n", i)
			}
			return s
		}(),
		"patterns": many(3, "  - {name: a, fastest: 1s, symbols: ["+strings.Repeat(`"a:b", `, 1000)+"]}\n"),
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

// Whatever comes, it is taken or refused, and what is taken can be compiled.
func FuzzParse(f *testing.F) {
	f.Add([]byte(trading))
	refused, err := os.ReadFile("testdata/refused.txt")
	if err != nil {
		f.Fatal(err)
	}
	for text := range strings.SplitSeq(string(refused), "====\n") {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		p := d.Compile(1, time.Unix(0, 0))
		for name := range p.Tiers {
			g := throttle.Resolve(p.Tier(name), throttle.Request{Symbol: market.Symbol{Venue: "a", Name: "b"}, Channel: market.ChannelQuote})
			if g.Cadence != throttle.Paused && g.Cadence < p.Tier(name).FastestAnywhere() {
				t.Fatalf("granted %v", g.Cadence)
			}
		}
	})
}

func TestEveryNumberHasARange(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[Tier](), reflect.TypeFor[History](), reflect.TypeFor[Adaptive]()} {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if (f.Type == reflect.TypeFor[*Count]() || f.Type == reflect.TypeFor[*Span]()) && (f.Tag.Get("min") == "" || f.Tag.Get("max") == "") {
				t.Errorf("%s.%s has no range", typ.Name(), f.Name)
			}
		}
	}
}
