package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client/quoterow"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a server that answers as a test tells it to.
type script struct {
	gws.BuiltinEventHandler
	answer func(s *script, socket *gws.Conn, f *feedv1.ClientFrame)

	mu      sync.Mutex
	sockets []*gws.Conn
	loops   sync.WaitGroup
}

// serve starts the script and returns its ws:// address.
func serve(t *testing.T, answer func(s *script, socket *gws.Conn, f *feedv1.ClientFrame)) (*script, string) {
	s := &script{answer: answer}
	upgrader := gws.NewUpgrader(s, &gws.ServerOption{
		SubProtocols: []string{SubprotocolProto, SubprotocolJSON}, PermessageDeflate: gws.PermessageDeflate{Enabled: true},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.sockets = append(s.sockets, socket)
		s.mu.Unlock()
		s.loops.Go(socket.ReadLoop)
	}))
	t.Cleanup(func() {
		for _, socket := range s.sockets {
			_ = socket.NetConn().Close()
		}
		s.loops.Wait()
		server.Close()
	})
	return s, "ws" + strings.TrimPrefix(server.URL, "http") + "/v1/ws"
}

func (s *script) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	f := &feedv1.ClientFrame{}
	unmarshal := proto.Unmarshal
	if socket.SubProtocol() == SubprotocolJSON {
		unmarshal = protojson.Unmarshal
	}
	if err := unmarshal(message.Bytes(), f); err != nil {
		_ = socket.WriteClose(4500, []byte(err.Error()))
		return
	}
	if f.GetHello() != nil {
		s.send(socket, &feedv1.ServerFrame{ReplyTo: f.Id, Welcome: &feedv1.Welcome{Session: "s1"}})
		return
	}
	s.answer(s, socket, f)
}

func (s *script) send(socket *gws.Conn, f *feedv1.ServerFrame) {
	if socket.SubProtocol() == SubprotocolJSON {
		payload, _ := protojson.Marshal(f)
		_ = socket.WriteMessage(gws.OpcodeText, payload)
		return
	}
	payload, _ := proto.Marshal(f)
	_ = socket.WriteMessage(gws.OpcodeBinary, payload)
}

