package lists

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	s, err := Parse(`
majors: [binance:BTCUSDT, "binance:ETH*"]
a-b_c.1:
  - nyse:BRK.B   # a comment
empty: []
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Names()); got != "[a-b_c.1 empty majors]" {
		t.Errorf("names %s", got)
	}
	for name, want := range map[string]string{"majors": "[binance:BTCUSDT binance:ETH*]", "a-b_c.1": "[nyse:BRK.B]", "empty": "[]"} {
		if got, ok := s.Entries(name); !ok || fmt.Sprint(got) != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
	for symbol, want := range map[string]bool{"binance:BTCUSDT": true, "binance:ETHBTC": true, "binance:SOLUSDT": false, "binance:ETH*": true} {
		if s.Has("majors", symbol) != want || s.Has("none", symbol) {
			t.Errorf("majors has %s: want %v", symbol, want)
		}
	}
	if _, ok := s.Entries("Majors"); ok {
		t.Error("case does not matter")
	}
	if s, err := Parse("# nothing yet\n"); err != nil || len(s.Names()) != 0 {
		t.Errorf("an empty file: %v, %v", s, err)
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct{ name, text, want string }{
		{"a list at the top", "- binance:BTCUSDT", "line 1: want lists by name"},
		{"a word", "majors", "line 1: want lists by name"},
		{"no symbols", "a: []\nmajors: binance:BTCUSDT", `line 2: list "majors": want a list of symbols`},
		{"lists in lists", "majors: [[binance:BTCUSDT]]", `line 1: list "majors": want a symbol or a pattern as an entry`},
		{"an empty entry", "majors:\n  -\n", `line 2: list "majors": want a symbol or a pattern as an entry`},
		{"no venue", "majors:\n  - test:FAKE\n  - BTCUSDT\n", `line 3: list "majors": symbol "BTCUSDT": want venue:NAME`},
		{"a space", "majors: ['a b*']", `holds a space or control character`},
		{"a long pattern", "majors: ['" + strings.Repeat("x", 64) + "*']", "pattern of 65 bytes: at most 64 are allowed"},
		{"a name with a space", "my majors: []", `line 1: list "my majors": want a name of 1 to 63 letters`},
		{"a name with @", "'@majors': []", "want a name of"},
		{"twice a name", "a: []\nb: []\na: []\n", `line 3: list "a" is there already`},
		{"twice an entry", "a: [x:Y,\n x:Y]", `line 2: list "a": "x:Y" is there already`},
		{"a star without quotes", "majors: [*USDT]", `a pattern that begins with * needs quotes`},
		{"an alias", "a: &x [x:Y]\nb: *x", `line 2: list "b": want a list of symbols`},
		{"two documents", "a: []\n---\nb: []", "more than one YAML document"},
		{"not YAML", "a: [", "line 1:"},
		{"too many lists", many(1001, "l%d: []\n"), "1001 lists: at most 1000"},
		{"too many entries", "a: [" + many(1001, "x:Y%d,") + "]", "1001 entries: at most 1000"},
		{"too many patterns", "a: [" + many(17, "'x:Y%d*',") + "]", "17 patterns: at most 16"},
		{"too large", strings.Repeat("#\n", MaxFile/2+1), "at most 1048576 are allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"majors: [binance:BTCUSDT, 'binance:ETH*']", "a: &x [x:Y]\nb: *x", "? [a]\n: b", "a: !!binary x", "\xff", "a:\n- 12:30\n- 0x1:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		for _, name := range s.Names() {
			entries, ok := s.Entries(name)
			if !ok || checkName(name) != nil {
				t.Errorf("list %q", name)
			}
			for _, e := range entries {
				if checkEntry(e) != nil {
					t.Errorf("entry %q", e)
				}
			}
		}
	})
}

// What is bad is refused whole: readers keep what they had.
func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lists.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("a file that is not there: %v", err)
	}
	write("a: [x:Y]")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	before := f.Revision()
	write("a: [x:Z]\nb: 5")
	if err := f.Reload(); err == nil || !strings.Contains(err.Error(), path+": line 2:") {
		t.Errorf("a bad file: %v", err)
	}
	if got, _ := f.Entries("a"); fmt.Sprint(got) != "[x:Y]" || f.Revision() != before {
		t.Errorf("after a bad file: %v at revision %d", got, f.Revision())
	}
	write("b: [x:Z]")
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(f.Names()); got != "[b]" || f.Revision() == before {
		t.Errorf("after a good one: %v at revision %d", got, f.Revision())
	}
}
