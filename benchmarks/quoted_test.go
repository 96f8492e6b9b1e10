package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/feedd/feedd/benchmarks/report"
)

// stored reads a result that is kept, and returns the figure at a path of keys in it.
func stored(t *testing.T, name string) func(path ...string) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("results", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return func(path ...string) float64 {
		t.Helper()
		at := all
		for _, key := range path {
			switch x := at.(type) {
			case map[string]any:
				at = x[key]
			case []any:
				n, err := strconv.Atoi(key)
				if err != nil || n >= len(x) {
					t.Fatalf("%s.json has nothing at %q", name, path)
				}
				at = x[n]
			}
		}
		v, ok := at.(float64)
		if !ok {
			t.Fatalf("%s.json has no figure at %q", name, path)
		}
		return v
	}
}

// rounds tells whether text is v, rounded to the digits that it has.
func rounds(text string, v float64) bool {
	text = strings.ReplaceAll(text, ",", "")
	said, err := strconv.ParseFloat(text, 64)
	_, decimals, _ := strings.Cut(text, ".")
	return err == nil && math.Abs(said-v) <= 0.5000001*math.Pow10(-len(decimals))
}

// quote is a sentence of a document, as a pattern, and the figures that it should have.
type quote struct {
	document, pattern string
	figures           []float64
}

