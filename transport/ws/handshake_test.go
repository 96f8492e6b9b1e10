package ws

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/ws/wstest"
)

func TestRequestsThatAreNotUpgraded(t *testing.T) {
	r := newRig(t, Options{})
	without := func(key string) http.Header { return http.Header{key: {""}} }
	for i, c := range []struct {
		name   string
		in     wstest.Request
		status int
		header string // "Name: value" that must be there
		says   string
	}{
		{"POST", wstest.Request{Method: http.MethodPost}, 405, "Allow: GET", "GET, not POST"},
		{"a page in a browser", wstest.Request{Header: http.Header{"Upgrade": {""}, "Connection": {"keep-alive"}}}, 426, "Sec-Websocket-Version: 13", "Connection: Upgrade"},
		{"another upgrade", wstest.Request{Header: http.Header{"Upgrade": {"h2c"}}}, 426, "Upgrade: websocket", "Upgrade: websocket"},
		{"version 8", wstest.Request{Header: http.Header{"Sec-Websocket-Version": {"8"}}}, 426, "Sec-Websocket-Version: 13", "version 13"},
		{"no version", wstest.Request{Header: without("Sec-Websocket-Version")}, 426, "Sec-Websocket-Version: 13", "version 13"},
		{"no key", wstest.Request{Header: without("Sec-Websocket-Key")}, 400, "", "16 bytes in base64"},
		{"two keys", wstest.Request{Header: http.Header{"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="}}}, 400, "", "Sec-WebSocket-Key came 2 times"},
		{"two versions", wstest.Request{Header: http.Header{"Sec-Websocket-Version": {"13", "8"}}}, 400, "", "Sec-WebSocket-Version came 2 times"},
		{"a list of versions", wstest.Request{Header: http.Header{"Sec-Websocket-Version": {"13, 8"}}}, 426, "Sec-Websocket-Version: 13", "version 13"},
		{"two origins", wstest.Request{Header: http.Header{"Origin": {"http://localhost", "https://evil.example"}}}, 400, "", "Origin came 2 times"},
		{"a body", wstest.Request{Header: http.Header{"Content-Length": {"5"}}}, 400, "", "has no body"},
		{"a body in chunks", wstest.Request{Header: http.Header{"Transfer-Encoding": {"chunked"}}}, 400, "", "has no body"},
		{"extensions that are none", wstest.Request{Extensions: "permessage-deflate;"}, 400, "", "Sec-WebSocket-Extensions cannot be read"},
		{"short key", wstest.Request{Header: http.Header{"Sec-Websocket-Key": {"c2hvcnQ="}}}, 400, "", "16 bytes in base64"},
		{"key that is no base64", wstest.Request{Header: http.Header{"Sec-Websocket-Key": {"!!"}}}, 400, "", "16 bytes in base64"},
		{"another site", wstest.Request{Origin: "https://evil.example"}, 403, "", "https://evil.example"},
		{"unknown subprotocols", wstest.Request{Subprotocols: "mqtt, feedd.v9.proto"}, 400, "", "feedd.v1.proto or feedd.v1.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := wstest.Try(t, r.addr, c.in)
			if client.Response.StatusCode != c.status {
				t.Fatalf("status %s, want %d", client.Response.Status, c.status)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && client.Response.Header.Get(name) != value {
				t.Errorf("header %s is %q, want %q", name, client.Response.Header.Get(name), value)
			}
			if upgrade := client.Response.Header.Get("Upgrade"); (c.status == 426) != (upgrade == "websocket") {
				t.Errorf("Upgrade is %q", upgrade)
			}
			if body := client.Body(); !strings.Contains(body, c.says) || strings.Contains(body, "\n") {
				t.Errorf("body %q, want one line with %q", body, c.says)
			}
			if n := r.drops.Count(drop.RefusedHandshake); n != uint64(i+1) {
				t.Errorf("%d refused handshakes are counted, want %d", n, i+1)
			}
		})
	}
	if s := r.Stats(); s.Opened != 0 || s.Open != 0 {
		t.Errorf("%d connections were opened, %d are open", s.Opened, s.Open)
	}
}

// Who names a protocol to upgrade to has to name Upgrade in Connection as well, where it may stand beside others: RFC 9110, 7.8.
func TestUpgradeRequiredSaysToWhat(t *testing.T) {
	w := httptest.NewRecorder()
	refuse(w, httptest.NewRequest(http.MethodGet, "/v1/ws", http.NoBody), &gate.Refusal{Status: http.StatusUpgradeRequired})
	if got := w.Header()["Connection"]; !slices.Equal(got, []string{"close", "Upgrade"}) || w.Header().Get("Upgrade") != "websocket" {
		t.Errorf("Connection %q, Upgrade %q", got, w.Header().Get("Upgrade"))
	}
}

