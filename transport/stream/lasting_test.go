package stream

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outlet"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

func TestStreamInJSON(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	resp := r.ask("POST", "/v1/stream", `{"id":1,"hello":{}} {"id":2,"subscribe":{"symbols":["x:BTC"]}}`, "Content-Type", "application/x-www-form-urlencoded")
	secret := resp.Header.Get(headerSecret)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/x-ndjson" || len(secret) < 20 {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	p := next(t, r.peers)
	if next(t, p.got).GetHello() == nil || next(t, p.got).GetSubscribe() == nil {
		t.Error("messages come in another order")
	}
	in := linesOf(t, resp)
	in.until(`"replyTo":2`)
	ping := func(id, query string) *http.Response {
		return r.ask("POST", "/v1/stream/"+secret+query, `{"id":`+id+`,"ping":{}}`)
	}
	expect(t, ping("3", "?send=1"), 204, "")
	in.until(`"replyTo":3`)
	expect(t, ping("4", "?send=1"), 204, "") // the same once more, for all we know
	expect(t, ping("5", "?send=3"), 409, "send=2 has not arrived")
	expect(t, ping("6", "?send=two"), 400, "whole number")
	expect(t, ping("7", "?send=2"), 204, "")
	if line := in.until("replyTo"); !strings.Contains(line, `"replyTo":7`) {
		t.Errorf("a request was taken twice: %s", line)
	}
	expect(t, r.ask("POST", "/v1/stream/"+secret, `{"id":`), 400, "not JSON")
	expect(t, r.ask("POST", "/v1/stream/"+secret, strings.Repeat(" ", 70_000)), 413, "65536 bytes")
	expect(t, r.ask("POST", "/v1/stream/"+secret, `"`+strings.Repeat("x", 20_000)+`"`), 413, "at most 16384")
	expect(t, r.ask("POST", "/v1/stream/"+secret, strings.Repeat("{}", 65)), 413, "at most 64")
	expect(t, r.ask("POST", "/v1/stream/NONE", "{}"), 404, "POST /v1/stream")
	expect(t, r.ask("POST", "/v1/poll/"+secret+"?after=0", "{}"), 404, "POST /v1/poll")
	p.Close(4000, "draining")
	in.until(`"close":`)
	if _, err := in.from.ReadByte(); err != io.EOF {
		t.Errorf("behind the last message: %v", err)
	}
	next(t, p.ended)
	eventually(t, func() bool { return r.find(Stream, secret) == nil })
	expect(t, ping("8", ""), 404, "it has ended")
	if st := r.Stats()[Stream]; st.MessagesIn != 4 || st.FramesOut == 0 || st.BytesOut == 0 {
		t.Errorf("counted %+v", st)
	}
}