// What documents say of a result is what the result says: a figure that was measured anew, and not written anew, fails here.
func TestQuotedFigures(t *testing.T) {
	compress, rows, dashboard := stored(t, "compress"), stored(t, "rows"), stored(t, "dashboard")
	restart, ways := stored(t, "restart"), stored(t, "ways")
	times := func(way string) []float64 {
		return []float64{ways("ways", way, "cpu_times"), ways("ways", way, "memory_times")}
	}
	basis := stored(t, "basis")
	const n = `([\d.,]*\d)` // a figure

	quotes := []quote{
		{"../ARCHITECTURE.md", `On recorded quotes at 10 Hz that is\s+` + n + ` \(BTC\), ` + n + ` \(BTC on a wild day\) and ` + n + ` bytes`, []float64{
			rows("rows", "binance_spot_btcusdt_20240808", "bytes_per_update"), rows("rows", "binance_spot_btcusdt_20240809", "bytes_per_update"),
			rows("rows", "binance_usdm_btcusdt_20240808", "bytes_per_update"),
		}},
		{"../ARCHITECTURE.md", `and ` + n + ` less where quotes stand side by`, []float64{
			rows("rows", "binance_spot_btcusdt_20240808", "bytes_per_update") - rows("rows", "binance_spot_btcusdt_20240808", "bytes_per_update_of_20"),
		}},
		{"../ARCHITECTURE.md", `JSON \(` + n + ` % is left\) and snapshots \(` + n + ` %\), and passes over differences for a single reader \(` + n + ` %, for ` + n + ` µs a frame\)`, []float64{
			100 * compress("compressed", "the same as JSON", "auto", "bytes") / compress("compressed", "the same as JSON", "off", "bytes"),
			100 * compress("compressed", "quotes of a watchlist, whole", "auto", "bytes") / compress("compressed", "quotes of a watchlist, whole", "off", "bytes"),
			100 * compress("compressed", "quotes of a watchlist, what a cut changed", "always", "bytes") / compress("compressed", "quotes of a watchlist, what a cut changed", "off", "bytes"),
			compress("compressed", "quotes of a watchlist, what a cut changed", "always", "us"),
		}},
		{"../CHANGELOG.md", `An update of a quote takes ` + n + ` bytes at 10 Hz`, []float64{rows("rows", "binance_spot_btcusdt_20240808", "bytes_per_update")}},
		{"../docs/sizing.md", `instruments takes ` + n + ` s rather than ` + n + ` s, and on a busy machine ` + n + ` s rather than ` + n + ` s`, []float64{
			basis("results", "restart", "cold_start_s"), basis("results", "restart", "warm_start_s"), restart("cold_start_s"), restart("warm_start_s"),
		}},
		{"../docs/sizing.md", `on an event stream it costs ` + n + ` times the\s+processor time and ` + n + ` times the memory \(` + n + ` KB\), in polls ` + n + ` and ` + n + ` times`,
			slices.Concat(times("sse"), []float64{ways("ways", "sse", "kb_per_session")}, times("poll"))},
		{"../PROTOCOL.md", `costs the server ` + n + ` times the processor time of a WebSocket in protobuf, and ` + n + ` times the memory; polls cost ` + n + ` and\s+` + n + ` times`,
			slices.Concat(times("sse"), times("poll"))},
		{"../ARCHITECTURE.md", `takes ` + n + ` µs of processor time on an event stream, ` + n + ` in polls, ` + n + ` on a WebSocket that speaks JSON and ` + n + ` on one`, []float64{
			ways("ways", "sse", "cpu_us_per_event"), ways("ways", "poll", "cpu_us_per_event"), ways("ways", "websocket json", "cpu_us_per_event"), ways("ways", "websocket", "cpu_us_per_event"),
		}},
	}
	quotes = append(quotes, sizingQuotes(t, n)...)
	for row, name := range map[string]string{
		"what a cut changed, protobuf, for one reader": "quotes of a watchlist, what a cut changed",
		"the same bytes for 100 readers":               "quotes of a watchlist, what a cut changed, for 100",
		"what a cut changed, JSON":                     "the same as JSON",
		"whole rows of a new subscription, protobuf":   "quotes of a watchlist, whole",
		"whole rows of a new subscription, JSON":       "the same whole as JSON",
		"part of a whole book, protobuf":               "part of a whole book",
	} {
		q := quote{"README.md", `\| ` + row, nil}
		for _, setting := range []string{"off", "auto", "always"} {
			q.pattern += ` \| ` + n + ` B, ` + n + ` µs`
			q.figures = append(q.figures, compress("compressed", name, setting, "bytes"), compress("compressed", name, setting, "us"))
		}
		quotes = append(quotes, q)
	}
	for row, way := range map[string]string{
		"WebSocket, `feedd.v1.proto`": "websocket", "WebSocket, `feedd.v1.json`": "websocket json", "event stream": "sse",
		"response that does not end, JSON": "stream", "polls, JSON": "poll",
	} {
		quotes = append(quotes, quote{
			"README.md", `\| ` + row + ` \| ` + n + ` µs \| ` + n + ` B \| ` + n + ` KB \| ` + n + ` \| ` + n + ` \|`,
			slices.Concat([]float64{ways("ways", way, "cpu_us_per_event"), ways("ways", way, "bytes_per_event"), ways("ways", way, "kb_per_session")}, times(way)),
		})
	}
	for i, rate := range []string{"at once", "100 ms", "250 ms"} {
		at := strconv.Itoa(i)
		quotes = append(quotes, quote{"README.md", `\| ` + rate + ` \| [\d,]+ \| ` + n + ` \| ` + n + ` ms \| ` + n + ` ms \|`, []float64{
			dashboard("runs", at, "framesPerSecond"), dashboard("runs", at, "frameMs", "p99"), dashboard("runs", at, "mainThreadMsPerFrame", "task"),
		}})
	}
	for _, q := range quotes {
		text, err := os.ReadFile(q.document)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(q.pattern).FindSubmatch(text)
		if found == nil {
			t.Errorf("%s no longer has %s: mend the words here", q.document, q.pattern)
			continue
		}
		for i, want := range q.figures {
			if said := string(found[i+1]); !rounds(said, want) {
				t.Errorf("%s: %q says %s, and the result %.4g", q.document, found[0], said, want)
			}
		}
	}
}

// The table of the suite is that of its figures.
func TestLatestTable(t *testing.T) {
	text, err := os.ReadFile("results/latest.json")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("results/latest.md")
	if err != nil {
		t.Fatal(err)
	}
	var suite report.Suite
	if err := json.Unmarshal(text, &suite); err != nil {
		t.Fatal(err)
	}
	var fresh strings.Builder
	if err := suite.Markdown(&fresh, stepNames(steps)); err != nil {
		t.Fatal(err)
	}
	if fresh.String() != string(table) {
		t.Errorf("results/latest.md is not what results/latest.json gives:\n%s", fresh.String())
	}
}
