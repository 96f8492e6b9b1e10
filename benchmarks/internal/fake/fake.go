// Package fake is a server that speaks just enough of feed.v1 to test the load generator: it greets,
// answers a Subscribe with handles and full rows, and sends a cut when the test says so. It can be made to
// lie.
package fake

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/internal/client/quoterow"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Server is a fake feedd with a market of its own.
type Server struct {
	gws.BuiltinEventHandler
	Address string

	t    *testing.T
	http *httptest.Server
	open sync.WaitGroup // connections

	mu         sync.Mutex // guards everything below
	numbers    map[string]int
	walks      []*feed.Walk
	last       []feed.Quote
	ticks      uint64
	sessions   map[*gws.Conn]*session
	subscribes []*feedv1.Subscribe // requests, in order of arrival
	pongs      []string            // payloads of the pongs, in order of arrival
}

type session struct {
	instruments []int
	sent        []feed.Quote
}

// New starts a server of so many instruments, which lasts as long as the test. It compresses for those who offer it.
func New(t *testing.T, instruments int) *Server {
	t.Helper()
	return start(t, instruments, (*httptest.Server).Start)
}

// NewTLS is New behind TLS; trust is the certificate in PEM.
func NewTLS(t *testing.T, instruments int) (s *Server, trust string) {
	t.Helper()
	s = start(t, instruments, (*httptest.Server).StartTLS)
	return s, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw}))
}

func start(t *testing.T, instruments int, listen func(*httptest.Server)) *Server {
	t.Helper()
	s := &Server{t: t, numbers: make(map[string]int), sessions: make(map[*gws.Conn]*session)}
	for i, symbol := range feed.Symbols(instruments) {
		s.numbers[symbol] = i
		s.walks = append(s.walks, feed.NewWalk(1, i))
		s.last = append(s.last, feed.Quote{})
	}
	s.tick()
	upgrader := gws.NewUpgrader(s, &gws.ServerOption{
		SubProtocols: []string{"feedd.v1.proto"}, PermessageDeflate: gws.PermessageDeflate{Enabled: true, Threshold: 1},
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		s.open.Go(conn.ReadLoop)
	})
	s.http = httptest.NewUnstartedServer(mux)
	listen(s.http)
	s.Address = s.http.Listener.Addr().String()
	t.Cleanup(s.close)
	return s
}

func (s *Server) close() {
	s.mu.Lock()
	for conn := range s.sessions {
		_ = conn.NetConn().Close()
	}
	s.mu.Unlock()
	s.http.Close()
	s.open.Wait()
}

// tick needs mu, or nobody else.
func (s *Server) tick() {
	s.ticks++
	for i, w := range s.walks {
		s.last[i] = w.Next(0)
	}
}

// OnMessage answers a Subscribe, and a SetRate with the grant that was wished.
func (s *Server) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	var request feedv1.ClientFrame
	err := proto.Unmarshal(message.Bytes(), &request)
	if rate := request.GetSetRate(); rate != nil && err == nil {
		s.write(conn, &feedv1.ServerFrame{ReplyTo: request.GetId(), Grants: []*feedv1.Grant{{CadenceMs: rate.GetCadenceMs()}}})
		return
	}
	if err != nil || request.GetSubscribe() == nil {
		s.t.Errorf("client sends %q: %v", message.Bytes(), err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribes = append(s.subscribes, request.GetSubscribe())
	to := &session{}
	answer, grant := &feedv1.Subscribed{}, &feedv1.Grant{CadenceMs: request.GetSubscribe().GetCadenceMs()}
	rows := &feedv1.ServerFrame{CutTimeUs: uint64(time.Now().UnixMicro())}
	for _, symbol := range request.GetSubscribe().GetSymbols() {
		i, ok := s.numbers[symbol]
		if !ok {
			answer.Results = append(answer.Results, &feedv1.SubscribeResult{Symbol: symbol, Text: "no such instrument"})
			continue
		}
		to.instruments = append(to.instruments, i)
		to.sent = append(to.sent, s.last[i])
		answer.Instruments = append(answer.Instruments, &feedv1.Instrument{Symbol: symbol})
		answer.Results = append(answer.Results, &feedv1.SubscribeResult{Symbol: symbol, Channel: "quote", Handle: uint32(i + 1)})
		grant.Handles = append(grant.Handles, uint32(i+1))
		q := s.last[i]
		rows.Quotes = quoterow.Append(rows.Quotes, quoterow.Row{
			Handle: uint32(i + 1), Bid: q.Bid, BidSize: q.BidSize, Spread: q.Ask - q.Bid, AskSize: q.AskSize, Has: proto.Uint32(0b111),
			Sequence: s.ticks, Epoch: 1,
		})
	}
	s.sessions[conn] = to
	s.write(conn, &feedv1.ServerFrame{Welcome: &feedv1.Welcome{Session: "fake"}})
	s.write(conn, &feedv1.ServerFrame{ReplyTo: request.GetId(), Subscribed: answer, Grants: []*feedv1.Grant{grant}})
	s.write(conn, rows)
}

// OnPong notes the answer to a ping.
func (s *Server) OnPong(_ *gws.Conn, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pongs = append(s.pongs, string(payload))
}

// OnPing has nothing to answer: clients of the benchmark send none.
func (s *Server) OnPing(*gws.Conn, []byte) { s.t.Error("client sends a ping") }

func (s *Server) write(conn *gws.Conn, f *feedv1.ServerFrame) {
	b, err := proto.Marshal(f)
	if err != nil {
		s.t.Error(err)
		return
	}
	_ = conn.WriteMessage(gws.OpcodeBinary, b) // a session that left is the test's business
}

// Cut sends every session the difference to what it has, after a tick of each instrument. With lie, one
// number of each row is wrong.
func (s *Server) Cut(lie bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	for conn, to := range s.sessions {
		f := &feedv1.ServerFrame{CutTimeUs: uint64(time.Now().UnixMicro())}
		for k, i := range to.instruments {
			from, q := to.sent[k], s.last[i]
			if lie {
				q.AskSize++
			}
			to.sent[k] = s.last[i]
			f.Quotes = quoterow.Append(f.Quotes, quoterow.Row{
				Handle: uint32(i + 1), Bid: q.Bid - from.Bid, BidSize: q.BidSize - from.BidSize,
				Spread: q.Ask - q.Bid - (from.Ask - from.Bid), AskSize: q.AskSize - from.AskSize,
			})
		}
		s.write(conn, f)
	}
}

// Ping pings every session.
func (s *Server) Ping(payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.sessions {
		_ = conn.WritePing([]byte(payload))
	}
}

// Last returns the last quotes.
func (s *Server) Last() []feed.Quote {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]feed.Quote(nil), s.last...)
}

// Requests returns what was subscribed to so far and the pongs that came.
func (s *Server) Requests() (subscribes []*feedv1.Subscribe, pongs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*feedv1.Subscribe(nil), s.subscribes...), append([]string(nil), s.pongs...)
}

// CloseAll closes every session with a code.
func (s *Server) CloseAll(code uint16, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.sessions {
		_ = conn.WriteClose(code, []byte(reason))
	}
}