func TestSubprotocols(t *testing.T) {
	r := newRig(t, Options{})
	for _, c := range []struct {
		offered, chosen string
		first           byte
	}{
		{"", "", frameText},
		{"feedd.v1.proto", "feedd.v1.proto", frameBinary},
		{"feedd.v1.json", "feedd.v1.json", frameText},
		{"feedd.v2.proto, feedd.v1.json, feedd.v1.proto", "feedd.v1.json", frameText},
		{"feedd.v1.proto,feedd.v1.json", "feedd.v1.proto", frameBinary},
	} {
		client := wstest.Dial(t, r.addr, wstest.Request{Subprotocols: c.offered})
		if got := client.Response.Header.Get("Sec-WebSocket-Protocol"); got != c.chosen {
			t.Errorf("offered %q: answer %q, want %q", c.offered, got, c.chosen)
		}
		if got := client.Response.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455, section 1.3
			t.Errorf("accept key %q", got)
		}
		client.Write(wstest.Encode(c.first, []byte("x")))
		if f := client.Read(); f.First != c.first || string(f.Payload) != "x" {
			t.Errorf("offered %q: echo %#x %q", c.offered, f.First, f.Payload)
		}
		if h := <-r.came; h.conn.Subprotocol() != c.chosen || h.conn.Remote() != client.Conn().LocalAddr().String() {
			t.Errorf("the connection knows %q from %s", h.conn.Subprotocol(), h.conn.Remote())
		}
	}
}

// Frames that come in the same segment as the handshake are not lost.
func TestMessagesRightBehindTheHandshake(t *testing.T) {
	r := newRig(t, Options{})
	for n := range 4 {
		whole := strings.Repeat("x", n*1500) // within and beyond what net/http has read already
		c := wstest.Dial(t, r.addr, wstest.Request{Behind: wstest.Encode(frameText, []byte(whole))})
		if f := c.Read(); string(f.Payload) != whole {
			t.Fatalf("%d bytes came back of %d", len(f.Payload), len(whole))
		}
		same(t, c, "and on")
	}
}

// What the server may and may not answer to an offer of compression: RFC 7692, section 7.1.
func TestDeflateOffers(t *testing.T) {
	const yes = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	r := newRig(t, Options{})
	off := newRig(t, Options{Deflate: DeflateOff})
	for _, c := range []struct{ offer, answer string }{
		{"", ""},
		{"permessage-deflate", yes}, // Firefox; client_max_window_bits must not be in the answer
		{"permessage-deflate; client_max_window_bits", yes}, // Chrome
		{"permessage-deflate;client_max_window_bits=10", yes},
		{`permessage-deflate; client_max_window_bits="10"`, yes},
		{"permessage-deflate; client_no_context_takeover", yes},
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", yes},
		{"permessage-deflate; server_max_window_bits=15", yes + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=9", ""},
		{"permessage-deflate; server_max_window_bits=9, permessage-deflate", yes}, // the fallback
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; server_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=7", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=08", ""},
		{`permessage-deflate ; client_max_window_bits = "1\0"`, yes}, // space between any two parts, and a quoted pair
		{", permessage-deflate,, x-other ,", yes},
		{"permessage-deflate; client_no_context_takeover=1", ""},
		{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
		{"permessage-deflate; unknown", ""},
		{"permessage-deflate; unknown=1, permessage-deflate; client_max_window_bits", yes},
		{"x-webkit-deflate-frame", ""},
		{"x-permessage-deflate", ""},
		{"x-other; a=1, permessage-deflate", yes},
	} {
		client := wstest.Dial(t, r.addr, wstest.Request{Extensions: c.offer})
		if got := client.Response.Header.Get("Sec-WebSocket-Extensions"); got != c.answer {
			t.Errorf("offer %q: answer %q, want %q", c.offer, got, c.answer)
		}
		// Compressed messages are taken exactly when they were agreed on.
		client.Write(wstest.Encode(frameText|bitDeflated, wstest.Deflate([]byte("hello"))))
		if f := client.Read(); (c.answer != "") != (string(f.Payload) == "hello") {
			t.Errorf("offer %q: a compressed message is answered with %#x %q", c.offer, f.First, f.Payload)
		}
		client = wstest.Dial(t, off.addr, wstest.Request{Extensions: c.offer})
		if got := client.Response.Header.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("offer %q: answer %q although compression is off", c.offer, got)
		}
	}
	two := wstest.Dial(t, r.addr, wstest.Request{Header: http.Header{"Sec-Websocket-Extensions": {"x-other", "permessage-deflate"}}})
	if got := two.Response.Header.Get("Sec-WebSocket-Extensions"); got != yes {
		t.Errorf("offer in a second line: answer %q", got)
	}
}

// What is no list of extensions by RFC 6455, section 9.1, ends the handshake, which an offer that we cannot keep to does not.
func TestExtensionsThatAreNone(t *testing.T) {
	r := newRig(t, Options{})
	off := newRig(t, Options{Deflate: DeflateOff})
	for _, bad := range []string{
		";", "=", "permessage-deflate;", "permessage-deflate; ;", "permessage-deflate; =10", "permessage-deflate; client_max_window_bits=",
		`permessage-deflate; client_max_window_bits="10`, `permessage-deflate; client_max_window_bits=""`, `permessage-deflate; client_max_window_bits="1 0"`,
		`permessage-deflate; client_max_window_bits="10"5`, `permessage-deflate; a="\`, "permessage-deflate x", "permessage-deflate, @", "x/y",
		"permessage-deflate; client_max_window_bits=10=10", "permessage\xc3\xa9",
	} {
		for _, r := range []*rig{r, off} {
			client := wstest.Try(t, r.addr, wstest.Request{Extensions: bad})
			if body := client.Body(); client.Response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "such as permessage-deflate") {
				t.Errorf("%q: %s %q, want 400 and what would be right", bad, client.Response.Status, body)
			}
		}
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for want, opt := range map[string]Options{
		"NewHandler":   {},
		"MaxQueued":    {NewHandler: newHandler, MaxQueued: -1},
		"PingInterval": {NewHandler: newHandler, PingInterval: -1},
	} {
		if _, err := New(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
