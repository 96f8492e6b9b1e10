package control

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/audit"
	"github.com/feedd/feedd/policy"
)

func TestWhoMayComeIn(t *testing.T) {
	open, closed := newDesk(t, ""), newDesk(t, tokens)
	for _, c := range []struct {
		name    string
		desk    *desk
		headers []string
		status  int
	}{
		{"this machine", open, nil, 200},
		{"this machine by number", open, []string{"Host", "127.0.0.1:8081"}, 200},
		{"this machine over IPv6", open, []string{"Host", "[::1]:8081", "Remote", "[::1]:4000"}, 200},
		{"another machine", open, []string{"Remote", "10.0.0.7:4000"}, 401},
		{"another machine through a proxy here", open, []string{"X-Forwarded-For", "10.0.0.7"}, 401},
		{"a name that leads here", open, []string{"Host", "evil.example:8081"}, 403},
		{"a page of another host", open, []string{"Origin", "https://evil.example"}, 403},
		{"a page of another host, without saying which", open, []string{"Origin", "null"}, 403},
		{"a form of another host", open, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"the page here", open, []string{"Origin", "http://localhost:8081"}, 200},
		{"no token", closed, nil, 401},
		{"a wrong token", closed, []string{"Authorization", "Bearer xxxxxxxxxxxxxxxx"}, 401},
		{"a token in another form", closed, []string{"Authorization", "vvvvvvvvvvvvvvvv"}, 401},
		{"a token", closed, as("v"), 200},
		{"a token from another machine", closed, append(as("v"), "Remote", "10.0.0.7:1", "Host", "feedd-1.internal:8081"), 200},
		{"a token on a page of another host", closed, append(as("v"), "Origin", "https://evil.example"), 403},
	} {
		w := c.desk.ask("GET", "/v1/overview", "", c.headers...)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, w.Code, c.status, w.Body)
		}
		if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 does not say how to come in", c.name)
		}
	}
	open.want(open.ask("GET", "/v1/whoami", ""), 200, `"name":"local"`, `"role":"admin"`)
	closed.want(closed.ask("GET", "/v1/whoami", "", as("o")...), 200, `"name":"olga"`, `"role":"operator"`)
}

func TestWhatRolesMay(t *testing.T) {
	const good = "tiers: {default: {fastest: 1s}}"
	for _, c := range []struct {
		method, path, body       string
		viewer, operator, master int
	}{
		{"GET", "/v1/policy", "", 200, 200, 200},
		{"GET", "/v1/policy/schema", "", 200, 200, 200},
		{"GET", "/v1/policy/history", "", 200, 200, 200},
		{"GET", "/v1/sessions", "", 200, 200, 200},
		{"GET", "/v1/nodes", "", 200, 200, 200},
		{"GET", "/v1/audit", "", 200, 200, 200},
		{"GET", "/v1/usage", "", 200, 200, 200},
		{"POST", "/v1/revocations?reason=x", `{"user":"ada"}`, 403, 200, 200},
		{"POST", "/v1/policy/validate", good, 200, 200, 200},
		{"POST", "/v1/policy/dry-run", good, 200, 200, 200},
		{"GET", "/v1/policy/explain?symbol=a:b", "", 200, 200, 200},
		{"PUT", "/v1/policy?reason=x", good, 403, 403, 200},
		{"PUT", "/v1/policy?reason=x&for=15m", good, 403, 200, 200},
		{"POST", "/v1/policy/rollback?reason=x", `{"revision":1}`, 403, 403, 200},
		{"POST", "/v1/policy/stops?reason=x", `{"symbols":["a:*"]}`, 403, 200, 200},
		{"DELETE", "/v1/policy/stops/none?reason=x", "", 403, 404, 404},
		{"DELETE", "/v1/sessions/s1?reason=x", "", 403, 200, 200},
		{"POST", "/v1/drain?reason=x", "", 403, 403, 200},
	} {
		for token, want := range map[string]int{"v": c.viewer, "o": c.operator, "m": c.master} {
			d := newDesk(t, tokens)
			d.node.sessions = []Session{{ID: "s1"}}
			d.policies.versions = []policy.Version{{Revision: 1, Text: good}}
			w := d.ask(c.method, c.path, c.body, append(as(token), "If-Match", `"1"`)...)
			if w.Code != want {
				t.Errorf("%s %s as %s: status %d, want %d: %s", c.method, c.path, token, w.Code, want, w.Body)
			}
		}
	}
}

