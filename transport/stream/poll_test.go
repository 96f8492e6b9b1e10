package stream

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

// poller is a client that polls as the protocol says.
type poller struct {
	r      *rig
	secret string
	after  int
}

func (r *rig) poll(body string) (*poller, *http.Response) {
	resp := r.ask("POST", "/v1/poll", body)
	if resp.StatusCode != http.StatusOK || resp.Header.Get(headerSecret) == "" || resp.Header.Get(headerAnswer) != "1" {
		r.t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	return &poller{r: r, secret: resp.Header.Get(headerSecret)}, resp
}

// again polls behind the last answer that counts.
func (p *poller) again(query, body string) *http.Response {
	return p.r.ask("POST", "/v1/poll/"+p.secret+"?after="+strconv.Itoa(p.after)+query, body)
}

func TestPolling(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	p, first := r.poll(`{"id":2,"subscribe":{"symbols":["x:BTC"]}}`)
	peer := next(t, r.peers)
	expect(t, first, 200, `"replyTo":2`)
	expect(t, p.again("", ""), 200, `"replyTo":2`) // it did not arrive, as far as the client is concerned
	p.after = 1
	resp := p.again("&wait_ms=20", "")
	if expect(t, resp, 204, ""); resp.Header.Get(headerAnswer) != "1" {
		t.Errorf("with nothing new the last answer is number %s", resp.Header.Get(headerAnswer))
	}
	if peer.Ready() || peer.rows(btc) {
		t.Error("a row is taken between two polls")
	}
	answered := make(chan *http.Response)
	go func() { answered <- p.again("", "") }()
	next(t, peer.woken) // for the poll that waits
	eventually(t, func() bool { return peer.rows(btc) })
	resp = next(t, answered)
	if expect(t, resp, 200, "x:BTC"); resp.Header.Get(headerAnswer) != "2" {
		t.Errorf("answer %s", resp.Header.Get(headerAnswer))
	}
	p.after = 2
	expect(t, p.again("&send=1", `{"id":7,"ping":{}}`), 200, `"replyTo":7`)
	expect(t, p.again("&send=1", `{"id":7,"ping":{}}`), 200, `"replyTo":7`) // the answer is given again, the request not carried out again
	p.after = 1
	expect(t, p.again("", ""), 409, "the last answer was number 3")
	p.after = 3
	expect(t, p.again("&wait_ms=x", ""), 400, "whole number")
	expect(t, p.again("&wait=1", ""), 400, "want after, send and wait_ms")
	expect(t, r.ask("POST", "/v1/poll/"+p.secret, ""), 400, headerAnswer)
	peer.Close(4503, "cut off")
	expect(t, p.again("", ""), 200, "cut off")
	expect(t, p.again("", ""), 200, "cut off")
	next(t, peer.ended)
	p.after = 4
	expect(t, p.again("", ""), 410, "open a new one")
	if st := r.Stats()[Poll]; r.Resent() != 3 || st.Open != 0 || st.MessagesIn != 2 || st.Closed[4503] != 1 {
		t.Errorf("counted %+v", st)
	}
}

// A client that gives up on a poll and sends another gets what the first would have had.
func TestALaterPollTakesOver(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	p, first := r.poll(`{"id":2,"subscribe":{"symbols":["x:BTC"]}}`)
	peer := next(t, r.peers)
	text(t, first)
	p.after = 1
	early := make(chan *http.Response)
	go func() { early <- p.again("", "") }()
	next(t, peer.woken)
	late := make(chan *http.Response)
	go func() { late <- p.again("", `{"id":8,"ping":{}}`) }()
	a, b := next(t, early), next(t, late)
	if got := text(t, a) + text(t, b); !strings.Contains(got, `"replyTo":8`) {
		t.Errorf("the answers are %s and %s: %q", a.Status, b.Status, got)
	}
}

func TestAClientLeaves(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	p, first := r.poll(`{"id":2,"subscribe":{"symbols":["x:BTC"]}}`)
	polling := next(t, r.peers)
	text(t, first)
	expect(t, r.ask("DELETE", "/v1/poll/"+p.secret, ""), 204, "")
	next(t, polling.ended)
	expect(t, r.ask("DELETE", "/v1/poll/"+p.secret, ""), 404, "POST /v1/poll")
	resp := r.ask("POST", "/v1/stream", `{}`)
	streaming := next(t, r.peers)
	expect(t, r.ask("DELETE", "/v1/stream/"+resp.Header.Get(headerSecret), ""), 204, "")
	next(t, streaming.ended)
	eventually(t, func() bool {
		st := r.Stats()
		return len(r.conns.All()) == 0 && st[Poll].Closed[conns.CodeNormal] == 1 && st[Stream].Closed[conns.CodeNormal] == 1
	})
	expect(t, r.ask("PUT", "/v1/stream/x", ""), 405, "want DELETE or POST")
}

func TestWhoDoesNotPollIsEnded(t *testing.T) {
	r := newRig(t, Options{PollGrace: 50 * time.Millisecond}, gate.Options{})
	p, first := r.poll(`{"id":2,"subscribe":{"symbols":["x:BTC"]}}`)
	peer := next(t, r.peers)
	text(t, first)
	next(t, peer.ended)
	eventually(t, func() bool {
		return r.Stats()[Poll].Closed[conns.CodeNoProgress] == 1 && r.drops.Count(drop.PollTimeout) == 1 && r.find(Poll, p.secret) == nil
	})
	p.after = 1
	expect(t, p.again("", ""), 404, "it has ended")
}

// What waits for a client between two polls is bounded, as are the answers that it may leave there.
func TestNothingGrowsBetweenPolls(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	p, first := r.poll(`{"id":2,"subscribe":{"symbols":["x:BTC"]}}`)
	peer := next(t, r.peers)
	text(t, first)
	answer := []byte(`{"error":{"text":"` + strings.Repeat("x", 8000) + `"}}`)
	sent := 0
	for peer.SendControl(answer) {
		if sent += len(answer); sent > 1<<20 {
			t.Fatal("answers pile up without bound")
		}
	}
	if pending := peer.out.Pending(); pending > 3*64<<10+1000 {
		t.Errorf("%d bytes wait", pending)
	}
	next(t, peer.ended)
	p.after = 1
	expect(t, p.again("", ""), 200, "too many answers wait")
}
