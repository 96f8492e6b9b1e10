package ws

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// Tokens are called after what becomes of them.
func checkToken(token string) (*entitlement.Identity, error) {
	switch token {
	case "good":
		return &entitlement.Identity{User: "ada"}, nil
	case "away":
		return nil, entitlement.ErrUnavailable
	}
	return nil, errors.New("the token has expired; get a new one")
}

func TestTokensInHandshakes(t *testing.T) {
	drops := new(drop.Counters)
	r := newRig(t, Options{Gate: newGate(t, gate.Options{Authenticate: checkToken, Drops: drops})})
	for _, c := range []struct {
		name, path, offered string
		status              int
		header, says        string
	}{
		{"none", "", "feedd.v1.proto", 101, "Sec-WebSocket-Protocol: feedd.v1.proto", ""},
		{"a good one", "", "feedd.v1.proto, bearer.good", 101, "Sec-WebSocket-Protocol: feedd.v1.proto", ""},
		{"a good one, ahead", "", "bearer.good, feedd.v1.json", 101, "Sec-WebSocket-Protocol: feedd.v1.json", ""},
		{"one that is no good", "", "feedd.v1.proto, bearer.old", 401, `WWW-Authenticate: Bearer error="invalid_token"`, "expired"},
		{"one that cannot be checked", "", "feedd.v1.proto, bearer.away", 503, "Retry-After: 3", "try again"},
		{"in the URL", "/v1/ws?token=good", "feedd.v1.proto", 400, "", "ends up in logs"},
		{"in the URL, under another name", "/v1/ws?x=1&access_token=good", "feedd.v1.proto", 400, "", "ends up in logs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := wstest.Try(t, r.addr, wstest.Request{Path: c.path, Subprotocols: c.offered})
			if client.Response.StatusCode != c.status {
				t.Fatalf("status %s, want %d", client.Response.Status, c.status)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && client.Response.Header.Get(name) != value {
				t.Errorf("header %s is %q, want %q", name, client.Response.Header.Get(name), value)
			}
			if c.status != 101 {
				if body := client.Body(); !strings.Contains(body, c.says) {
					t.Errorf("body %q, want %q", body, c.says)
				}
				return
			}
			h := <-r.came
			if who := h.conn.Identity(); (who != nil) != strings.Contains(c.offered, "bearer.") || who != nil && who.User != "ada" {
				t.Errorf("taken for %+v", who)
			}
		})
	}
	if n := drops.Count(drop.RefusedToken); n != 1 {
		t.Errorf("%d tokens are counted as refused", n)
	}
	eventually(t, func() bool { return r.gate.Stats().Open == r.Stats().Open })
	if _, rest := takeToken([]string{"bearer.a", "x", "bearer.b"}); len(rest) != 1 {
		t.Errorf("what is left is %q", rest)
	}
}

// hello is a handler that knows who its client is once it hears "hello".
type hello struct{ *echo }

func (h hello) Receive(payload []byte) {
	if string(payload) == "hello" {
		h.conn.Admitted()
	}
	h.echo.Receive(payload)
}

func TestStrangersAreBounded(t *testing.T) {
	bounds := gate.Options{}
	bounds.Strangers.MaxConns, bounds.Strangers.MaxMessage = 2, 1000
	r := newRig(t, Options{Gate: newGate(t, bounds), NewHandler: func(c *Conn, f fanout.Framing) conns.Handler { return hello{newEcho(c, f)} }})
	first := wstest.Dial(t, r.addr, wstest.Request{})
	second := wstest.Dial(t, r.addr, wstest.Request{})
	third := wstest.Try(t, r.addr, wstest.Request{})
	if third.Response.StatusCode != http.StatusServiceUnavailable || third.Response.Header.Get("Retry-After") != "1" {
		t.Fatalf("the third stranger: %s", third.Response.Status)
	}
	same(t, first, "hello")
	same(t, first, strings.Repeat("x", 10_000)) // no stranger any more
	second.Text(strings.Repeat("x", 1001))
	if code, _ := second.ReadClose(); code != conns.CodeTooBig {
		t.Errorf("a long message from a stranger: close %d", code)
	}
	eventually(t, func() bool { return r.Stats().Open == 1 })
	for range 2 {
		same(t, wstest.Dial(t, r.addr, wstest.Request{}), "room again")
	}
	_ = first.Conn().Close()
	eventually(t, func() bool { return r.Stats().Open == 2 })
	eventually(t, func() bool { return r.gate.Stats().Strangers == 2 })
}

// Many clients connect and never say a word, each of them costing what any silent one does; those that do speak get in.
func TestSilentStrangersKeepNobodyOut(t *testing.T) {
	bounds := gate.Options{}
	bounds.Strangers.MaxConns = 50
	r := newRig(t, Options{
		Gate: newGate(t, bounds), PingInterval: time.Hour,
		NewHandler: func(c *Conn, f fanout.Framing) conns.Handler { return hello{newEcho(c, f)} },
	})
	refused := 0
	for i := range 60 {
		if wstest.Try(t, r.addr, wstest.Request{}).Response.StatusCode == http.StatusServiceUnavailable {
			refused++
		} else if i >= 50 {
			t.Fatal("more strangers than allowed")
		}
	}
	if refused != 10 {
		t.Errorf("%d were refused, want 10", refused)
	}
	for _, c := range r.conns.All()[:5] {
		c.Close(4004, "nothing was asked")
	}
	eventually(t, func() bool { return r.Stats().Open <= 45 })
	same(t, wstest.Dial(t, r.addr, wstest.Request{}), "hello")
}

func FuzzTokenInSubprotocols(f *testing.F) {
	for _, seed := range []string{"feedd.v1.proto, bearer.x", "bearer.", ",,bearer.a,bearer.b", "bearer.a b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		token, rest := takeToken(tokens(http.Header{"Sec-Websocket-Protocol": {line}}, "Sec-WebSocket-Protocol"))
		for _, name := range rest {
			if strings.HasPrefix(name, bearer) {
				t.Errorf("%q: %q could be answered, and logged", line, name)
			}
		}
		if token != "" && !strings.Contains(line, token) {
			t.Errorf("%q: token %q", line, token)
		}
	})
}