func TestStreamInProtobuf(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	body := ""
	for _, f := range []*feedv1.ClientFrame{
		{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{Symbols: []string{"x:BTC"}}}},
		{Id: 2, Request: &feedv1.ClientFrame_Ping{Ping: &feedv1.Ping{}}},
	} {
		b, _ := proto.Marshal(f)
		body += string(binary.AppendUvarint(nil, uint64(len(b)))) + string(b)
	}
	kind := []string{"Content-Type", "application/x-protobuf"}
	resp := r.ask("POST", "/v1/stream", body, append(kind, "Accept", "application/x-protobuf")...)
	if resp.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	in := bufio.NewReader(resp.Body)
	read := func() *feedv1.ServerFrame {
		size, err := binary.ReadUvarint(in)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(in, b); err != nil {
			t.Fatal(err)
		}
		f := new(feedv1.ServerFrame)
		if err := proto.Unmarshal(b, f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	if a, b := read(), read(); a.ReplyTo != 1 || b.ReplyTo != 2 {
		t.Errorf("answers %v, %v", a, b)
	}
	next(t, r.peers).Close(4503, "cut off")
	if f := read(); f.GetClose().GetCode() != 4503 || f.GetClose().GetReason() != "cut off" {
		t.Errorf("the last message is %v", f)
	}
	expect(t, r.ask("POST", "/v1/stream", body[:5], kind...), 400, "not whole")
	expect(t, r.ask("POST", "/v1/stream", "", kind...), 400, "body is empty")
	expect(t, r.ask("POST", "/v1/stream", "x", "Content-Type", "image/png"), 415, "image/png")
	expect(t, r.ask("POST", "/v1/stream", "{}", "Accept", "application/x-protobuf"), 406, "one form")
	expect(t, r.ask("POST", "/v1/stream?symbols=x:BTC", "{}"), 400, "stands in the body")
	expect(t, r.ask("POST", "/v1/stream?token=x", "{}"), 400, "Authorization: Bearer TOKEN")
	expect(t, r.ask("POST", "/v1/stream/secret/more", "{}"), 404, "want /v1/sse")
	eventually(t, func() bool { return len(r.conns.All()) == 0 })
}

// Until it is known who they are, clients may send small messages only.
func TestStrangersOverHTTP(t *testing.T) {
	opt := gate.Options{}
	opt.Strangers.MaxConns, opt.Strangers.MaxMessage = 1, 200
	r := newRig(t, Options{}, opt)
	long := `{"subscribe":{"symbols":["x:` + strings.Repeat("B", 300) + `"]}}`
	expect(t, r.ask("POST", "/v1/stream", long), 413, "at most 200")
	resp := r.ask("POST", "/v1/stream", `{}`)
	p := next(t, r.peers)
	expect(t, r.ask("POST", "/v1/stream", `{}`), 503, "say who they are")
	p.Admitted()
	expect(t, r.ask("POST", "/v1/stream/"+resp.Header.Get(headerSecret), long), 204, "")
	if second := r.ask("POST", "/v1/stream", `{}`); second.StatusCode != http.StatusOK {
		t.Errorf("room again: %s", second.Status)
	}
}

// A client that does not read costs a bounded piece of memory, holds nobody up, and is ended.
func TestSlowReader(t *testing.T) {
	r := newRig(t, Options{WriteTimeout: 2 * time.Second}, gate.Options{})
	stuck, err := net.Dial("tcp", r.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if _, err := io.WriteString(stuck, "GET /v1/sse?symbols=x:BTC HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	slow := next(t, r.peers)
	eventually(t, func() bool { return slow.rows("{}") })
	resp := r.ask("POST", "/v1/stream", `{"id":2,"subscribe":{"symbols":["x:BTC"]}}`)
	well := next(t, r.peers)
	in := linesOf(t, resp)
	row := `{"quoteTexts":["` + strings.Repeat("x", 4000) + `"]}`
	ended := time.After(60 * time.Second)
	for most := 0; ; {
		for slow.rows(row) {
		}
		most = max(most, slow.out.Pending())
		if limit := outlet.Room + len(row) + 100; most > limit {
			t.Fatalf("%d bytes wait for a client that does not read; want at most %d", most, limit)
		}
		eventually(t, func() bool { return well.rows(`{"n":1}`) }) // or another client is held up
		in.until(`{"n":1}`)
		select {
		case <-slow.ended:
			eventually(t, func() bool { return r.Stats()[SSE].Closed[conns.CodeNoProgress] == 1 })
			if n := r.drops.Count(drop.WriteTimeout); n != 1 {
				t.Errorf("%d counted", n)
			}
			return
		case <-ended:
			t.Fatal("a client that does not read stays")
		default:
		}
	}
}

func TestClientsThatGo(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.http.URL+"/v1/sse?symbols=x:BTC", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	p := next(t, r.peers)
	cancel()
	resp.Body.Close()
	next(t, p.ended)
	eventually(t, func() bool { return r.Stats()[SSE].Closed[conns.CodeAbnormal] == 1 && len(r.conns.All()) == 0 })
}

// Closes are spread over a while, and Shutdown leaves nothing behind.
func TestSeenOff(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	for range 5 {
		r.ask("GET", "/v1/sse?symbols=x:BTC", "")
		r.ask("POST", "/v1/poll", `{"subscribe":{"symbols":["x:BTC"]}}`)
	}
	r.CloseAll(t.Context(), 4000, "draining", 200*time.Millisecond)
	eventually(t, func() bool { return len(r.conns.All()) == 0 })
	r.ask("GET", "/v1/sse?symbols=x:BTC", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Shutdown(ctx)
	expect(t, r.ask("GET", "/v1/sse?symbols=x:BTC", ""), 503, "about to stop")
}

// Messages that come faster than they are handled are refused beyond a bound, all of a request or none, and nothing is lost of
// those that were taken.
func TestMessagesThatWaitAreBounded(t *testing.T) {
	r := newRig(t, Options{}, gate.Options{})
	resp := r.ask("POST", "/v1/stream", `{"subscribe":{"symbols":["x:WAIT"]}}`)
	path := "/v1/stream/" + resp.Header.Get(headerSecret)
	p := next(t, r.peers)
	next(t, p.got) // and it waits
	body := strings.Repeat(`{"subscribe":{"symbols":["`+strings.Repeat("x", 15_000)+`"]}}`+"\n", 4)
	taken := 0
	for {
		answer := r.ask("POST", path, body)
		if answer.StatusCode == http.StatusNoContent {
			if taken++; taken*len(body) > maxWaiting {
				t.Fatalf("%d bytes of messages wait", taken*len(body))
			}
			continue
		}
		if expect(t, answer, http.StatusTooManyRequests, "still being handled"); answer.Header.Get("Retry-After") != "1" {
			t.Error("nothing says when to come again")
		}
		break
	}
	if taken == 0 {
		t.Error("nothing was taken")
	}
	close(p.letGo)
	for range 4 * taken {
		next(t, p.got)
	}
	expect(t, r.ask("POST", path, body), http.StatusNoContent, "")
	expect(t, r.ask("DELETE", path, ""), http.StatusNoContent, "")
	next(t, p.ended)
}
