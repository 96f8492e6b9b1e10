package ws

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/ws/wstest"
)

func TestAFullServerSaysWhenToComeBack(t *testing.T) {
	r := newRig(t, Options{Gate: newGate(t, gate.Options{MaxConns: 2})})
	first := wstest.Dial(t, r.addr, wstest.Request{})
	wstest.Dial(t, r.addr, wstest.Request{})
	full := wstest.Try(t, r.addr, wstest.Request{})
	if full.Response.StatusCode != http.StatusServiceUnavailable || full.Response.Header.Get("Retry-After") == "" {
		t.Fatalf("the third: %s %q", full.Response.Status, full.Body())
	}
	_ = first.Conn().Close()
	eventually(t, func() bool { return r.Stats().Open == 1 })
	same(t, wstest.Dial(t, r.addr, wstest.Request{}), "room again")
}

func TestTooManyFromOneAddress(t *testing.T) {
	r := newRig(t, Options{Gate: newGate(t, gate.Options{MaxPerAddress: 1})})
	wstest.Dial(t, r.addr, wstest.Request{})
	second := wstest.Try(t, r.addr, wstest.Request{})
	if second.Response.StatusCode != http.StatusTooManyRequests || second.Response.Header.Get("Retry-After") == "" {
		t.Fatalf("the second: %s %q", second.Response.Status, second.Body())
	}
}

func TestAnOverloadedServerSaysWhy(t *testing.T) {
	r := newRig(t, Options{})
	here := wstest.Dial(t, r.addr, wstest.Request{})
	r.gate.Refuse("too much to carry")
	refused := wstest.Try(t, r.addr, wstest.Request{})
	wait, err := strconv.Atoi(refused.Response.Header.Get("Retry-After"))
	body := refused.Body()
	if refused.Response.StatusCode != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > 30 || !strings.Contains(body, "too much to carry") {
		t.Errorf("%s, wait %d, %q", refused.Response.Status, wait, body)
	}
	same(t, here, "who is in stays in")
	r.gate.Refuse("")
	same(t, wstest.Dial(t, r.addr, wstest.Request{}), "open again")
	if n := r.gate.Stats().Refused[http.StatusServiceUnavailable]; n != 1 {
		t.Errorf("%d refusals counted", n)
	}
}
