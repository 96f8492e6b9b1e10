package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/market"
)

type list []market.Instrument

func (l list) Instruments() []market.Instrument { return l }

func listed(symbol, description string) market.Instrument {
	s, err := market.ParseSymbol(symbol)
	if err != nil {
		panic(err)
	}
	return market.Instrument{Symbol: s, Description: description, PriceScale: 2, SizeScale: 5, PriceStep: 1, Source: s.Venue}
}

var shelf = list{
	listed("binance:BTCUSDT", "Bitcoin in Tether"),
	listed("binance:WBTCBTC", "Wrapped Bitcoin"),
	listed("sim:ACME", "A company that owns bitcoin"),
	listed("sim:BRK.B", "Berkshire"),
	listed("sim:BTC", "Bitcoin"),
}

// shelves are lists by name.
type shelfLists map[string][]string

func (l shelfLists) Names() []string { return slices.Sorted(maps.Keys(l)) }

func (l shelfLists) Entries(name string) ([]string, bool) {
	entries, ok := l[name]
	return entries, ok
}

func (l shelfLists) Has(name, symbol string) bool { return slices.Contains(l[name], symbol) }

var shelves = shelfLists{"coins": {"binance:BTCUSDT", "sim:BTC"}, "none": {}}

func get(t *testing.T, method, query string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	Instruments(shelf, shelves, nil).ServeHTTP(w, httptest.NewRequest(method, "/v1/instruments?"+query, nil))
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	return w.Code, w.Body.String()
}

func symbols(t *testing.T, body string) (names []string, total int) {
	t.Helper()
	var l instrumentList
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, in := range l.Instruments {
		names = append(names, in.Symbol)
	}
	return names, l.Total
}

func TestSearchPutsTheBestFitFirst(t *testing.T) {
	for _, c := range []struct {
		query string
		want  string
		total int
	}{
		{"", "binance:BTCUSDT binance:WBTCBTC sim:ACME sim:BRK.B sim:BTC", 5},
		{"q=btc", "sim:BTC binance:BTCUSDT binance:WBTCBTC", 3},
		{"q=BITCOIN", "binance:BTCUSDT binance:WBTCBTC sim:ACME sim:BTC", 4},
		{"q=sim:", "sim:ACME sim:BRK.B sim:BTC", 3},
		{"q=sim:btc", "sim:BTC", 1},
		{"q=brk.b", "sim:BRK.B", 1},
		{"q=+btc+&limit=2", "sim:BTC binance:BTCUSDT", 3},
		{"q=nothing", "", 0},
		{"symbols=sim:*", "sim:ACME sim:BRK.B sim:BTC", 3},
		{"symbols=sim:B*,binance:BTCUSDT&q=btc", "sim:BTC binance:BTCUSDT", 2},
		{"symbols=@coins&limit=1", "binance:BTCUSDT", 2},
		{"symbols=@none", "", 0},
	} {
		t.Run(c.query, func(t *testing.T) {
			status, body := get(t, http.MethodGet, c.query)
			got, total := symbols(t, body)
			if status != http.StatusOK || strings.Join(got, " ") != c.want || total != c.total {
				t.Errorf("got %d %q of %d, want %q of %d", status, got, total, c.want, c.total)
			}
		})
	}
}

func TestAnswerIsWhatTheDocumentationSays(t *testing.T) {
	_, body := get(t, http.MethodGet, "q=sim:BTC")
	const want = `{"instruments":[{"symbol":"sim:BTC","description":"Bitcoin","priceScale":2,"sizeScale":5,"priceStep":1,"sizeStep":0,"base":"","quote":"","source":"sim","assetClass":"","sessionStartS":0,"timeZone":""}],"total":1}` + "\n"
	if body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	if _, body := get(t, http.MethodGet, "q=nothing"); !strings.Contains(body, `"instruments":[]`) {
		t.Errorf("no match is %s, want an empty list", body)
	}
}

func TestBadParametersAreNamed(t *testing.T) {
	for _, c := range []struct {
		method, query string
		status        int
		want          string
	}{
		{"GET", "limit=0", 400, `limit \"0\": want a number from 1 to 1000`},
		{"GET", "limit=1001", 400, "want a number from 1 to 1000"},
		{"GET", "limit=many", 400, "want a number from 1 to 1000"},
		{"GET", "limit=1&limit=2", 400, "given 2 times"},
		{"GET", "query=btc", 400, `unknown parameter \"query\": want q, symbols and limit`},
		{"GET", "q=" + strings.Repeat("x", 101), 400, "at most 100"},
		{"GET", "q=%zz", 400, "cannot be read"},
		{"GET", "symbols=" + strings.Repeat("x,", 101), 400, "symbols has 101, of which 0 are patterns or lists: at most 100 are allowed"},
		{"GET", "symbols=" + strings.Repeat("*x,", 9), 400, "of which 9 are patterns or lists: at most 100 are allowed, and 8 of these"},
		{"GET", "symbols=@coin", 404, `list \"@coin\" is not known here: GET /v1/lists`},
		{"POST", "", 405, "want GET"},
	} {
		t.Run(c.query, func(t *testing.T) {
			status, body := get(t, c.method, c.query)
			if status != c.status || !strings.Contains(body, c.want) || !strings.HasPrefix(body, `{"error":"`) {
				t.Errorf("got %d %s, want %d with %q", status, body, c.status, c.want)
			}
		})
	}
}

func TestDelistedInstrumentsAreNotFound(t *testing.T) {
	gone := listed("x:GONE", "")
	gone.Delisted = true
	if l := (&query{limit: 10}).run(list{gone, listed("x:HERE", "")}, nil, entitlement.Everything()); l.Total != 1 || l.Instruments[0].Symbol != "x:HERE" {
		t.Errorf("got %+v", l)
	}
}

// A limit cuts the end of the list off and changes nothing else.
func TestLimitIsAPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all list
		for i := range rapid.IntRange(0, 40).Draw(t, "n") {
			name := rapid.StringMatching(`[AB]{1,4}`).Draw(t, "name")
			all = append(all, listed(fmt.Sprintf("v:%s%d", name, i), rapid.StringMatching(`[ab ]{0,5}`).Draw(t, "text")))
		}
		q := rapid.StringMatching(`[abAB]{0,2}`).Draw(t, "q")
		limit := rapid.IntRange(1, 50).Draw(t, "limit")
		whole, cut := (&query{q: q, limit: len(all) + 1}).run(all, nil, entitlement.Everything()), (&query{q: q, limit: limit}).run(all, nil, entitlement.Everything())
		if cut.Total != whole.Total || len(whole.Instruments) != whole.Total {
			t.Fatalf("totals %d and %d of %d listed", cut.Total, whole.Total, len(whole.Instruments))
		}
		if !slices.Equal(cut.Instruments, whole.Instruments[:min(limit, whole.Total)]) {
			t.Fatalf("limit %d gave %v of %v", limit, cut.Instruments, whole.Instruments)
		}
	})
}

func FuzzParseSearch(f *testing.F) {
	for _, seed := range []string{"", "q=btc&limit=5", "limit=-1", "q=%zz", "a;b", "q=" + url.QueryEscape("\x00é")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSearch(text)
		if err == nil && (s.limit < 1 || s.limit > MaxLimit || len(s.q) > MaxQueryLength || len(s.symbols) > MaxSymbols) {
			t.Errorf("accepted %+v", s)
		}
	})
}
