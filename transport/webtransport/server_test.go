package webtransport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/outbox/tlstest"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/gate"
	"github.com/feedd/feedd/transport/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits before it fails instead of hanging.
const patience = time.Minute

// peer is the other side of a connection: it sends every message back.
type peer struct {
	*stream.Conn
	framing fanout.Framing
	woken   chan struct{}
	ended   chan struct{}
}

func (p *peer) Receive(payload []byte) {
	if string(payload) == "admit" {
		p.Admitted()
	}
	if p.Drained() {
		p.SendControl(payload)
	}
}

func (p *peer) Wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *peer) End() []slog.Attr { close(p.ended); return nil }

// rig is a server on loopback whose clients are handled by peers.
type rig struct {
	*Server
	t       *testing.T
	gate    *gate.Gate
	streams *stream.Server
	url     string
	trust   *tls.Config
	drops   drop.Counters
	peers   chan *peer // each in its turn
}

func newRig(t *testing.T, bounds gate.Options, opt stream.Options) *rig {
	t.Helper()
	return newImpatientRig(t, bounds, opt, 0)
}

func newImpatientRig(t *testing.T, bounds gate.Options, opt stream.Options, openWithin time.Duration) *rig {
	t.Helper()
	r := &rig{t: t, peers: make(chan *peer, 100)}
	bounds.Drops, opt.Drops = &r.drops, &r.drops
	var err error
	if r.gate, err = gate.New(bounds); err != nil {
		t.Fatal(err)
	}
	opt.Gate = r.gate
	opt.NewHandler = func(c *stream.Conn, f fanout.Framing) conns.Handler {
		p := &peer{c, f, make(chan struct{}, 1), make(chan struct{})}
		r.peers <- p
		return p
	}
	if r.streams, err = stream.New(opt); err != nil {
		t.Fatal(err)
	}
	var server *tls.Config
	server, r.trust = tlstest.Certificate(t)
	r.Server = New(Options{TLS: server, Gate: r.gate, Streams: r.streams, Log: slog.New(slog.DiscardHandler), OpenWithin: openWithin})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "https://" + pc.LocalAddr().String() + Path
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx, pc) }()
	t.Cleanup(func() {
		within, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r.streams.Shutdown(within)
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		_ = pc.Close()
	})
	return r
}

// client is a session with its stream.
type client struct {
	t    *testing.T
	sess *webtransport.Session
	st   *webtransport.Stream
	in   *bufio.Reader
}

// try asks for a session and returns whatever the answer is.
func (r *rig) try(headers http.Header) (*http.Response, *webtransport.Session, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	d := &webtransport.Transport{TLSClientConfig: http3.ConfigureTLSConfig(r.trust)}
	r.t.Cleanup(func() { _ = d.Close() })
	response, sess, err := d.Dial(ctx, r.url, headers)
	if err == nil {
		r.t.Cleanup(func() { _ = sess.CloseWithError(0, "") })
	}
	return response, sess, err
}

