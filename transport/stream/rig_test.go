package stream

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a server over real HTTP whose clients are handled by peers.
type rig struct {
	*Server
	t     *testing.T
	gate  *gate.Gate
	http  *httptest.Server
	drops drop.Counters
	peers chan *peer // each in its turn
}

// peer is the other side of a connection: it notes what comes, and answers each subscription with a handle.
type peer struct {
	*Conn
	framing fanout.Framing
	got     chan *feedv1.ClientFrame
	woken   chan struct{}
	ended   chan struct{}
	letGo   chan struct{} // closed by a test that has had it wait
}

func newRig(t *testing.T, opt Options, bounds gate.Options) *rig {
	r := &rig{t: t, peers: make(chan *peer, 100)}
	bounds.Drops, opt.Drops = &r.drops, &r.drops
	var err error
	if r.gate, err = gate.New(bounds); err != nil {
		t.Fatal(err)
	}
	opt.Gate = r.gate
	opt.NewHandler = func(c *Conn, f fanout.Framing) conns.Handler {
		p := &peer{c, f, make(chan *feedv1.ClientFrame, 1000), make(chan struct{}, 1), make(chan struct{}), make(chan struct{})}
		r.peers <- p
		return p
	}
	if r.Server, err = New(opt); err != nil {
		t.Fatal(err)
	}
	r.http = httptest.NewServer(r.Server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		r.Shutdown(ctx)
		r.http.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

func (p *peer) Receive(payload []byte) {
	f := new(feedv1.ClientFrame)
	err := proto.Unmarshal(payload, f)
	if p.framing.Encoding() == fanout.JSON {
		err = protojson.Unmarshal(payload, f)
	}
	if err != nil {
		p.Close(4500, err.Error())
		return
	}
	p.got <- f
	switch m := f.GetSubscribe(); {
	case m != nil && m.Symbols[0] == "x:PANIC":
		panic("as asked")
	case m != nil && m.Symbols[0] == "x:WAIT":
		<-p.letGo
	case m != nil && m.Symbols[0] == "x:NONE":
		p.answer(&feedv1.ServerFrame{ReplyTo: f.Id, Subscribed: &feedv1.Subscribed{Results: []*feedv1.SubscribeResult{
			{Symbol: m.Symbols[0], Code: feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, Text: "no such symbol"}}}})
	case m != nil && m.Symbols[0] == "x:SHUT":
		p.Close(4510, "who are you")
	case m != nil:
		p.answer(&feedv1.ServerFrame{ReplyTo: f.Id, Subscribed: &feedv1.Subscribed{Results: []*feedv1.SubscribeResult{{Symbol: m.Symbols[0], Handle: 1}}}})
	case f.GetPing() != nil:
		p.answer(&feedv1.ServerFrame{ReplyTo: f.Id, Pong: &feedv1.Pong{ServerTimeUs: 1}})
	}
}

func (p *peer) Wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *peer) End() []slog.Attr { close(p.ended); return nil }

func (p *peer) answer(f *feedv1.ServerFrame) bool {
	b, _ := proto.Marshal(f)
	if p.framing.Encoding() == fanout.JSON {
		b, _ = protojson.Marshal(f)
	}
	return p.Drained() && p.SendControl(b)
}

// rows sends a payload as the engine does.
func (p *peer) rows(payload string) bool {
	return p.Send(p.framing.AppendFrame(nil, []byte(payload), fanout.UseCut, 1))
}

// next waits for something that must come.
func next[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not become true")
		}
	}
}

// ask sends a request and returns the response, whose body is closed with the test.
func (r *rig) ask(method, path, body string, headers ...string) *http.Response {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, method, r.http.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { cancel(); resp.Body.Close() })
	return resp
}

// text is what is left of a response.
func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return string(b)
}

// expect fails unless a response has a status and words.
func expect(t *testing.T, resp *http.Response, status int, words string) {
	t.Helper()
	if got := text(t, resp); resp.StatusCode != status || !strings.Contains(got, words) {
		t.Errorf("got %d %q, want %d and %q", resp.StatusCode, got, status, words)
	}
}

// lineReader reads a response line by line.
type lineReader struct {
	t    *testing.T
	from *bufio.Reader
}

func linesOf(t *testing.T, resp *http.Response) lineReader {
	return lineReader{t, bufio.NewReader(resp.Body)}
}

// until returns the next line that holds some words.
func (l lineReader) until(words string) string {
	l.t.Helper()
	for {
		line, err := l.from.ReadString('\n')
		if err != nil {
			l.t.Fatalf("%v before %q", err, words)
		}
		if strings.Contains(line, words) {
			return strings.TrimSuffix(line, "\n")
		}
	}
}

// tokens lets in ada alone.
func tokens(token string) (*entitlement.Identity, error) {
	if token != "ada" {
		return nil, io.ErrUnexpectedEOF
	}
	return &entitlement.Identity{User: "ada"}, nil
}