// subscribeInParts answers a subscribe as a server with small frames does, and sends a row.
func subscribeInParts(s *script, socket *gws.Conn, f *feedv1.ClientFrame) {
	s.send(socket, &feedv1.ServerFrame{ReplyTo: f.Id, Subscribed: &feedv1.Subscribed{
		Instruments: []*feedv1.Instrument{{Symbol: "x:BTC", PriceScale: 2, SizeScale: 5, StatusHandle: 9}}, Partial: true,
		Results: []*feedv1.SubscribeResult{{Symbol: "x:BTC", Channel: "quote", Handle: 1}},
	}})
	s.send(socket, &feedv1.ServerFrame{ReplyTo: f.Id, Grants: []*feedv1.Grant{{Handles: []uint32{1}, CadenceMs: 100}}})
	s.send(socket, &feedv1.ServerFrame{ReplyTo: f.Id, Subscribed: &feedv1.Subscribed{
		Results: []*feedv1.SubscribeResult{{Symbol: "x:NOPE", Code: feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL}},
	}})
	row := &feedv1.ServerFrame{CutTimeUs: 1_700_000_000_000_000}
	if socket.SubProtocol() == SubprotocolJSON {
		row.QuoteTexts = []*feedv1.QuoteText{{Symbol: "x:BTC", Bid: "10.01", BidSize: "1", Sequence: 1}}
	} else {
		row.Quotes = quoterow.Numbers(quoterow.Row{Handle: 1, Bid: 1001, BidSize: 100000, Has: proto.Uint32(1), Sequence: 1})
	}
	s.send(socket, row)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, url string, o Options) *Client {
	t.Helper()
	c, err := Dial(testContext(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestSubscribeAndSeeAPrice(t *testing.T) {
	_, url := serve(t, subscribeInParts)
	for _, o := range []Options{{}, {JSON: true}, {Deflate: true}, {JSON: true, Deflate: true}} {
		c := dial(t, url, o)
		got, err := c.Subscribe(testContext(t), &feedv1.Subscribe{Symbols: []string{"x:BTC", "x:NOPE"}})
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if len(got.Results) != 2 || got.Results[1].Code != feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL {
			t.Errorf("%+v: results %v, want both parts", o, got.Results)
		}
		var q market.Quote
		if err := c.Await(testContext(t), func(m *Model) (ok bool) { q, ok = m.Quote("x:BTC"); return ok }); err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if q.Bid != 1001 || q.BidSize != 100000 {
			t.Errorf("%+v: quote %+v", o, q)
		}
		c.View(func(m *Model) {
			if g := m.Grant("x:BTC", market.ChannelQuote); g.GetCadenceMs() != 100 {
				t.Errorf("%+v: grant %v", o, g)
			}
		})
	}
}

// Who awaits a state of the model finds that OnUpdate was told of it.
func TestOnUpdateComesAheadOfAwait(t *testing.T) {
	_, url := serve(t, subscribeInParts)
	hasQuote := func(m *Model) bool { _, ok := m.Quote("x:BTC"); return ok }
	var c *Client
	var early []error
	c = dial(t, url, Options{OnUpdate: func(u Update) {
		if len(u.Quotes) > 0 {
			over, cancel := context.WithCancel(context.Background())
			cancel()
			early = append(early, c.Await(over, hasQuote))
		}
	}})
	if _, err := c.Subscribe(testContext(t), &feedv1.Subscribe{Symbols: []string{"x:BTC"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Await(testContext(t), hasQuote); err != nil {
		t.Fatal(err)
	}
	if len(early) != 1 || !errors.Is(early[0], context.Canceled) {
		t.Errorf("during OnUpdate: %v, want that nothing was there to be awaited yet", early)
	}
}

func TestRefusedRequestIsAnError(t *testing.T) {
	_, url := serve(t, func(s *script, socket *gws.Conn, f *feedv1.ClientFrame) {
		s.send(socket, &feedv1.ServerFrame{ReplyTo: f.Id, Error: &feedv1.Error{Code: feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, Text: "no"}})
	})
	c := dial(t, url, Options{})
	var refused *Error
	if _, err := c.Ping(testContext(t)); !errors.As(err, &refused) || refused.Code != feedv1.ErrorCode_ERROR_CODE_BAD_VALUE {
		t.Errorf("got %v, want the server's error", err)
	}
}

func TestUnansweredRequestEndsWithItsContext(t *testing.T) {
	_, url := serve(t, func(*script, *gws.Conn, *feedv1.ClientFrame) {})
	c := dial(t, url, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestServerClosesWithACode(t *testing.T) {
	_, url := serve(t, func(_ *script, socket *gws.Conn, _ *feedv1.ClientFrame) {
		_ = socket.WriteClose(4501, []byte("too many requests"))
	})
	c := dial(t, url, Options{})
	_, err := c.Ping(testContext(t))
	var closed *CloseError
	if !errors.As(err, &closed) || closed.Code != 4501 || closed.Reason != "too many requests" || closed.Retry() {
		t.Errorf("got %v, want close code 4501, not to be retried", err)
	}
	<-c.Done()
	if !errors.Is(c.Err(), err) {
		t.Errorf("Err is %v, the request got %v", c.Err(), err)
	}
}

func TestBrokenPromiseEndsTheConnection(t *testing.T) {
	_, url := serve(t, func(s *script, socket *gws.Conn, _ *feedv1.ClientFrame) {
		s.send(socket, &feedv1.ServerFrame{CutTimeUs: 1, Quotes: quoterow.Numbers(quoterow.Row{Handle: 5})})
	})
	c := dial(t, url, Options{})
	_, err := c.Ping(testContext(t))
	var broken *ProtocolError
	if !errors.As(err, &broken) {
		t.Errorf("got %v, want a ProtocolError", err)
	}
}

func TestRefusedHandshakeTellsWhatTheServerSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "full, come back later", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	_, err := Dial(testContext(t), "ws"+strings.TrimPrefix(server.URL, "http"), Options{})
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "full, come back later") {
		t.Errorf("got %v", err)
	}
	if _, err := Dial(testContext(t), "http://example.com", Options{}); err == nil || !strings.Contains(err.Error(), "want ws://") {
		t.Errorf("got %v", err)
	}
}

func TestStalledClientReadsNothingUntilItResumes(t *testing.T) {
	sent := make(chan struct{})
	_, url := serve(t, func(s *script, socket *gws.Conn, f *feedv1.ClientFrame) {
		s.send(socket, &feedv1.ServerFrame{ReplyTo: f.Id, Pong: &feedv1.Pong{}})
		close(sent)
	})
	c := dial(t, url, Options{ReceiveBuffer: 4096})
	c.Stall()
	before := c.Traffic().Frames
	answered := make(chan error)
	go func() {
		_, err := c.Ping(testContext(t))
		answered <- err
	}()
	<-sent // the answer is on its way or there: the gate holds it back either way
	if got := c.Traffic().Frames; got != before {
		t.Errorf("%d frames came through a stalled client", got-before)
	}
	c.Resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	c.Stall()
	c.Close() // must end a stalled client too
	if !errors.Is(c.Err(), ErrClosed) {
		t.Errorf("Err is %v, want ErrClosed", c.Err())
	}
}