func (r *rig) dial() *client {
	r.t.Helper()
	_, sess, err := r.try(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	st, err := sess.OpenStream()
	if err != nil {
		r.t.Fatal(err)
	}
	_ = st.SetReadDeadline(time.Now().Add(patience))
	return &client{r.t, sess, st, bufio.NewReader(st)}
}

func (c *client) say(message string) {
	c.t.Helper()
	if _, err := c.st.Write(append(binary.AppendUvarint(nil, uint64(len(message))), message...)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) read() []byte {
	c.t.Helper()
	size, err := binary.ReadUvarint(c.in)
	if err != nil {
		c.t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(c.in, b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

func (c *client) same(message string) {
	c.t.Helper()
	c.say(message)
	if got := c.read(); string(got) != message {
		c.t.Fatalf("said %q, heard %q", message, got)
	}
}

// closed reads to the end, in which the code and the reason must come twice.
func (c *client) closed(code uint16, reason string) {
	c.t.Helper()
	c.last(code, reason)
	c.over(code, reason)
}

// last reads to the end of the stream.
func (c *client) last(code uint16, reason string) {
	c.t.Helper()
	var last []byte
	for {
		if _, err := c.in.Peek(1); err != nil {
			break
		}
		last = c.read()
	}
	f := new(feedv1.ServerFrame)
	if err := proto.Unmarshal(last, f); err != nil || f.GetClose().GetCode() != uint32(code) || !strings.Contains(f.GetClose().GetReason(), reason) {
		c.t.Errorf("the last message is %v, %v; want %d %q", f, err, code, reason)
	}
}

// over waits for the end of the session.
func (c *client) over(code uint16, reason string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.sess.AcceptStream(ctx) // there is none
	var ended *webtransport.SessionError
	if !errors.As(err, &ended) || !ended.Remote || ended.ErrorCode != webtransport.SessionErrorCode(code) || !strings.Contains(ended.Message, reason) {
		c.t.Errorf("the session ends with %v, want %d %q", err, code, reason)
	}
}

func (r *rig) next() *peer {
	r.t.Helper()
	select {
	case p := <-r.peers:
		return p
	case <-time.After(patience):
		r.t.Fatal("nobody comes")
		return nil
	}
}

func (r *rig) eventually(ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatal("it does not happen")
		}
	}
}

func (r *rig) count(code uint16) uint64 { return r.streams.Stats()[stream.WebTransport].Closed[code] }

func TestSession(t *testing.T) {
	r := newRig(t, gate.Options{}, stream.Options{})
	c := r.dial()
	c.same("hello")
	c.same(strings.Repeat("x", 16<<10))
	p := r.next()
	if p.Transport() != "webtransport" || p.framing.Encoding() != fanout.Proto || !strings.HasPrefix(p.Remote(), "127.0.0.1:") {
		t.Errorf("served as %s from %s", p.Transport(), p.Remote())
	}
	if !p.Send(p.framing.AppendFrame(nil, []byte("rows"), fanout.UseCut, 1)) || string(c.read()) != "rows" {
		t.Error("rows do not come")
	}
	p.Close(4000, "draining")
	p.Close(4500, "too late")
	c.closed(4000, "draining")
	<-p.ended
	r.eventually(func() bool { return r.count(4000) == 1 && r.gate.Stats().Open == 0 })
}

func TestClientsThatGo(t *testing.T) {
	r := newRig(t, gate.Options{}, stream.Options{})
	for _, c := range []struct {
		leave func(*client)
		code  uint16
	}{
		{func(c *client) { _ = c.sess.CloseWithError(0, "") }, conns.CodeNormal},
		{func(c *client) { _ = c.sess.CloseWithError(1001, "the page goes") }, conns.CodeGoingAway},
		{func(c *client) { _ = c.sess.CloseWithError(70_000, "no code of ours") }, conns.CodeOwn},
		{func(c *client) { _ = c.st.Close() }, conns.CodeNormal}, // it says no more
		{func(c *client) { c.st.CancelWrite(7); c.st.CancelRead(7) }, conns.CodeAbnormal},
	} {
		before, none := r.count(c.code), r.count(conns.CodeNone)
		client := r.dial()
		client.same("hello")
		c.leave(client)
		<-r.next().ended
		// This client hangs up at once behind its code, which may then not be read any more.
		r.eventually(func() bool { return r.count(c.code) == before+1 || r.count(conns.CodeNone) == none+1 })
	}
	if r.count(conns.CodeAbnormal) != 1 {
		t.Error("a stream that was reset is not counted")
	}
	r.eventually(func() bool { return r.gate.Stats().Open == 0 })
}

func TestWhoComesIn(t *testing.T) {
	opt := gate.Options{Origins: []string{"https://app.example.com"}, MaxConns: 2, Authenticate: func(token string) (*entitlement.Identity, error) {
		if token != "good" {
			return nil, errors.New("the token has expired; get a new one")
		}
		return &entitlement.Identity{User: "ada"}, nil
	}}
	r := newRig(t, opt, stream.Options{})
	for _, c := range []struct {
		name    string
		headers http.Header
		status  int
	}{
		{"another page", http.Header{"Origin": {"https://evil.example.com"}}, 403},
		{"a token that is no good", http.Header{"Authorization": {"Bearer old"}}, 401},
		{"no token", http.Header{"Authorization": {"Basic YTpi"}}, 401},
	} {
		if response, _, err := r.try(c.headers); err == nil || response == nil || response.StatusCode != c.status {
			t.Errorf("%s: %v, %v; want %d", c.name, response, err, c.status)
		}
	}
	_, sess, err := r.try(http.Header{"Authorization": {"Bearer good"}, "Origin": {"https://app.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sess.OpenStream(); err != nil {
		t.Fatal(err)
	}
	first := r.dial()
	first.same("hello")
	if who := r.next().Identity(); who != nil {
		t.Errorf("a client without a token is taken for %+v", who)
	}
	full, _, err := r.try(nil)
	if err == nil || full == nil || full.StatusCode != http.StatusServiceUnavailable || full.Header.Get("Retry-After") == "" {
		t.Errorf("a third one: %v, %v", full, err)
	}
	if n := r.gate.Stats().Refused; n[403] != 1 || n[401] != 2 || n[503] != 1 {
		t.Errorf("counted as refused: %v", n)
	}
}

func TestOtherRequests(t *testing.T) {
	r := newRig(t, gate.Options{}, stream.Options{})
	h := &http3.Transport{TLSClientConfig: r.trust}
	defer h.Close()
	for path, want := range map[string]int{"": http.StatusMethodNotAllowed, "x": http.StatusNotFound} {
		response, err := (&http.Client{Transport: h, Timeout: patience}).Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("GET %s%s: %s, want %d", Path, path, response.Status, want)
		}
	}
}

func TestMessagesAreBounded(t *testing.T) {
	opt := gate.Options{MaxMessage: 1000}
	opt.Strangers.MaxMessage = 200
	r := newRig(t, opt, stream.Options{})
	c := r.dial()
	c.same(strings.Repeat("x", 200))
	c.say(strings.Repeat("x", 201))
	c.closed(conns.CodeTooBig, "200 bytes")
	c = r.dial()
	c.same("admit")
	c.same(strings.Repeat("x", 1000))
	_, _ = c.st.Write(binary.AppendUvarint(nil, 1<<62)) // the rest never comes
	c.closed(conns.CodeTooBig, "1000 bytes")
	c = r.dial()
	_, _ = c.st.Write(bytes.Repeat([]byte{0xff}, 20)) // no number
	<-r.next().ended
	r.eventually(func() bool { return r.count(conns.CodeTooBig) == 2 && r.count(conns.CodeAbnormal) == 1 })
}

// A client that reads nothing costs a bounded piece of memory and is ended; nobody waits for it.
func TestASlowClient(t *testing.T) {
	r := newRig(t, gate.Options{}, stream.Options{WriteTimeout: time.Second})
	c := r.dial()
	c.same("hello")
	slow := r.next()
	other := r.dial()
	row := slow.framing.AppendFrame(nil, make([]byte, 4000), fanout.UseCut, 1)
	for end := time.After(patience); ; {
		for slow.Send(row) {
		}
		other.same("still there")
		select {
		case <-slow.woken:
			continue
		case <-slow.ended:
		case <-end:
			t.Fatal("it stays")
		}
		break
	}
	r.eventually(func() bool { return r.count(conns.CodeNoProgress) == 1 })
	if n := r.drops.Count(drop.WriteTimeout); n != 1 {
		t.Errorf("counted %d times", n)
	}
	c.over(conns.CodeNoProgress, "")
}

func TestConnectionsThatAreNotUsed(t *testing.T) {
	r := newImpatientRig(t, gate.Options{}, stream.Options{}, 50*time.Millisecond)
	secure := http3.ConfigureTLSConfig(r.trust)
	qc, err := quic.DialAddr(t.Context(), strings.TrimSuffix(strings.TrimPrefix(r.url, "https://"), Path), secure,
		&quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true, KeepAlivePeriod: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-qc.Context().Done():
	case <-time.After(patience):
		t.Error("a connection without a session stays")
	}
	_, sess, err := r.try(nil)
	if err != nil {
		t.Fatal(err)
	}
	(&client{t: t, sess: sess}).over(4004, "no stream")
	r.eventually(func() bool { return r.gate.Stats().Open == 0 })
}

func TestShutdown(t *testing.T) {
	r := newRig(t, gate.Options{}, stream.Options{})
	var clients []*client
	for range 3 {
		c := r.dial()
		c.same("hello")
		clients = append(clients, c)
	}
	r.gate.Drain()
	if response, _, err := r.try(nil); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while draining: %v, %v", response, err)
	}
	r.streams.CloseAll(t.Context(), 4000, "the server is stopping", 100*time.Millisecond)
	for _, c := range clients {
		c.last(4000, "stopping")
	}
	for _, c := range clients {
		c.over(4000, "stopping")
	}
	r.streams.Shutdown(t.Context())
	_, sess, err := r.try(nil)
	if err == nil {
		(&client{t: t, sess: sess}).over(1001, "")
	}
}
