package stream

import (
	"net/http"
	"strings"
	"testing"

	"github.com/feedd/feedd/internal/drop"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/gate"
)

const btc = `{"tradeTexts":[{"symbol":"x:BTC","price":"1","sequence":"88","epoch":"7"}],"cutTimeUs":"1"}`

func TestEventStream(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	resp := r.ask("GET", "/v1/sse?symbols=x:BTC,x:E*&channels=quote,trade&depth=10&cadence_ms=100&history=5&max_bytes_per_second=2000&client=me", "")
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" ||
		resp.Header.Get("X-Accel-Buffering") != "no" || !strings.Contains(resp.Header.Get("Cache-Control"), "no-transform") {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	p := next(t, r.peers)
	if f := next(t, p.got); f.GetHello().GetClient() != "me" {
		t.Errorf("first comes %v", f)
	}
	if f := next(t, p.got); f.GetSetRate().GetMaxBytesPerSecond() != 2000 {
		t.Errorf("then comes %v", f)
	}
	m := next(t, p.got).GetSubscribe()
	if strings.Join(m.GetSymbols(), " ") != "x:BTC x:E*" || strings.Join(m.GetChannels(), " ") != "quote trade" || m.GetDepth() != 10 || m.GetCadenceMs() != 100 || m.GetHistory() != 5 {
		t.Errorf("subscribed %v", m)
	}
	in := linesOf(t, resp)
	if line := in.until("retry: "); len(line) < len("retry: 500") {
		t.Errorf("it begins with %q", line)
	}
	if line := in.until("subscribed"); !strings.HasPrefix(line, "data: {") {
		t.Errorf("answer %q", line)
	}
	eventually(t, func() bool { return p.rows(btc) }) // from when the stream is written on
	if line := in.until("x:BTC"); line != "data: "+btc {
		t.Errorf("rows %q", line)
	}
	if line := in.until("id:"); line != "id: @7 x:BTC=88" {
		t.Errorf("id %q", line)
	}
	p.SendControl([]byte(`{"heartbeat":{"serverTimeUs":"1"}}`))
	if line := in.until("event:"); line != "event: heartbeat" {
		t.Errorf("heartbeat %q", line)
	}
	p.answer(&feedv1.ServerFrame{Goaway: &feedv1.GoAway{Reason: "restart", ReconnectMinMs: 1200, ReconnectMaxMs: 1200}})
	if line := in.until("retry:"); line != "retry: 1200" {
		t.Errorf("goaway %q", line)
	}
	p.Close(4503, "cut \xff off")
	if line := in.until("close"); !strings.Contains(line, "4503") || !strings.Contains(line, "cut \uFFFD off") {
		t.Errorf("the end is %q", line)
	}
	next(t, p.ended)
	eventually(t, func() bool { st := r.Stats()[SSE]; return st.Open == 0 && st.Closed[4503] == 1 && st.Opened == 1 })
}

func TestEventStreamGoesOn(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	resp := r.ask("GET", "/v1/sse?symbols=x:BTC&channels=trade", "", "Last-Event-ID", "@7 x:BTC=88 x:ETH=5 @9 x:SOL=1 +3")
	p := next(t, r.peers)
	next(t, p.got)
	var got []string
	for _, res := range next(t, p.got).GetSubscribe().GetResume() {
		got = append(got, res.String())
	}
	if len(got) != 3 || !strings.Contains(got[0], `"x:BTC"`) || !strings.Contains(got[0], "88") || !strings.Contains(got[2], "epoch:9") {
		t.Errorf("resumes %q", got)
	}
	in := linesOf(t, resp)
	in.until("positions of 3 symbols")
	eventually(t, func() bool { return p.rows(strings.ReplaceAll(btc, "88", "89")) })
	if line := in.until("id:"); line != "id: @7 x:BTC=89 x:ETH=5 @9 x:SOL=1" {
		t.Errorf("goes on with %q", line)
	}
	r.ask("GET", "/v1/sse?symbols=x:BTC&channels=trade&last_event_id=@7+x:BTC=90", "")
	p = next(t, r.peers)
	next(t, p.got)
	if all := next(t, p.got).GetSubscribe().GetResume(); len(all) != 1 || all[0].Sequence != 90 {
		t.Errorf("by parameter: %v", all)
	}
}

// Clients of one kind have one framing, which is what has the engine build their frames once.
func TestFramesAreShared(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	for _, open := range []func(){
		func() { r.ask("GET", "/v1/sse?symbols=x:BTC", "") },
		func() { r.ask("POST", "/v1/stream", "{}") },
		func() { r.ask("POST", "/v1/poll?wait_ms=1", "{}") },
	} {
		open()
		open()
		if a, b := next(t, r.peers), next(t, r.peers); a.framing != b.framing {
			t.Errorf("two clients of %s have a framing each", a.Transport())
		}
	}
}

func TestEventStreamRefused(t *testing.T) {
	r := newRig(t, Options{Strict: true}, gate.Options{Authenticate: tokens, Origins: []string{"https://page.example"}})
	who := []string{"Authorization", "Bearer ada"}
	for _, c := range []struct {
		query   string
		headers []string
		status  int
		words   string
	}{
		{"", who, 400, "want symbols"},
		{"symbol=x:BTC", who, 400, `unknown parameter "symbol"`},
		{"symbols=x:BTC&trade_summary=perhaps", who, 400, "want true or false"},
		{"symbols=x:BTC&token=ada", nil, 400, "does not belong into a URL"},
		{"symbols=x:BTC&last_event_id=@0", who, 400, "as it came in an event"},
		{"symbols=x:NONE", who, 404, "no such symbol"},
		{"symbols=x:SHUT", who, 401, "who are you"},
		{"symbols=x:PANIC", who, 503, "internal error"},
		{"symbols=x:BTC", nil, 401, "send Authorization: Bearer TOKEN"},
		{"symbols=x:BTC", []string{"Authorization", "Bearer eve"}, 401, "EOF"},
		{"symbols=x:BTC", []string{"Authorization", "Basic ada"}, 401, "Bearer"},
		{"symbols=x:BTC", []string{"Authorization", "Bearer ada", "Origin", "https://evil.example"}, 403, "https://evil.example"},
	} {
		expect(t, r.ask("GET", "/v1/sse?"+c.query, "", c.headers...), c.status, c.words)
	}
	expect(t, r.ask("POST", "/v1/sse?symbols=x:BTC", ""), 405, "want GET")
	eventually(t, func() bool { return len(r.conns.All()) == 0 })
	if n := r.drops.Count(drop.HandlerPanic); n != 1 {
		t.Errorf("%d panics counted", n)
	}
	refused := 0
	for _, n := range r.gate.Stats().Refused {
		refused += int(n)
	}
	if refused != 12 {
		t.Errorf("%d refusals counted, want 12", refused)
	}
	r.gate.Drain()
	resp := r.ask("GET", "/v1/sse?symbols=x:BTC", "", who...)
	if expect(t, resp, 503, "about to stop"); resp.Header.Get("Retry-After") == "" {
		t.Error("nothing says when to come back")
	}
}

// A browser sends cookies along for any page, so they count for those pages only that may know.
func TestCookiesAndOrigins(t *testing.T) {
	r := newRig(t, Options{Strict: true}, gate.Options{Authenticate: tokens, Origins: []string{"https://page.example", "*"}})
	for _, c := range []struct {
		name, header, value string
		status              int
	}{
		{"no page, or one of our own", "", "", 200},
		{"one of our own, as browsers say", "Sec-Fetch-Site", "same-origin", 200},
		{"a page that was named", "Origin", "https://page.example", 200},
		{"any other", "Origin", "https://any.example", 401},
		{"an image on another page", "Sec-Fetch-Site", "cross-site", 401},
	} {
		headers := []string{"Cookie", "feedd_token=ada"}
		if c.header != "" {
			headers = append(headers, c.header, c.value)
		}
		resp := r.ask("GET", "/v1/sse?symbols=x:BTC", "", headers...)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s", c.name, resp.Status)
		}
		if credentials := resp.Header.Get("Access-Control-Allow-Credentials") != ""; credentials != (c.value == "https://page.example") {
			t.Errorf("%s: credentials %t", c.name, credentials)
		}
		resp.Body.Close()
	}
	pre := r.ask("OPTIONS", "/v1/stream", "", "Origin", "https://page.example", "Access-Control-Request-Method", "POST")
	if pre.StatusCode != http.StatusNoContent || pre.Header.Get("Access-Control-Allow-Origin") != "https://page.example" ||
		!strings.Contains(pre.Header.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(pre.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %s %v", pre.Status, pre.Header)
	}
}