func TestPoliciesAreChangedWithCare(t *testing.T) {
	d := newDesk(t, "")
	const one, two = "tiers: {default: {fastest: 1s}}", "tiers: {default: {fastest: 2s}}"
	w := d.ask("GET", "/v1/policy", "")
	d.want(w, 200, `"kind":"built-in"`, `"nodes":[{"node":"n1"`)
	if w.Header().Get("ETag") != `"0"` {
		t.Errorf("ETag %s", w.Header().Get("ETag"))
	}
	d.want(d.ask("PUT", "/v1/policy?reason=open", one), 428, "If-Match")
	d.want(d.ask("PUT", "/v1/policy", one, "If-Match", `"0"`), 428, "?reason=")
	d.want(d.ask("PUT", "/v1/policy?reason=%20", one, "If-Match", `"0"`), 428)
	d.want(d.ask("PUT", "/v1/policy?reason="+strings.Repeat("x", 501), one, "If-Match", `"0"`), 400)
	d.want(d.ask("PUT", "/v1/policy?reason=open", one, "If-Match", "yes"), 400, "ETag")
	d.want(d.ask("PUT", "/v1/policy?reason=open&for=forever", one, "If-Match", `"0"`), 400, "15m")
	d.want(d.ask("PUT", "/v1/policy?reason=open", "tiers: {default: {fastest: 0ms}}", "If-Match", `"0"`), 422, `"line":1`, "immediate")
	if len(d.policies.versions) != 0 {
		t.Fatalf("%d versions of what was refused", len(d.policies.versions))
	}
	w = d.ask("PUT", "/v1/policy?reason=open", one, "If-Match", `"0"`)
	d.want(w, 200, `"revision":1`, `"actor":"local"`, `"reason":"open"`)
	if w.Header().Get("ETag") != `"1"` {
		t.Errorf("ETag %s", w.Header().Get("ETag"))
	}
	d.want(d.ask("PUT", "/v1/policy?reason=open", two, "If-Match", `"0"`), 412, "revision 1, not 0", `"current":{"version":{"revision":1`)
	w = d.ask("PUT", "/v1/policy?reason=open&for=15m", two, "If-Match", `1`)
	d.want(w, 200, `"expires":"2026-01-05T14:45:00Z"`)
	if strings.Contains(w.Body.String(), `"before"`) {
		t.Error("a status repeats what was in force before")
	}
	d.want(d.ask("POST", "/v1/policy/rollback?reason=back", `{"revision":1}`, "If-Match", `"2"`), 200, `"kind":"rollback"`)
	d.want(d.ask("POST", "/v1/policy/rollback?reason=back", `{"revision":9}`, "If-Match", `"3"`), 404, "revision 9")
	d.want(d.ask("POST", "/v1/policy/rollback?reason=back", `{"revisoin":9}`, "If-Match", `"3"`), 400, "revisoin")
	w = d.ask("GET", "/v1/policy/history", "")
	d.want(w, 200, `"kind":"rollback"`)
	if strings.Contains(w.Body.String(), "fastest") {
		t.Error("the history holds texts")
	}
	d.want(d.ask("GET", "/v1/policy/history/2", ""), 200, "fastest: 2s")
	d.want(d.ask("GET", "/v1/policy/history/x", ""), 400)
	w = d.ask("GET", "/v1/policy", "", "Accept", "application/yaml")
	if w.Body.String() != one {
		t.Errorf("the text is %q", w.Body)
	}
	d.policies.away = true
	d.want(d.ask("PUT", "/v1/policy?reason=open", two, "If-Match", `"3"`), 503, "NATS")
}

func TestVerdictsChangeNothing(t *testing.T) {
	d := newDesk(t, "")
	d.want(d.ask("POST", "/v1/policy/validate", "tiers: {default: {fastst: 1s}}"), 200, `"valid":false`, "did you mean fastest?")
	d.want(d.ask("POST", "/v1/policy/validate", strings.Repeat("#", policy.MaxBytes+5)), 200, `"valid":false`, "at most")
	d.want(d.ask("POST", "/v1/policy/validate", policy.Example), 200, `"valid":true,"problems":[]`)
	d.want(d.ask("POST", "/v1/policy/dry-run", "nonsense"), 200, `"valid":false`)
	d.want(d.ask("POST", "/v1/policy/dry-run", policy.Example), 200, `"lanes":312`, `"sessions":104`)
	if d.node.previews != 1 || len(d.policies.versions) != 0 || len(d.audit.Recent(9)) != 0 {
		t.Errorf("%d previews, %d versions, %d entries", d.node.previews, len(d.policies.versions), len(d.audit.Recent(9)))
	}
	var schema map[string]any
	if err := json.Unmarshal(d.ask("GET", "/v1/policy/schema", "").Body.Bytes(), &schema); err != nil || schema["title"] == nil {
		t.Errorf("schema: %v", err)
	}
	d.want(d.ask("GET", "/v1/policy/explain?symbol=a:b&cadence_ms=300", ""), 200, `"cadence":"500ms"`, `"reason":"rounded to the ladder"`)
	for path, part := range map[string]string{"symbol=ab": "venue:NAME", "symbol=a:b&tier=gold": "no tier", "symbol=a:b&channel=x": "channel", "symbol=a:b&cadence_ms=-1": "cadence_ms", "symbol=a:b&depth=7": "depth"} {
		d.want(d.ask("GET", "/v1/policy/explain?"+path, ""), 400, part)
	}
}

