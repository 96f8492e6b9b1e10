package rest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/feedd/feedd/entitlement"
)

// guarded knows one token, and what anybody may have.
type guarded struct{ anonymous []string }

func (g guarded) Authenticate(token string) (*entitlement.Identity, error) {
	switch token {
	case "good":
		may, err := entitlement.Parse([]string{"sim:* quote", "binance:BTCUSDT"})
		return &entitlement.Identity{User: "ada", May: may}, err
	case "away":
		return nil, entitlement.ErrUnavailable
	}
	return nil, errors.New("the token has expired; get a new one")
}

func (g guarded) Anonymous() *entitlement.Identity {
	if g.anonymous == nil {
		return nil
	}
	may, err := entitlement.Parse(g.anonymous)
	if err != nil {
		panic(err)
	}
	return &entitlement.Identity{May: may}
}

func TestWhoAsksGetsWhatThatOneMayHave(t *testing.T) {
	closed, open := guarded{}, guarded{anonymous: []string{"sim:BTC"}}
	market := exchange(t) // test:… and x:…
	for _, c := range []struct {
		name, header string
		access       Access
		handler      func(a Access) http.Handler
		query        string
		status       int
		has, hasNot  string
	}{
		{"nobody asks", "", nil, instruments, "", 200, `"total":5`, ""},
		{"no token where one is needed", "", closed, instruments, "", 401, "who you are", "sim"},
		{"no token for lists", "", closed, namedLists, "", 401, "who you are", "coins"},
		{"no token for snapshots", "", closed, snapshotsOf(market), "symbols=x:BTC", 401, "who you are", "rows"},
		{"another kind of secret", "Basic good", closed, instruments, "", 401, "Bearer TOKEN", "sim"},
		{"an old token", "Bearer old", open, instruments, "", 401, "expired", "sim"},
		{"a token that cannot be checked", "Bearer away", open, instruments, "", 503, "try again", "sim"},
		{"a token", "bearer good", closed, instruments, "", 200, `"total":4`, "WBTCBTC"},
		{"what is not to be had is not found", "Bearer good", closed, instruments, "q=wrapped", 200, `"total":0`, "WBTCBTC"},
		{"anybody", "", open, instruments, "", 200, `"total":1`, "ACME"},
		{"lists", "Bearer good", closed, namedLists, "", 200, "binance:BTCUSDT", "nothing"},
		{"lists for anybody", "", open, namedLists, "", 200, "sim:BTC", "binance:BTCUSDT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/?"+c.query, nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			w := httptest.NewRecorder()
			c.handler(c.access).ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != c.status || !strings.Contains(body, c.has) || c.hasNot != "" && strings.Contains(body, c.hasNot) {
				t.Errorf("%d %s, want %d with %q and without %q", w.Code, body, c.status, c.has, c.hasNot)
			}
			if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") || (w.Code == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

func instruments(a Access) http.Handler { return Instruments(shelf, shelves, a) }

func namedLists(a Access) http.Handler { return NamedLists(shelves, a) }

func snapshotsOf(t Taker) func(a Access) http.Handler {
	return func(a Access) http.Handler { return Snapshot(t, a) }
}