func TestKillSwitches(t *testing.T) {
	d := newDesk(t, "")
	d.want(d.ask("POST", "/v1/policy/stops?reason=bad+prices", `{"name":"luna","symbols":["binance:LUNA*"],"for":"15m"}`), 200, "luna", "2026-01-05T14:45:00Z", "bad prices")
	d.want(d.ask("POST", "/v1/policy/stops?reason=bad", `{"symbols":["a:*"],"tiers":["default"]}`), 200, "stop-20260105-143000.000")
	d.want(d.ask("POST", "/v1/policy/stops?reason=bad", `{"symbols":["a"]}`), 422, "venue:NAME")
	d.want(d.ask("POST", "/v1/policy/stops?reason=bad", `{"symbols":["a:b"],"tiers":["golden"]}`), 422, "no tier")
	d.want(d.ask("POST", "/v1/policy/stops?reason=bad", `{"symbols":["a:b"],"for":"-1s"}`), 400)
	d.want(d.ask("DELETE", "/v1/policy/stops/luna?reason=fine", ""), 200, `"kind":"release"`)
	d.want(d.ask("DELETE", "/v1/policy/stops/luna?reason=fine", ""), 404, "luna")
}

func TestSessions(t *testing.T) {
	d := newDesk(t, "")
	d.node.sessions = []Session{
		{ID: "a", Tier: "free", BytesPerS: 10, Subscriptions: 3}, {ID: "b", Tier: "gold", BytesPerS: 30, Blocked: true}, {ID: "c", Tier: "free", BytesPerS: 20, Slowed: &Slowed{Reason: "lag"}},
	}
	order := func(query string) (ids string) {
		var body struct {
			Total    int
			Sessions []Session
		}
		if err := json.Unmarshal(d.ask("GET", "/v1/sessions"+query, "").Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		for _, s := range body.Sessions {
			ids += s.ID
		}
		return fmt.Sprint(ids, body.Total)
	}
	for query, want := range map[string]string{"": "bca3", "?tier=free": "ca2", "?sort=subscriptions": "abc3", "?sort=blocked&limit=2": "bc3", "?tier=none": "0"} {
		if got := order(query); got != want {
			t.Errorf("%q: got %s, want %s", query, got, want)
		}
	}
	d.want(d.ask("GET", "/v1/sessions?sort=colour", ""), 400, "want bytes")
	d.want(d.ask("GET", "/v1/sessions?limit=0", ""), 400, "want 1 to")
	d.want(d.ask("GET", "/v1/sessions/b", ""), 200, `"tier":"gold"`)
	d.want(d.ask("GET", "/v1/sessions/x", ""), 404)
	d.want(d.ask("DELETE", "/v1/sessions/b?reason=abuse", ""), 200)
	d.want(d.ask("DELETE", "/v1/sessions/x?reason=abuse", ""), 404)
	d.want(d.ask("POST", "/v1/drain?reason=upgrade", ""), 200)
	if d.node.drained != "upgrade" || d.node.cut[0] != "b: abuse" {
		t.Errorf("drained %q, cut %q", d.node.drained, d.node.cut)
	}
}

// Every write leaves an entry, with who, what and why, and so does everyone that was refused; strangers leave none.
func TestTheAuditHasEveryWrite(t *testing.T) {
	d := newDesk(t, tokens)
	d.node.sessions = []Session{{ID: "s1"}}
	d.ask("DELETE", "/v1/sessions/s1?reason=abuse", "", as("o")...)
	d.ask("DELETE", "/v1/sessions/s1?reason=abuse", "", as("v")...)
	d.ask("DELETE", "/v1/sessions/s1?reason=abuse", "")
	d.ask("DELETE", "/v1/sessions/s1", "", as("o")...)
	d.ask("PUT", "/v1/policy?reason=night&for=1h", "tiers: {default: {}}", append(as("m"), "If-Match", `"0"`)...)
	d.ask("PUT", "/v1/policy?reason=night", "tiers: {}", append(as("m"), "If-Match", `"1"`)...)
	var got []string
	for _, e := range d.audit.Recent(99) {
		if e.Node != "n1" || !e.Time.Equal(clock()) {
			t.Errorf("%+v", e)
		}
		got = append(got, fmt.Sprintf("%s/%s %s %s (%s): %s %s", e.Actor, e.Role, e.Action, e.Target, e.Reason, e.Outcome, e.Detail))
	}
	slices.Reverse(got)
	want := []string{
		"olga/operator session.cut s1 (abuse): done ",
		"victor/viewer session.cut s1 (abuse): refused victor is viewer: this takes operator",
		"olga/operator session.cut s1 (): refused say why, for the record: ?reason=TEXT",
		"maria/admin policy.apply in place of 0 for 1h0m0s (night): done ",
		"maria/admin policy.apply in place of 1 (night): refused the policy is refused; the running one stays",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	d.want(d.ask("GET", "/v1/audit?limit=1", "", as("v")...), 200, `"action":"policy.apply"`, `"outcome":"refused"`)
}

func TestTokensAreReadStrictlyAndAgain(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "no tokens",
		"maria admin":                         "2 words",
		"maria root mmmmmmmmmmmmmmmm":         `role "root"`,
		"maria admin short":                   "can be guessed",
		"# x\n\nmaria admin mmmmmmmmmmmmmmmm": "",
	} {
		_, err := parseTokens([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string, at time.Time) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(tokens, clock())
	a, err := OpenAccess(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	status := func(token string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		_, status, _ := a.identify(r)
		return status
	}
	write("maria admin nnnnnnnnnnnnnnnn\n", clock().Add(time.Second))
	if status("mmmmmmmmmmmmmmmm") != 401 || status("nnnnnnnnnnnnnnnn") != 0 {
		t.Error("the old token is still good, or the new one is not")
	}
	write("half a li", clock().Add(2*time.Second))
	if status("nnnnnnnnnnnnnnnn") != 0 {
		t.Error("a bad file takes the tokens away")
	}
	if _, err := OpenAccess(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that is not there is taken")
	}
}

func TestRevocations(t *testing.T) {
	d := newDesk(t, "")
	d.want(d.ask("POST", "/v1/revocations?reason=contract+ended", `{"user":"ada"}`), 200)
	d.want(d.ask("POST", "/v1/revocations?reason=x", `{"token":"t1"}`), 200)
	d.want(d.ask("POST", "/v1/revocations", `{"user":"ada"}`), 428, "say why")
	d.want(d.ask("POST", "/v1/revocations?reason=x", `{"user":"ada","token":"t1"}`), 400, "exactly one")
	d.want(d.ask("POST", "/v1/revocations?reason=x", `{"name":"ada"}`), 400, "unknown field")
	if got := strings.Join(d.node.revoked, "; "); got != "ada: contract ended; t1: x" {
		t.Errorf("revoked %q", got)
	}
	if e := d.audit.Recent(10)[4]; e.Action != "access.revoke" || e.Target != "user ada" || e.Outcome != audit.Done || e.Reason != "contract ended" {
		t.Errorf("%+v", e)
	}
	d.node.noTokens = true
	d.want(d.ask("POST", "/v1/revocations?reason=x", `{"user":"ada"}`), 409, "takes no tokens")
	d.want(d.ask("GET", "/v1/usage", ""), 409, "takes no tokens")
}

func TestUsage(t *testing.T) {
	d := newDesk(t, "")
	d.want(d.ask("GET", "/v1/usage", ""), 200, `"date":"2026-01-05","dates":["2026-01-04"]`,
		`"totals":[{"venue":"nyse","channel":"quote","delay_s":900,"users":1,"instrument_seconds":90}]`,
		`"rows":[{"user":"ada","venue":"nyse","channel":"quote","delay_s":900,"taken_up":2,"peak_instruments":2,"instruments":1,"instrument_seconds":90}]`)
	for _, w := range []*httptest.ResponseRecorder{d.ask("GET", "/v1/usage?format=csv", ""), d.ask("GET", "/v1/usage?date=2026-01-05", "", "Accept", "text/csv")} {
		d.want(w, 200, "2026-01-05,ada,nyse,quote,900,2,2,1,90.000")
		if got := w.Header().Get("Content-Type"); got != "text/csv; charset=utf-8" {
			t.Errorf("Content-Type %q", got)
		}
	}
	d.want(d.ask("GET", "/v1/usage?date=2026-01-01", ""), 404, "nothing is kept")
}
